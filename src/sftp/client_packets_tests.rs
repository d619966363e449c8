use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::sftp::packet::{self, Packet};
use crate::storage::SetAttrs;
use base::sftp_kinds::*;
use homeport::packets::fields::{string_to, u32_to};
use homeport::packets::*;

/// What our own server reads in a request.
fn read_by_server(request: &Request<'_>, id: u32) -> String {
    let mut wire = Vec::new();
    request.encode(id, &mut wire);
    let length = packet::length(&wire).unwrap().unwrap();
    assert_eq!(wire.len(), 4 + length, "the length is right");
    match packet::parse(&wire[4..]) {
        Packet::Init => "Init".into(),
        Packet::Request { id: got, request } => {
            assert_eq!(got, id);
            format!("{request:?}")
        }
        Packet::Bad { status, .. } => panic!("{request:?} is refused: {status:?}"),
    }
}

#[test]
fn our_own_server_reads_every_request() {
    let attrs = Attributes {
        size: Some(5),
        owner: Some((1, 2)),
        mode: Some(0o644),
        times: Some((7, 8)),
    };
    let handle = [0, 0, 0, 9];
    let same = SetAttrs {
        size: Some(5),
        owner: Some((1, 2)),
        permissions: Some(0o644),
        times: Some((7, 8)),
    };
    let check = |request: Request<'_>, expected: packet::Request<'_>| {
        assert_eq!(read_by_server(&request, 77), format!("{expected:?}"));
    };
    let raw = packet::RawHandle(9);
    assert_eq!(read_by_server(&Request::Init, 0), "Init");
    check(
        Request::Close { handle: &handle },
        packet::Request::Close { handle: raw },
    );
    check(
        Request::Fstat { handle: &handle },
        packet::Request::Fstat { handle: raw },
    );
    check(
        Request::Readdir { handle: &handle },
        packet::Request::Readdir { handle: raw },
    );
    check(
        Request::Read {
            handle: &handle,
            offset: 1 << 40,
            length: 32_768,
        },
        packet::Request::Read(packet::Read {
            handle: raw,
            offset: 1 << 40,
            length: 32_768,
        }),
    );
    check(
        Request::Write {
            handle: &handle,
            offset: 3,
            data: b"data",
        },
        packet::Request::Write {
            handle: raw,
            offset: 3,
            data: b"data",
        },
    );
    let path: &[u8] = b"caf\xe9";
    check(Request::Stat { path }, packet::Request::Stat { path });
    check(Request::Lstat { path }, packet::Request::Lstat { path });
    check(Request::Opendir { path }, packet::Request::Opendir { path });
    check(Request::Remove { path }, packet::Request::Remove { path });
    check(Request::Rmdir { path }, packet::Request::Rmdir { path });
    check(Request::Realpath { path }, packet::Request::Realpath { path });
    check(Request::Readlink { path }, packet::Request::Readlink { path });
    check(
        Request::Setstat { path, attrs: &attrs },
        packet::Request::Setstat { path, attrs: same },
    );
    check(
        Request::Mkdir { path, attrs: &attrs },
        packet::Request::Mkdir { path, attrs: same },
    );
    check(
        Request::Fsetstat {
            handle: &handle,
            attrs: &attrs,
        },
        packet::Request::Fsetstat {
            handle: raw,
            attrs: same,
        },
    );
    check(
        Request::Rename { from: path, to: b"x" },
        packet::Request::Rename { from: path, to: b"x" },
    );
    check(
        Request::Symlink {
            target: path,
            link: b"x",
        },
        packet::Request::Symlink {
            first: path,
            second: b"x",
        },
    );
    check(
        Request::Extended {
            name: "limits@openssh.com",
            body: b"body",
        },
        packet::Request::Extended {
            name: b"limits@openssh.com",
            body: packet::Fields(b"body"),
        },
    );
    let flags = flags::READ | flags::WRITE | flags::CREAT | flags::TRUNC;
    let opened = read_by_server(
        &Request::Open {
            path,
            flags,
            attrs: &attrs,
        },
        1,
    );
    assert!(
        opened.contains("truncate: true") && opened.contains("mode: Some(420)"),
        "{opened}"
    );
}

#[test]
fn replies_of_our_own_server_are_read() {
    use crate::sftp::reply::Reply as Made;
    use crate::sftp::status::Status;
    let mut stream = BytesMut::new();
    stream.extend_from_slice(&Made::version([("a", &b"1"[..])].into_iter()));
    stream.extend_from_slice(&Made::status(7, Status::NO_SUCH_FILE, "No such file"));
    stream.extend_from_slice(&Made::handle(8, packet::RawHandle(3)));
    stream.extend_from_slice(&Made::name(9, b"/home"));
    let mut extended = Made::extended(10);
    extended.u64(5);
    stream.extend_from_slice(&extended.finish());
    let mut next = || next_reply(&mut stream).unwrap();
    let bytes = |text: &'static [u8]| Bytes::from_static(text);
    let extensions = vec![(bytes(b"a"), bytes(b"1"))];
    assert_eq!(
        next(),
        Some((
            0,
            Reply::Version {
                version: 3,
                extensions
            }
        ))
    );
    let message = bytes(b"No such file");
    assert_eq!(next(), Some((7, Reply::Status { code: 2, message })));
    assert_eq!(next(), Some((8, Reply::Handle(bytes(&[0, 0, 0, 3])))));
    let Some((9, Reply::Names(names))) = next() else {
        panic!()
    };
    assert_eq!((names.len(), &names[0].name[..]), (1, &b"/home"[..]));
    assert_eq!(
        next(),
        Some((10, Reply::Extended(bytes(&[0, 0, 0, 0, 0, 0, 0, 5]))))
    );
    assert_eq!(next(), None);
}

proptest! {
    /// Whatever a server sends, wherever it is cut: an answer, an error, or nothing yet.
    #[test]
    fn nothing_that_a_server_sends_can_hurt(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 90..210u8) {
        // Mostly lengths that are possible, and types that are replies.
        if bytes.len() > 5 {
            let length = u32::try_from(bytes.len()).unwrap() - 4;
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            bytes[4] = kind;
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = next_reply(&mut buffer) {}
    }

    #[test]
    fn a_reply_comes_whole_however_it_is_cut(data in proptest::collection::vec(any::<u8>(), 0..100), cut in 0..120usize) {
        let mut whole = vec![0, 0, 0, 0, SSH_FXP_DATA];
        u32_to(&mut whole, 42);
        string_to(&mut whole, &data);
        let length = u32::try_from(whole.len() - 4).unwrap();
        whole[..4].copy_from_slice(&length.to_be_bytes());
        let cut = cut.min(whole.len() - 1);
        let mut buffer = BytesMut::from(&whole[..cut]);
        prop_assert_eq!(next_reply(&mut buffer), Ok(None));
        buffer.extend_from_slice(&whole[cut..]);
        prop_assert_eq!(next_reply(&mut buffer), Ok(Some((42, Reply::Data(Bytes::from(data))))));
    }
}

#[test]
fn a_block_is_the_same_packet_as_a_write() {
    for (data, room) in [(&b"some bytes"[..], 10), (b"cut", 10), (b"", 0)] {
        let mut block = Block::new(b"handle", 1 << 40, room);
        block.data()[..data.len()].copy_from_slice(data);
        block.cut(u32::try_from(data.len()).unwrap());
        let mut expected = Vec::new();
        let (handle, offset) = (&b"handle"[..], 1 << 40);
        Request::Write { handle, offset, data }.encode(7, &mut expected);
        let (packet, alone) = block.with_id(7);
        assert_eq!((&packet[..], &alone[..]), (&expected[..], data));
    }
    assert!(
        Block::new(&[0; 256], 0, u32::MAX).length >= 261_120,
        "the largest WRITE fits"
    );
}
