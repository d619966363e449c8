//! Tests the layouts of requests, byte by byte.

use super::{framed, long, number, packet, string};
use crate::attributes::{Attributes, FileType, Owner, Times};
use crate::extension::ExtendedRequest;
use crate::fault::ClientFault;
use crate::frame::{expect_init, missing, request_length};
use crate::in_place::WriteHeader;
use crate::open_flags::OpenFlags;
use crate::packet_type::PacketType;
use crate::request::{Packet, Request, encode_init};
use crate::status_code::StatusCode;

/// Checks both directions: these fields decode to this request, and this request encodes to these fields.
fn check(packet_type: u8, fields: &[Vec<u8>], request: Request<'_>) {
    let wire = packet(packet_type, 7, fields);
    assert_eq!(Packet::decode(&wire), Packet::Request { id: 7, request });
    let mut written = Vec::new();
    request.encode(7, &mut written);
    assert_eq!(written, framed(&wire), "{request:?}");
    for cut in 5..wire.len() {
        // The body of an unknown extension may be anything.
        if !matches!(request, Request::Extended(_)) {
            let code = StatusCode::BadMessage;
            assert_eq!(Packet::decode(&wire[..cut]), Packet::Bad { id: 7, code });
        }
    }
    let more = [&wire[..], b"more"].concat();
    if !matches!(request, Request::Extended(_)) {
        assert_eq!(Packet::decode(&more), Packet::Request { id: 7, request });
    }
}

#[test]
fn requests_are_laid_out_as_in_the_draft() {
    let handle: &[u8] = &[0, 0, 0, 9];
    let h = || string(handle);
    let path: &[u8] = b"caf\xe9";
    let p = || string(path);
    let attrs = Attributes {
        size: Some(5),
        owner: Some(Owner { uid: 1, gid: 2 }),
        permissions: Some(0o100_644),
        times: Some(Times {
            accessed: 7,
            modified: 8,
        }),
    };
    let a = || {
        [
            number(15),
            long(5),
            number(1),
            number(2),
            number(0o100_644),
            number(7),
            number(8),
        ]
        .concat()
    };
    let flags = OpenFlags::WRITE | OpenFlags::CREAT | OpenFlags::TRUNC;
    check(3, &[p(), number(0x1a), a()], Request::Open { path, flags, attrs });
    check(4, &[h()], Request::Close { handle });
    let (offset, length) = (1 << 40, 300_000);
    check(
        5,
        &[h(), long(1 << 40), number(300_000)],
        Request::Read {
            handle,
            offset,
            length,
        },
    );
    let data = b"xyz";
    check(
        6,
        &[h(), long(1 << 40), string(b"xyz")],
        Request::Write { handle, offset, data },
    );
    check(7, &[p()], Request::Lstat { path });
    check(8, &[h()], Request::Fstat { handle });
    check(9, &[p(), a()], Request::Setstat { path, attrs });
    check(10, &[h(), a()], Request::Fsetstat { handle, attrs });
    check(11, &[p()], Request::Opendir { path });
    check(12, &[h()], Request::Readdir { handle });
    check(13, &[p()], Request::Remove { path });
    check(14, &[p(), a()], Request::Mkdir { path, attrs });
    let none = Attributes::default();
    check(
        14,
        &[string(b"d"), number(0)],
        Request::Mkdir {
            path: b"d",
            attrs: none,
        },
    );
    check(15, &[p()], Request::Rmdir { path });
    check(16, &[p()], Request::Realpath { path });
    check(17, &[string(b"")], Request::Stat { path: b"" });
    let (from, to): (&[u8], &[u8]) = (b"a", b"b");
    check(18, &[string(b"a"), string(b"b")], Request::Rename { from, to });
    check(19, &[p()], Request::Readlink { path });
    let (first, second) = (from, to);
    check(
        20,
        &[string(b"a"), string(b"b")],
        Request::Symlink { first, second },
    );
    let (name, body): (&[u8], &[u8]) = (b"x@y", &[0, 0, 0, 1]);
    check(
        200,
        &[string(b"x@y"), number(1)],
        Request::Extended(ExtendedRequest::Unknown { name, body }),
    );
}

#[test]
fn handles_are_whatever_a_server_gives() {
    for handle in [&b""[..], b"abc", &[0; 256]] {
        check(4, &[string(handle)], Request::Close { handle });
    }
}

#[test]
fn a_session_begins_with_init() {
    let mut wire = Vec::new();
    encode_init(3, &mut wire);
    assert_eq!(wire, [0, 0, 0, 5, 1, 0, 0, 0, 3]);
    assert_eq!(Packet::decode(&wire[4..]), Packet::Init { version: 3 });
    assert_eq!(expect_init(&wire[4..]), Ok(()));
    assert_eq!(expect_init(&[5, 0, 0, 0, 3]), Err(ClientFault::NotInit(5)));
    assert_eq!(expect_init(&[]), Err(ClientFault::Length(0)));
}

#[test]
fn what_is_no_request_is_unsupported() {
    let code = StatusCode::OpUnsupported;
    for packet_type in (0..=255).filter(|byte| !matches!(byte, 1 | 3..=20 | 200)) {
        let wire = packet(packet_type, 9, &[vec![0; 40]]);
        assert_eq!(
            Packet::decode(&wire),
            Packet::Bad { id: 9, code },
            "{packet_type}"
        );
    }
}

#[test]
fn one_nul_at_the_end_of_a_path_is_not_part_of_it() {
    for (wire, path) in [
        (&b"a\0"[..], &b"a"[..]),
        (b"a\0\0", b"a\0"),
        (b"\0", b""),
        (b"a\0b", b"a\0b"),
    ] {
        let stat = packet(17, 1, &[string(wire)]);
        let request = Request::Stat { path };
        assert_eq!(Packet::decode(&stat), Packet::Request { id: 1, request });
    }
    // Data and handles may hold any bytes.
    let write = packet(6, 1, &[string(b"h\0"), long(0), string(b"d\0")]);
    let (handle, data) = (b"h\0", b"d\0");
    let request = Request::Write {
        handle,
        offset: 0,
        data,
    };
    assert_eq!(Packet::decode(&write), Packet::Request { id: 1, request });
}

#[test]
fn extended_attributes_are_skipped_and_may_not_be_cut_short() {
    let pair = [number(1), string(b"n"), string(b"v")].concat();
    let fields = [string(b"f"), number(0x8000_0001), long(5), pair];
    let wire = packet(9, 1, &fields);
    let attrs = Attributes {
        size: Some(5),
        ..Attributes::default()
    };
    let request = Request::Setstat { path: b"f", attrs };
    assert_eq!(Packet::decode(&wire), Packet::Request { id: 1, request });
    for cut in 5..wire.len() {
        let code = StatusCode::BadMessage;
        assert_eq!(
            Packet::decode(&wire[..cut]),
            Packet::Bad { id: 1, code },
            "cut at {cut}"
        );
    }
}

#[test]
fn lengths_are_checked_before_anything_is_kept() {
    let check = |wire: &[u8], expected: Result<Option<usize>, ClientFault>| {
        assert_eq!(request_length(wire), expected);
    };
    check(b"", Ok(None));
    check(&[0, 0, 0], Ok(None));
    check(&[0, 0, 0, 5], Ok(Some(5)));
    check(&[0, 4, 0, 0], Ok(Some(262_144)));
    check(&[0, 0, 0, 0], Err(ClientFault::Length(0)));
    check(&[0, 0, 0, 4], Err(ClientFault::Length(4)));
    check(&[0, 4, 0, 1], Err(ClientFault::Length(262_145)));
    check(&[0x80, 0, 0, 0], Err(ClientFault::Length(1 << 31)));
}

#[test]
fn what_is_missing_of_a_packet_is_known() {
    for (partial, expected) in [
        (&b""[..], 0),
        (&[0, 0, 0], 0),
        (&[0, 0, 0, 9], 9),
        (&[0, 0, 0, 9, 1, 2], 7),
        (&[0, 0, 0, 1, 1, 2, 3], 0),
    ] {
        assert_eq!(missing(partial), expected, "{partial:?}");
    }
}

#[test]
fn a_write_around_its_data_is_the_same_packet() {
    for (handle, data, room) in [
        (&b"handle"[..], &b"some bytes"[..], 10),
        (b"handle", b"cut", 10),
        (b"", b"", 0),
        (&[0; 256], b"x", 1),
    ] {
        let mut buffer = vec![0xaa; 400];
        let header = WriteHeader::begin(&mut buffer, handle, 1 << 40);
        assert!(buffer.len() >= header.size() + room);
        buffer[header.size()..header.size() + data.len()].copy_from_slice(data);
        header.finish(&mut buffer, 7, u32::try_from(data.len()).unwrap());
        let mut expected = Vec::new();
        let offset = 1 << 40;
        Request::Write { handle, offset, data }.encode(7, &mut expected);
        assert_eq!(&buffer[..expected.len()], &expected[..]);
        assert_eq!(header.size() + data.len(), expected.len());
    }
    // A buffer that is too small is not written beyond its end.
    let mut small = [0; 7];
    WriteHeader::begin(&mut small, b"handle", 0).finish(&mut small, 7, 1);
}

#[test]
fn packets_stand_one_behind_the_other() {
    let mut wire = Vec::new();
    Request::Stat { path: b"a" }.encode(1, &mut wire);
    let first = wire.len();
    Request::Stat { path: b"bc" }.encode(2, &mut wire);
    assert_eq!(request_length(&wire), Ok(Some(first - 4)));
    assert_eq!(request_length(&wire[first..]), Ok(Some(wire.len() - first - 4)));
}

#[test]
fn types_have_their_numbers() {
    let known: Vec<u8> = (0..=255)
        .filter(|byte| PacketType::from_byte(*byte).is_some())
        .collect();
    let expected: Vec<u8> = (1..=20).chain(101..=105).chain(200..=201).collect();
    assert_eq!(known, expected);
    for byte in known {
        assert_eq!(PacketType::of(&[byte, 0]).unwrap().byte(), byte);
    }
    assert_eq!(PacketType::of(&[]), None);
}

#[test]
fn the_type_of_a_file_is_in_its_mode() {
    for (mode, expected) in [
        (0o100_644, Some(FileType::Regular)),
        (0o040_755, Some(FileType::Directory)),
        (0o120_777, Some(FileType::Symlink)),
        (0o010_600, Some(FileType::Fifo)),
        (0o140_600, Some(FileType::Socket)),
        (0o060_600, Some(FileType::BlockDevice)),
        (0o020_600, Some(FileType::CharacterDevice)),
        (0o170_600, Some(FileType::Unknown)),
        (0o644, None),
    ] {
        assert_eq!(FileType::from_mode(mode), expected, "{mode:o}");
    }
    let of = |permissions: Option<u32>| Attributes {
        permissions,
        ..Attributes::default()
    };
    for (permissions, is_directory, is_symlink) in [
        (None, None, false),
        (Some(0o755), None, false),
        (Some(0o040_755), Some(true), false),
        (Some(0o100_644), Some(false), false),
        (Some(0o120_777), Some(false), true),
    ] {
        let attrs = of(permissions);
        assert_eq!(
            (attrs.is_directory(), attrs.is_symlink()),
            (is_directory, is_symlink)
        );
    }
}

#[test]
fn open_flags_are_a_set() {
    let set = OpenFlags::READ | OpenFlags::EXCL;
    assert_eq!(set.bits(), 0x21);
    assert!(set.contains(OpenFlags::READ) && set.contains(OpenFlags::EXCL) && set.contains(set));
    assert!(!set.contains(OpenFlags::WRITE) && !set.contains(OpenFlags::READ | OpenFlags::WRITE));
    assert_eq!(OpenFlags::ALL.bits(), 0x3f);
    assert_eq!(OpenFlags::from_bits(0x8000_0001).bits(), 0x8000_0001);
}
