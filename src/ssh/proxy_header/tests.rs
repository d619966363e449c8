use super::*;

/// Returns a header of version 2 with this command and version, family, and block behind the fixed part.
fn second(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version_and_command, family], &length, block].concat()
}

/// Reads as the server does: never more than was asked for. Returns the result and the number of bytes that were read;
/// `None` if the bytes end within the header.
fn read(bytes: &[u8]) -> Option<(Result<ProxyHeader, HeaderError>, usize)> {
    let mut length = 0;
    loop {
        match parse(bytes.get(..length)?) {
            Ok(ProxyHeader::Incomplete { more }) => length += more,
            decided => return Some((decided, length)),
        }
    }
}

fn client(text: &str) -> ProxyHeader {
    ProxyHeader::Client(text.parse().unwrap())
}

#[test]
fn headers_name_the_client_and_nothing_behind_them_is_read() {
    let check = |header: &[u8], expected: ProxyHeader| {
        for behind in [&b""[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"PROXY UNKNOWN\r\n"] {
            let read = read(&[header, behind].concat());
            assert_eq!(
                read,
                Some((Ok(expected.clone()), header.len())),
                "{}",
                header.escape_ascii()
            );
        }
        for end in 0..header.len() {
            assert_eq!(read(&header[..end]), None, "{} of {}", end, header.escape_ascii());
        }
    };
    let four = client("192.0.2.7:5000");
    let six = client("[2001:db8::7]:65535");
    check(b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 22\r\n", four.clone());
    check(b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", six.clone());
    check(b"PROXY UNKNOWN\r\n", ProxyHeader::HealthCheck);
    check(
        b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        ProxyHeader::HealthCheck,
    );

    let block = [&[192, 0, 2, 7, 10, 0, 0, 1][..], &5000u16.to_be_bytes(), &[0, 22]].concat();
    check(&second(0x21, 0x11, &block), four.clone());
    // A TLV of the kind NOOP, and then the longest header that there may be.
    check(
        &second(0x21, 0x11, &[&block[..], &[4, 0, 1, 9]].concat()),
        four.clone(),
    );
    let longest = [&block[..], &[7; LONGEST - FIXED - 12]].concat();
    check(&second(0x21, 0x11, &longest), four);
    let mut block = vec![0x20, 1, 0x0d, 0xb8];
    block.extend([[0; 11].as_slice(), &[7], &[0; 16], &[0xff, 0xff, 0, 22]].concat());
    check(&second(0x21, 0x21, &block), six);
    // A health check may have any family, and addresses.
    check(&second(0x20, 0, &[]), ProxyHeader::HealthCheck);
    check(&second(0x20, 0x11, &block), ProxyHeader::HealthCheck);
    check(&second(0x20, 0xff, &block), ProxyHeader::HealthCheck);
}

#[test]
fn what_is_wrong_is_named() {
    let check = |bytes: &[u8], expected: &str| {
        let error = read(bytes).unwrap_or_else(|| panic!("{} is incomplete", bytes.escape_ascii()));
        let error = error.0.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{}: {error}", bytes.escape_ascii());
    };
    check(
        b"SSH-2.0-OpenSSH",
        "there is none, the connection began with \"SSH-2.0-OpenSSH\"",
    );
    check(
        b"\x16\x03\x01\0\0\0\0\0\0\0\0\0\0\0\0",
        "there is none, the connection began with \"\\u{16}",
    );
    for line in [
        "TCP4 192.0.2.7 10.0.0.1 5000",
        "TCP4 192.0.2.7 10.0.0.1 5000 22 1",
        "TCP4 192.0.2.7  10.0.0.1 5000 22",
        "TCP4 192.0.2.256 10.0.0.1 5000 22",
        "TCP4 ::1 ::1 5000 22",
        "TCP6 192.0.2.7 10.0.0.1 5000 22",
        "TCP4 192.0.2.7 ::1 5000 22",
        "TCP4 192.0.2.7 10.0.0.1 65536 22",
        "TCP4 192.0.2.7 10.0.0.1 +5 22",
        "TCP4 192.0.2.7 10.0.0.1 05 22",
        "TCP4 192.0.2.7 10.0.0.1 5000 x",
        "TCP5 192.0.2.7 10.0.0.1 5000 22",
        "UNKNOWNS",
        "tcp4 192.0.2.7 10.0.0.1 5000 22",
        "\u{e9}\u{1b}[2J        ",
    ] {
        check(
            format!("PROXY {line}\r\n").as_bytes(),
            "the line of version 1 is malformed",
        );
    }
    // A line feed alone does not end the line, and neither does an end in the middle of what was asked for.
    check(
        b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 22\nSSH",
        "the line of version 1 is malformed",
    );
    check(b"PROXY \r\nSSH-2.0-x\r\n", "the line of version 1 is malformed");
    check(
        &[b"PROXY ", &[b'x'; 10_240][..]].concat(),
        "it is longer than 107 bytes",
    );

    check(&second(0x11, 0x11, &[0; 12]), "its version is 1");
    check(&second(0x2f, 0x11, &[0; 12]), "its command is 15");
    for family in [0, 1, 0x10, 0x12, 0x22, 0x31, 0x32, 0xff] {
        check(
            &second(0x21, family, &[0; 216]),
            "its address family and protocol are 0x",
        );
    }
    check(&second(0x21, 0x11, &[0; 11]), "it ends within its addresses");
    check(&second(0x21, 0x21, &[0; 35]), "it ends within its addresses");
    check(
        &second(0x21, 0x11, &[0; LONGEST - FIXED + 1]),
        "it is longer than 536 bytes",
    );
    check(&second(0x20, 0, &[0; 10_240]), "it is longer than 536 bytes");
}
