use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut wire = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    wire.extend(bytes);
    wire
}

fn packet(kind: u8, id: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = vec![kind];
    wire.extend(id.to_be_bytes());
    for field in fields {
        wire.extend(field);
    }
    wire
}

#[test]
fn requests_are_read_as_the_draft_lays_them_out() {
    let check = |kind: u8, fields: &[Vec<u8>], expected: Request<'_>| {
        let wire = packet(kind, 7, fields);
        assert_eq!(
            parse(&wire),
            Packet::Request {
                id: 7,
                request: expected
            }
        );
    };
    let handle = || string(&[0, 0, 0, 9]);
    let h = RawHandle(9);
    let u64 = |n: u64| n.to_be_bytes().to_vec();
    let u32 = |n: u32| n.to_be_bytes().to_vec();
    let no_attrs = || u32(0);
    check(4, &[handle()], Request::Close { handle: h });
    check(
        4,
        &[string(b"abc")],
        Request::Close {
            handle: RawHandle::NONE,
        },
    );
    check(
        5,
        &[handle(), u64(1 << 40), u32(300_000)],
        Request::Read(Read {
            handle: h,
            offset: 1 << 40,
            length: MAX_DATA,
        }),
    );
    check(
        6,
        &[handle(), u64(5), string(b"xyz")],
        Request::Write {
            handle: h,
            offset: 5,
            data: b"xyz",
        },
    );
    check(7, &[string(b"a\xff")], Request::Lstat { path: b"a\xff" });
    check(17, &[string(b"")], Request::Stat { path: b"" });
    check(
        18,
        &[string(b"a"), string(b"b")],
        Request::Rename { from: b"a", to: b"b" },
    );
    check(
        20,
        &[string(b"a"), string(b"b")],
        Request::Symlink {
            first: b"a",
            second: b"b",
        },
    );
    check(
        14,
        &[string(b"d"), no_attrs()],
        Request::Mkdir {
            path: b"d",
            attrs: SetAttrs::default(),
        },
    );
    check(
        200,
        &[string(b"x@y"), u32(1)],
        Request::Extended {
            name: b"x@y",
            body: Fields(&[0, 0, 0, 1]),
        },
    );
    let how = |read, write, rest: u32| OpenHow {
        read,
        write,
        append: rest & 4 != 0,
        create: rest & 8 != 0,
        truncate: rest & 16 != 0,
        exclusive: rest & 32 != 0,
        mode: Some(0o644),
    };
    let perm = || [u32(4), u32(0o100_644)].concat();
    for (flags, expected) in [
        (1, how(true, false, 0)),
        (2 + 8 + 16, how(false, true, 24)),
        (0, how(true, false, 0)),
    ] {
        check(
            3,
            &[string(b"f"), u32(flags), perm()],
            Request::Open {
                path: b"f",
                how: expected,
            },
        );
    }
}

#[test]
fn lengths_are_checked_before_anything_is_kept() {
    let check = |wire: &[u8], expected: Result<Option<usize>, Malformed>| assert_eq!(length(wire), expected);
    check(b"", Ok(None));
    check(&[0, 0, 0], Ok(None));
    check(&[0, 0, 0, 5], Ok(Some(5)));
    check(&[0, 4, 0, 0], Ok(Some(262_144)));
    check(&[0, 0, 0, 0], Err(Malformed::Length(0)));
    check(&[0, 0, 0, 4], Err(Malformed::Length(4)));
    check(&[0, 4, 0, 1], Err(Malformed::Length(262_145)));
    check(&[0x80, 0, 0, 0], Err(Malformed::Length(1 << 31)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(wire in vec(any::<u8>(), 5..200)) {
        let _ = parse(&wire);
        let _ = as_read(&wire);
        let _ = length(&wire);
    }

    #[test]
    fn a_body_cut_short_is_a_bad_message(kind in prop_oneof![3u8..=20, Just(200)], cut in 0usize..40) {
        let whole = packet(kind, 1, &[string(b"abcd"), vec![0; 60]]);
        let wire = &whole[..whole.len().min(5 + cut)];
        match parse(wire) {
            Packet::Request { id, .. } => prop_assert_eq!(id, 1),
            Packet::Bad { id, status } => prop_assert!(id == 1 && status == Status::BAD_MESSAGE),
            Packet::Init => prop_assert!(false),
        }
    }

    #[test]
    fn reads_are_kept_whole(id: u32, handle: u32, offset: u64, len: u32) {
        let wire = packet(5, id, &[string(&handle.to_be_bytes()), offset.to_be_bytes().to_vec(), len.to_be_bytes().to_vec()]);
        let expected = Read { handle: RawHandle(handle), offset, length: len.min(MAX_DATA) };
        prop_assert_eq!(as_read(&wire), Some((id, expected)));
    }
}
