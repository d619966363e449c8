//! The requests and replies of extensions, byte by byte.

use super::{framed, long, number, packet, string};
use crate::attributes::Attributes;
use crate::extension::{
    CheckFileFormat, CheckFileQuery, CheckFileShape, ContinueHashQuery, ContinueHashReply, ExtendedReply,
    ExtendedRequest, Extension, IdList, Limits, Md5HashReply, Md5Query, SpaceAvailable, Statvfs, StringList,
    Supported, UsersGroupsById, VendorId,
};
use crate::fault::ServerFault;
use crate::fields::Reader;
use crate::open_flags::OpenFlags;
use crate::reply::Reply;
use crate::request::{Packet, Request};
use crate::status_code::StatusCode;

/// Checks both directions: the name with these fields is this request, and any shorter packet is a bad message.
fn check(name: &str, fields: &[Vec<u8>], request: ExtendedRequest<'_>) {
    let wire = packet(200, 7, &[&[string(name.as_bytes())], fields].concat());
    let request = Request::Extended(request);
    assert_eq!(Packet::decode(&wire), Packet::Request { id: 7, request });
    let mut written = Vec::new();
    request.encode(7, &mut written);
    assert_eq!(written, framed(&wire), "{name}");
    for cut in 5..wire.len() {
        let code = StatusCode::BadMessage;
        assert_eq!(
            Packet::decode(&wire[..cut]),
            Packet::Bad { id: 7, code },
            "{name} at {cut}"
        );
    }
}

#[test]
fn requests_are_laid_out_as_in_their_documents() {
    let (from, to): (&[u8], &[u8]) = (b"from", b"to");
    let (path, handle): (&[u8], &[u8]) = (b"a path", b"h");
    let both = [string(from), string(to)];
    check(
        "posix-rename@openssh.com",
        &both,
        ExtendedRequest::PosixRename { from, to },
    );
    check(
        "hardlink@openssh.com",
        &both,
        ExtendedRequest::Hardlink { from, to },
    );
    check(
        "statvfs@openssh.com",
        &[string(path)],
        ExtendedRequest::Statvfs { path },
    );
    check(
        "fstatvfs@openssh.com",
        &[string(handle)],
        ExtendedRequest::Fstatvfs { handle },
    );
    check(
        "fsync@openssh.com",
        &[string(handle)],
        ExtendedRequest::Fsync { handle },
    );
    let attrs = Attributes {
        permissions: Some(0o600),
        ..Attributes::default()
    };
    check(
        "lsetstat@openssh.com",
        &[string(path), number(4), number(0o600)],
        ExtendedRequest::Lsetstat { path, attrs },
    );
    check("limits@openssh.com", &[], ExtendedRequest::Limits);
    check(
        "expand-path@openssh.com",
        &[string(path)],
        ExtendedRequest::ExpandPath { path },
    );
    check(
        "copy-data",
        &[string(from), long(1), long(2), string(to), long(3)],
        ExtendedRequest::CopyData {
            from,
            from_offset: 1,
            length: 2,
            to,
            to_offset: 3,
        },
    );
    check(
        "home-directory",
        &[string(b"")],
        ExtendedRequest::HomeDirectory { user: b"" },
    );
    let ids = [number(1000), number(0)].concat();
    check(
        "users-groups-by-id@openssh.com",
        &[string(&ids), string(b"")],
        ExtendedRequest::UsersGroupsById {
            uids: IdList::from_bytes(&ids).unwrap(),
            gids: IdList::default(),
        },
    );
    check(
        "space-available",
        &[string(path)],
        ExtendedRequest::SpaceAvailable { path },
    );
}

#[test]
fn requests_for_hashes_are_laid_out_as_in_their_drafts() {
    let (path, handle): (&[u8], &[u8]) = (b"a path", b"h");
    let query = Md5Query {
        offset: 1,
        length: 2,
        quick_check: &[9; 16],
    };
    let range = [long(1), long(2), string(&[9; 16])].concat();
    check(
        "md5-hash",
        &[string(path), range.clone()],
        ExtendedRequest::Md5Hash { path, query },
    );
    check(
        "md5-hash-handle",
        &[string(handle), range],
        ExtendedRequest::Md5HashHandle { handle, query },
    );
    let query = CheckFileQuery {
        algorithms: b"md5,sha1",
        offset: 1,
        length: 0,
        block_size: 256,
    };
    let range = [string(b"md5,sha1"), long(1), long(0), number(256)].concat();
    check(
        "check-file",
        &[string(handle), range.clone()],
        ExtendedRequest::CheckFile { file: handle, query },
    );
    check(
        "check-file-name",
        &[string(path), range.clone()],
        ExtendedRequest::CheckFileName { path, query },
    );
    check(
        "check-file-handle",
        &[string(handle), range],
        ExtendedRequest::CheckFileHandle { handle, query },
    );
    let query = ContinueHashQuery {
        algorithm: b"md5",
        offset: 64,
        length: 100,
        step: 64,
        states: &[7; 32],
    };
    let range = [long(64), long(100), long(64)].concat();
    check(
        "continue-hash@homeport",
        &[string(handle), string(b"md5"), range, string(&[7; 32])],
        ExtendedRequest::ContinueHash { handle, query },
    );
}

#[test]
fn names_and_versions_are_what_servers_announce() {
    let announced: Vec<String> = Extension::ALL
        .iter()
        .map(|extension| format!("{} {}", extension.name(), extension.version()))
        .collect();
    assert_eq!(
        announced.join("\n"),
        "posix-rename@openssh.com 1\nstatvfs@openssh.com 2\nfstatvfs@openssh.com 2\nhardlink@openssh.com 1\n\
         fsync@openssh.com 1\nlsetstat@openssh.com 1\nlimits@openssh.com 1\nexpand-path@openssh.com 1\ncopy-data 1\n\
         home-directory 1\nusers-groups-by-id@openssh.com 1\nmd5-hash 1\nmd5-hash-handle 1\ncheck-file 1\n\
         check-file-name 1\ncheck-file-handle 1\ncontinue-hash@homeport 1\nspace-available 1"
    );
    for extension in Extension::ALL {
        assert_eq!(Extension::from_name(extension.name().as_bytes()), Some(extension));
    }
    assert_eq!(Extension::from_name(b"md5"), None);
}

#[test]
fn lists_of_ids_are_whole_numbers() {
    let bytes = [number(7), number(u32::MAX)].concat();
    let ids = IdList::from_bytes(&bytes).unwrap();
    assert_eq!(ids.iter().collect::<Vec<_>>(), [7, u32::MAX]);
    assert_eq!(IdList::from_bytes(&bytes[..7]), None);
}

/// Checks that the reply has these fields, and that any shorter packet is the server's fault.
fn check_reply<'a, R: ExtendedReply<'a> + PartialEq + std::fmt::Debug>(reply: &R, fields: &'a [u8]) {
    assert_eq!(R::decode(fields).as_ref(), Ok(reply));
    assert_eq!(reply.to_bytes(7), framed(&packet(201, 7, &[fields.to_vec()])));
    for cut in 0..fields.len() {
        assert_eq!(
            R::decode(&fields[..cut]),
            Err(ServerFault::Body(201)),
            "{reply:?}"
        );
    }
}

#[test]
fn replies_are_laid_out_as_in_their_documents() {
    let numbers = |count: u64| (1..=count).flat_map(u64::to_be_bytes).collect::<Vec<u8>>();
    let limits = Limits {
        packet_length: 1,
        read_length: 2,
        write_length: 3,
        open_handles: 4,
    };
    check_reply(&limits, &numbers(4));
    let statvfs = Statvfs {
        block_size: 1,
        fragment_size: 2,
        blocks: 3,
        blocks_free: 4,
        blocks_available: 5,
        files: 6,
        files_free: 7,
        files_available: 8,
        fsid: 9,
        flags: 10,
        name_max: 11,
    };
    check_reply(&statvfs, &numbers(11));
    let space = SpaceAvailable {
        bytes_on_device: 1,
        unused_bytes_on_device: 2,
        bytes_available_to_user: 3,
        unused_bytes_available_to_user: 4,
        bytes_per_allocation_unit: 5,
    };
    check_reply(&space, &[numbers(4), number(5)].concat());
    let (name, hash): (&[u8], &[u8]) = (b"md5-hash", &[7; 16]);
    check_reply(
        &Md5HashReply { name, hash },
        &[string(name), string(hash)].concat(),
    );
    let (name, hash): (&[u8], &[u8]) = (b"md5-hash-handle", b"");
    let fields = b"\0\0\0\x0fmd5-hash-handle\0\0\0\0";
    check_reply(&Md5HashReply { name, hash }, fields);
    let hashes: &[u8] = &[7; 32];
    check_reply(&ContinueHashReply { hashes }, &string(hashes));
    let mut users = StringList::default();
    users.push(b"calvin");
    users.push(b"");
    assert_eq!((users.size(), users.iter().count()), (14, 2));
    let groups = StringList::default();
    let fields = [string(&[string(b"calvin"), string(b"")].concat()), string(b"")].concat();
    check_reply(&UsersGroupsById { users, groups }, &fields);
    // A name in the list is cut short.
    let fields = [string(&[0, 0, 0, 1]), string(b"")].concat();
    assert_eq!(UsersGroupsById::decode(&fields), Err(ServerFault::Body(201)));
}

#[test]
fn each_shape_of_check_file_is_written_and_read() {
    let two = [[1; 20], [2; 20]].concat();
    let check = |shape: CheckFileShape, expected: &[u8]| {
        let format = CheckFileFormat {
            shape,
            algorithm: b"sha1",
            hash_length: 20,
        };
        let wire = format.reply(0x0102_0304, &two);
        let whole = [&[201, 1, 2, 3, 4], expected].concat();
        assert_eq!(wire, framed(&whole), "{shape:?}");
        let Ok((_, Reply::Extended(body))) = Reply::decode(&wire[4..]) else {
            panic!("{shape:?}")
        };
        let hashes = vec![&two[..20], &two[20..]];
        assert_eq!(CheckFileFormat::decode(body, b"sha1", 20), Ok((format, hashes)));
    };
    check(CheckFileShape::Plain, &[b"\0\0\0\x04sha1", &two[..]].concat());
    check(
        CheckFileShape::Named,
        &[b"\0\0\0\x0acheck-file\0\0\0\x04sha1", &two[..]].concat(),
    );
    check(
        CheckFileShape::Strings,
        &[
            b"\0\0\0\x0acheck-file\0\0\0\x04sha1\0\0\0\x14",
            &two[..20],
            b"\0\0\0\x14",
            &two[20..],
        ]
        .concat(),
    );
}

#[test]
fn a_reply_to_check_file_must_be_about_what_was_asked() {
    let fault = Err(ServerFault::Body(201));
    for body in [
        [string(b"sha1"), vec![7; 20]].concat(),
        [string(b"md5"), vec![7; 15]].concat(),
        vec![0, 0, 0, 9, 1],
    ] {
        assert_eq!(CheckFileFormat::decode(&body, b"md5", 16), fault);
    }
    let empty = string(b"md5");
    let (_, hashes) = CheckFileFormat::decode(&empty, b"md5", 16).unwrap();
    assert!(hashes.is_empty());
    assert_eq!(CheckFileFormat::decode(&empty, b"md5", 0), fault);
}

#[test]
fn what_version_announces_besides_is_laid_out_as_in_its_drafts() {
    let extensions: Vec<&[u8]> = vec![b"md5-hash", b"check-file"];
    let supported = Supported {
        attribute_mask: 1,
        attribute_bits: 2,
        open_flags: OpenFlags::ALL,
        access_mask: 4,
        read_length: 5,
        extensions,
    };
    let fields = [
        [1, 2, 0x3f, 4, 5].map(u32::to_be_bytes).concat(),
        string(b"md5-hash"),
        string(b"check-file"),
    ]
    .concat();
    assert_eq!(supported.to_vec(), fields);
    assert_eq!(Supported::decode(&fields), Some(supported));
    assert_eq!(Supported::decode(&fields[..19]), None);
    assert_eq!(Supported::decode(&fields[..fields.len() - 1]), None);
    let vendor = VendorId {
        vendor: b"Homeport",
        product: b"homeportd",
        version: b"0.1.0",
        build: 8,
    };
    let fields = [
        string(b"Homeport"),
        string(b"homeportd"),
        string(b"0.1.0"),
        long(8),
    ]
    .concat();
    assert_eq!(vendor.to_vec(), fields);
    assert_eq!(VendorId::decode(&fields), Some(vendor));
    assert_eq!(VendorId::decode(&fields[..fields.len() - 1]), None);
}

#[test]
fn fields_are_taken_from_the_front() {
    let bytes = [
        &[9][..],
        &number(1),
        &long(2),
        &string(b"s"),
        &string(b"p\0"),
        b"rest",
    ]
    .concat();
    let mut reader = Reader::new(&bytes[..]);
    assert_eq!(
        (reader.u8(), reader.u32(), reader.u64()),
        (Some(9), Some(1), Some(2))
    );
    assert_eq!(
        (reader.string(), reader.path()),
        (Some(&b"s"[..]), Some(&b"p"[..]))
    );
    assert!(!reader.is_empty());
    assert_eq!(reader.u64(), None, "only four bytes are left");
    assert_eq!(reader.rest(), b"rest");
    assert_eq!(Reader::new(&[0, 0, 0, 2, 1][..]).string(), None);
}
