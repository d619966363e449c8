//! Tests the layouts of replies, byte by byte.

use bytes::{Bytes, BytesMut};

use super::{framed, long, number, packet, string};
use crate::attributes::Attributes;
use crate::constants::SSH_FXP_DATA;
use crate::fault::ServerFault;
use crate::frame::{LARGEST_REPLY, next_reply, reply_length};
use crate::in_place::DataHeader;
use crate::reply::{Announcement, Name, NamesReply, Reply};
use crate::status_code::StatusCode;

/// Checks both directions: these fields decode to this reply, and this reply encodes to these fields.
fn check(packet_type: u8, fields: &[Vec<u8>], reply: Reply<&[u8]>) {
    let wire = packet(packet_type, 7, fields);
    assert_eq!(Reply::decode(&wire[..]), Ok((7, reply.clone())));
    assert_eq!(reply.to_bytes(7), framed(&wire));
    if matches!(reply, Reply::Extended(_)) {
        return;
    }
    let fault = Err(ServerFault::Body(packet_type));
    let more = [&wire[..], b"x"].concat();
    assert_eq!(Reply::decode(&more[..]), fault, "too long");
    for cut in 5..wire.len() {
        // A status may end after its code, or after its message.
        let decoded = Reply::decode(&wire[..cut]);
        if !matches!(decoded, Ok((7, Reply::Status { .. }))) {
            assert_eq!(decoded, fault, "cut at {cut}");
        }
    }
}

#[test]
fn replies_are_laid_out_as_in_the_draft() {
    let message = "No such file";
    check(
        101,
        &[number(2), string(message.as_bytes()), string(b"")],
        Reply::status(StatusCode::NoSuchFile, message),
    );
    check(102, &[string(&[0, 0, 0, 3])], Reply::Handle(&[0, 0, 0, 3]));
    check(103, &[string(b"abc")], Reply::Data(b"abc"));
    let attrs = Attributes {
        size: Some(5),
        permissions: Some(0o100_600),
        ..Attributes::default()
    };
    let a = || [number(5), long(5), number(0o100_600)].concat();
    check(105, &[a()], Reply::Attrs(attrs));
    let (name, long_name): (&[u8], &[u8]) = (b"caf\xe9", b"-rw------- caf\xe9");
    let entry = || [string(name), string(long_name), a()].concat();
    let names = vec![
        Name {
            name,
            long: long_name,
            attrs,
        };
        2
    ];
    check(104, &[number(2), entry(), entry()], Reply::Names(names));
    check(104, &[number(0)], Reply::Names(Vec::new()));
    check(201, &[vec![1, 2, 3]], Reply::Extended(&[1, 2, 3]));
}

#[test]
fn version_has_no_id() {
    let extensions = vec![
        Announcement {
            name: &b"a"[..],
            data: &b"1"[..],
        },
        Announcement {
            name: b"b",
            data: b"",
        },
    ];
    let version = Reply::Version {
        version: 3,
        extensions,
    };
    let wire = packet(2, 3, &[string(b"a"), string(b"1"), string(b"b"), string(b"")]);
    assert_eq!(version.to_bytes(99), framed(&wire));
    assert_eq!(Reply::decode(&wire[..]), Ok((0, version)));
    let cut = Reply::decode(&wire[..wire.len() - 1]);
    assert_eq!(cut, Err(ServerFault::Body(2)));
}

#[test]
fn a_status_of_an_old_server_has_no_words() {
    let bare = packet(101, 7, &[number(4)]);
    let without_language = packet(101, 7, &[number(31), string(b"odd")]);
    let check = |wire: &[u8], code: StatusCode, message: &str| {
        assert_eq!(Reply::decode(wire), Ok((7, Reply::status(code, message))));
    };
    check(&bare, StatusCode::Failure, "");
    check(&without_language, StatusCode::Other(31), "odd");
}

#[test]
fn codes_have_their_numbers_and_texts() {
    let texts: Vec<&str> = (0..=9).map(|n| StatusCode::from_number(n).text()).collect();
    assert_eq!(
        texts,
        [
            "Success",
            "End of file",
            "No such file",
            "Permission denied",
            "Failure",
            "Bad message",
            "No connection",
            "Connection lost",
            "Operation unsupported",
            "Failure"
        ]
    );
    for number in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, u32::MAX] {
        assert_eq!(StatusCode::from_number(number).number(), number);
    }
}

#[test]
fn the_names_of_a_listing_can_be_taken_out_again() {
    let mut reply = NamesReply::new(7);
    assert!(NamesReply::new(7).into_names().is_empty());
    for name in [&b"a"[..], b"\xff", b""] {
        reply.push(name, b"long", &Attributes::default());
    }
    assert_eq!(reply.into_names(), [&b"a"[..], b"\xff", b""]);
}

#[test]
fn a_listing_is_written_entry_by_entry() {
    let mut reply = NamesReply::new(7);
    let attrs = Attributes {
        size: Some(1),
        ..Attributes::default()
    };
    reply.push(b"a", b"long a", &attrs);
    reply.push(b"b", b"long b", &Attributes::default());
    assert_eq!(reply.count(), 2);
    let size = reply.size();
    let bytes = reply.answering(9).finish();
    assert_eq!(bytes.len(), size);
    let (a, long_a): (&[u8], &[u8]) = (b"a", b"long a");
    let (b, long_b): (&[u8], &[u8]) = (b"b", b"long b");
    let names = vec![
        Name {
            name: a,
            long: long_a,
            attrs,
        },
        Name {
            name: b,
            long: long_b,
            attrs: Attributes::default(),
        },
    ];
    assert_eq!(bytes, Reply::Names(names).to_bytes(9));
    let path = Name {
        name: &b"/home"[..],
        long: &b"/home"[..],
        attrs: Attributes::default(),
    };
    assert_eq!(
        NamesReply::single(9, b"/home"),
        Reply::Names(vec![path]).to_bytes(9)
    );
}

#[test]
fn a_data_reply_is_its_header_and_the_bytes() {
    let mut buffer = vec![0; DataHeader::SIZE + 3];
    buffer[DataHeader::SIZE..].copy_from_slice(b"abc");
    let header = DataHeader {
        id: 0x0102_0304,
        length: 3,
    };
    header.write_to(&mut buffer);
    assert_eq!(
        buffer,
        [0, 0, 0, 12, 103, 1, 2, 3, 4, 0, 0, 0, 3, b'a', b'b', b'c']
    );
    assert_eq!(buffer, Reply::Data(&b"abc"[..]).to_bytes(0x0102_0304));
    let first = *buffer.first_chunk().unwrap();
    assert_eq!(DataHeader::read(&first), Ok(Some(header)));
    let mut other = first;
    other[4] = 101;
    assert_eq!(DataHeader::read(&other), Ok(None));
    let mut contradiction = first;
    contradiction[12] = 4;
    let fault = Err(ServerFault::Body(SSH_FXP_DATA));
    assert_eq!(DataHeader::read(&contradiction), fault);
    let mut short = first;
    short[3] = 8;
    assert_eq!(DataHeader::read(&short), fault);
    // A buffer that is too small is not changed.
    let mut small = [7; 12];
    header.write_to(&mut small);
    assert_eq!(small, [7; 12]);
}

#[test]
fn replies_come_one_behind_the_other_whole_or_in_pieces() {
    let replies = [
        Reply::Version {
            version: 3,
            extensions: Vec::new(),
        },
        Reply::status(StatusCode::NoSuchFile, "No such file"),
        Reply::Handle(&[0, 0, 0, 3]),
        Reply::Extended(&[0, 0, 0, 0, 0, 0, 0, 5]),
    ];
    let stream: Vec<u8> = (0..)
        .zip(&replies)
        .flat_map(|(id, reply)| reply.to_bytes(id))
        .collect();
    let mut buffer = BytesMut::new();
    let mut come = Vec::new();
    for byte in stream {
        buffer.extend_from_slice(&[byte]);
        come.extend(next_reply(&mut buffer).unwrap());
    }
    assert!(buffer.is_empty());
    let expected: Vec<_> = (0..)
        .zip(&replies)
        .map(|(id, reply)| (id, reply.to_bytes(id)))
        .collect();
    let come: Vec<(u32, Bytes)> = come
        .into_iter()
        .map(|(id, reply)| (id, reply.to_bytes(id)))
        .collect();
    assert_eq!(come, expected);
}

#[test]
fn a_server_cannot_make_a_client_keep_much() {
    let check = |length: u32, expected: Result<Option<usize>, ServerFault>| {
        assert_eq!(reply_length(&length.to_be_bytes()), expected);
    };
    check(4, Err(ServerFault::Length(4)));
    check(5, Ok(Some(5)));
    check(LARGEST_REPLY, Ok(Some(2 << 20)));
    check(LARGEST_REPLY + 1, Err(ServerFault::Length(LARGEST_REPLY + 1)));
    assert_eq!(reply_length(&[0, 0, 0]), Ok(None));
    let mut buffer = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
    assert_eq!(next_reply(&mut buffer), Err(ServerFault::Length(u32::MAX)));
    // The count is large, but no names follow.
    let names = packet(104, 1, &[number(u32::MAX)]);
    assert_eq!(Reply::decode(&names[..]), Err(ServerFault::Body(104)));
}

#[test]
fn what_is_no_reply_is_the_servers_fault() {
    for packet_type in (0..=255).filter(|byte| !matches!(byte, 2 | 101..=105 | 201)) {
        let wire = packet(packet_type, 9, &[vec![0; 40]]);
        assert_eq!(Reply::decode(&wire[..]), Err(ServerFault::Body(packet_type)));
    }
    assert_eq!(Reply::decode(&b""[..]), Err(ServerFault::Body(0)));
    assert_eq!(Reply::decode(&[101, 0][..]), Err(ServerFault::Body(101)));
    let said = ServerFault::Body(5).to_string();
    assert_eq!(said, "the server sent a packet of type 5 that makes no sense");
}
