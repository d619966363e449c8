//! Property tests of the codec against itself and against random bytes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{framed, number, packet, string};
use crate::attributes::{Attributes, Owner, Times};
use crate::constants::SSH_FXP_DATA;
use crate::extension::{CheckFileQuery, ContinueHashQuery, ExtendedRequest, Extension, IdList, Md5Query};
use crate::frame::{self, LARGEST_DATA};
use crate::fuzz::fuzz_packet;
use crate::open_flags::OpenFlags;
use crate::reply::Reply;
use crate::request::{Packet, Request};
use crate::status_code::StatusCode;

prop_compose! {
    fn attrs()(
        size in option::of(any::<u64>()),
        owner in option::of((any::<u32>(), any::<u32>())),
        permissions in option::of(any::<u32>()),
        times in option::of((any::<u32>(), any::<u32>())),
    ) -> Attributes {
        Attributes {
            size,
            owner: owner.map(|(uid, gid)| Owner { uid, gid }),
            permissions,
            times: times.map(|(accessed, modified)| Times { accessed, modified }),
        }
    }
}

/// The random values that requests are built from.
#[derive(Debug, Clone)]
struct Parts {
    a: Vec<u8>,
    b: Vec<u8>,
    data: Vec<u8>,
    ids: Vec<u8>,
    x: u64,
    y: u64,
    n: u32,
    attrs: Attributes,
}

prop_compose! {
    fn parts()(
        a in vec(any::<u8>(), 0..40),
        // Paths that end in NUL are the special case.
        b in prop_oneof![vec(any::<u8>(), 0..40), vec(Just(0), 0..3)],
        data in vec(any::<u8>(), 0..300),
        ids in vec(any::<u32>(), 0..5),
        x: u64,
        y: u64,
        n: u32,
        attrs in attrs(),
    ) -> Parts {
        let ids = ids.into_iter().flat_map(u32::to_be_bytes).collect();
        Parts { a, b, data, ids, x, y, n, attrs }
    }
}

impl Parts {
    /// Returns one request of every kind.
    fn requests(&self) -> Vec<Request<'_>> {
        let (a, b) = (&self.a[..], &self.b[..]);
        let (attrs, offset) = (self.attrs, self.x);
        let mut requests = vec![
            Request::Open {
                path: b,
                flags: OpenFlags::from_bits(self.n),
                attrs,
            },
            Request::Close { handle: a },
            Request::Read {
                handle: a,
                offset,
                length: self.n,
            },
            Request::Write {
                handle: a,
                offset,
                data: &self.data,
            },
            Request::Stat { path: b },
            Request::Lstat { path: b },
            Request::Fstat { handle: a },
            Request::Setstat { path: b, attrs },
            Request::Fsetstat { handle: a, attrs },
            Request::Opendir { path: b },
            Request::Readdir { handle: a },
            Request::Remove { path: b },
            Request::Mkdir { path: b, attrs },
            Request::Rmdir { path: b },
            Request::Realpath { path: b },
            Request::Rename { from: a, to: b },
            Request::Readlink { path: b },
            Request::Symlink { first: b, second: a },
        ];
        requests.extend(self.extended().into_iter().map(Request::Extended));
        requests
    }

    fn extended(&self) -> Vec<ExtendedRequest<'_>> {
        let (a, b) = (&self.a[..], &self.b[..]);
        let query = Md5Query {
            offset: self.x,
            length: self.y,
            quick_check: &self.data,
        };
        let check = CheckFileQuery {
            algorithms: &self.data,
            offset: self.x,
            length: self.y,
            block_size: self.n,
        };
        vec![
            ExtendedRequest::PosixRename { from: b, to: a },
            ExtendedRequest::Statvfs { path: b },
            ExtendedRequest::Fstatvfs { handle: a },
            ExtendedRequest::Hardlink { from: a, to: b },
            ExtendedRequest::Fsync { handle: a },
            ExtendedRequest::Lsetstat {
                path: b,
                attrs: self.attrs,
            },
            ExtendedRequest::Limits,
            ExtendedRequest::ExpandPath { path: b },
            ExtendedRequest::CopyData {
                from: a,
                from_offset: self.x,
                length: self.y,
                to: b,
                to_offset: u64::from(self.n),
            },
            ExtendedRequest::HomeDirectory { user: b },
            ExtendedRequest::UsersGroupsById {
                uids: IdList::from_bytes(&self.ids).unwrap(),
                gids: IdList::default(),
            },
            ExtendedRequest::Md5Hash { path: b, query },
            ExtendedRequest::Md5HashHandle { handle: a, query },
            ExtendedRequest::CheckFile {
                file: a,
                query: check,
            },
            ExtendedRequest::CheckFileName {
                path: b,
                query: check,
            },
            ExtendedRequest::CheckFileHandle {
                handle: a,
                query: check,
            },
            ExtendedRequest::ContinueHash {
                handle: a,
                query: ContinueHashQuery {
                    algorithm: &self.data,
                    offset: self.x,
                    length: self.y,
                    step: u64::from(self.n),
                    states: &self.ids,
                },
            },
            ExtendedRequest::SpaceAvailable { path: b },
            ExtendedRequest::Unknown {
                name: b,
                body: &self.data,
            },
        ]
    }
}

proptest! {
    #[test]
    fn what_a_client_asks_is_what_a_server_reads(parts in parts(), id: u32) {
        for request in parts.requests() {
            let mut wire = b"before".to_vec();
            request.encode(id, &mut wire);
            let wire = &wire[6..];
            let length = frame::request_length(wire).unwrap().unwrap();
            prop_assert_eq!(wire.len(), 4 + length);
            prop_assert_eq!(Packet::decode(&wire[4..]), Packet::Request { id, request });
            fuzz_packet(&wire[4..]);
        }
    }

    /// A valid packet with one changed byte reaches most of the code.
    #[test]
    fn packets_that_are_nearly_right_are_read_consistently(parts in parts(), at: prop::sample::Index, byte: u8) {
        for request in parts.requests() {
            let mut wire = Vec::new();
            request.encode(1, &mut wire);
            let mut packet = wire.split_off(4);
            let at = at.index(packet.len());
            packet[at] = byte;
            fuzz_packet(&packet);
        }
    }

    #[test]
    fn replies_are_read_consistently(
        packet_type in prop_oneof![Just(2u8), 101u8..=105, Just(201)],
        fields in vec(prop_oneof![
            vec(any::<u8>(), 0..20).prop_map(|bytes| string(&bytes)),
            (0u32..4).prop_map(number),
            vec(any::<u8>(), 0..9),
        ], 0..8),
    ) {
        fuzz_packet(&packet(packet_type, 7, &fields));
        fuzz_packet(&fields.concat());
        fuzz_packet(&framed(&packet(packet_type, 7, &fields)));
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in vec(any::<u8>(), 0..300)) {
        fuzz_packet(&bytes);
    }

    #[test]
    fn a_body_cut_short_is_a_bad_message(packet_type in prop_oneof![3u8..=20, Just(200)], cut in 0usize..40) {
        let whole = packet(packet_type, 1, &[string(b"abcd"), vec![0; 60]]);
        let wire = &whole[..whole.len().min(5 + cut)];
        match Packet::decode(wire) {
            Packet::Request { id, .. } => prop_assert_eq!(id, 1),
            Packet::Bad { id, code } => prop_assert!(id == 1 && code == StatusCode::BadMessage),
            Packet::Init { .. } => prop_assert!(false),
        }
    }

    /// Any bytes from a server, cut anywhere, give a reply, a fault, or nothing yet.
    #[test]
    fn nothing_that_a_server_sends_can_hurt(mut bytes in vec(any::<u8>(), 0..200), packet_type in 90..210u8) {
        // Most inputs get a valid length and the type of a reply.
        if bytes.len() > 5 {
            let length = u32::try_from(bytes.len()).unwrap() - 4;
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            bytes[4] = packet_type;
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = frame::next_reply(&mut buffer) {}
        fuzz_packet(bytes.get(4..).unwrap_or_default());
    }

    #[test]
    fn a_reply_comes_whole_however_it_is_cut(data in vec(any::<u8>(), 0..100), cut in 0..120usize) {
        let whole = framed(&packet(SSH_FXP_DATA, 42, &[string(&data)]));
        let cut = cut.min(whole.len() - 1);
        let mut buffer = BytesMut::from(&whole[..cut]);
        prop_assert_eq!(frame::next_reply(&mut buffer), Ok(None));
        buffer.extend_from_slice(&whole[cut..]);
        prop_assert_eq!(frame::next_reply(&mut buffer), Ok(Some((42, Reply::Data(Bytes::from(data))))));
    }
}

#[test]
fn every_extension_is_tried() {
    let parts = Parts {
        a: Vec::new(),
        b: Vec::new(),
        data: Vec::new(),
        ids: Vec::new(),
        x: 0,
        y: 0,
        n: 0,
        attrs: Attributes::default(),
    };
    let requests = parts.extended();
    let tried: Vec<&[u8]> = requests.iter().map(ExtendedRequest::name).collect();
    for extension in Extension::ALL {
        assert!(
            tried.contains(&extension.name().as_bytes()),
            "{extension:?} is missing"
        );
    }
}

#[test]
fn the_largest_data_fits_into_the_largest_packet() {
    let data = vec![0; LARGEST_DATA as usize];
    let mut wire = Vec::new();
    Request::Write {
        handle: &[0; 256],
        offset: 0,
        data: &data,
    }
    .encode(1, &mut wire);
    assert!(frame::request_length(&wire).is_ok());
}
