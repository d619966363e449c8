//! The body of the fuzz target for packets: no input makes the decoder panic, and a decoded packet that is encoded
//! again decodes to the same value. The property tests of this crate run it too.

use bytes::{Bytes, BytesMut};

use crate::constants::SSH_FXP_EXTENDED_REPLY;
use crate::extension::{
    CheckFileFormat, ContinueHashReply, ExtendedReply, Limits, Md5HashReply, SpaceAvailable, Statvfs,
    Supported, UsersGroupsById, VendorId,
};
use crate::frame::{self, LENGTH_FIELD};
use crate::reply::Reply;
use crate::request::{Packet, encode_init};

/// Decodes `data` in every way in which a peer's bytes are decoded, and asserts that decoding, encoding and decoding
/// again returns the same value.
pub fn fuzz_packet(data: &[u8]) {
    request(data);
    reply(data);
    stream(data);
    extended_replies(data);
}

/// Removes the length field of an encoded packet, and asserts that the field is correct.
fn body_of(wire: &[u8]) -> &[u8] {
    let (field, body) = wire.split_first_chunk::<LENGTH_FIELD>().unwrap_or((&[0; 4], &[]));
    assert_eq!(
        u32::from_be_bytes(*field) as usize,
        body.len(),
        "the length is right"
    );
    body
}

fn request(data: &[u8]) {
    let packet = Packet::decode(data);
    let mut wire = Vec::new();
    match packet {
        Packet::Init { version } => encode_init(version, &mut wire),
        Packet::Request { id, request } => {
            assert_eq!(data.first(), Some(&request.packet_type().byte()));
            request.encode(id, &mut wire);
        }
        Packet::Bad { .. } => return,
    }
    assert_eq!(Packet::decode(body_of(&wire)), packet);
}

fn reply(data: &[u8]) {
    let (borrowed, shared) = (Reply::decode(data), Reply::decode(Bytes::copy_from_slice(data)));
    let (Ok((id, reply)), Ok((_, shared))) = (&borrowed, &shared) else {
        assert_eq!(
            borrowed.err(),
            shared.err(),
            "both kinds of memory are read alike"
        );
        return;
    };
    let wire = reply.to_bytes(*id);
    assert_eq!(wire, shared.to_bytes(*id));
    assert_eq!(Reply::decode(body_of(&wire)), borrowed);
}

/// Reads replies until the stream ends, is at fault or needs more bytes, and checks the number of missing bytes.
fn stream(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(_)) = frame::next_reply(&mut buffer) {}
    if let Ok(Some(length)) = frame::request_length(data) {
        let come = data.len().saturating_sub(LENGTH_FIELD);
        assert_eq!(frame::missing(data), length.saturating_sub(come));
    }
}

fn extended_replies(data: &[u8]) {
    same::<Limits>(data);
    same::<Statvfs>(data);
    same::<SpaceAvailable>(data);
    same::<Md5HashReply<'_>>(data);
    same::<ContinueHashReply<'_>>(data);
    same::<UsersGroupsById>(data);
    if let Some(supported) = Supported::decode(data) {
        assert_eq!(Supported::decode(&supported.to_vec()), Some(supported));
    }
    if let Some(vendor) = VendorId::decode(data) {
        assert_eq!(VendorId::decode(&vendor.to_vec()), Some(vendor));
    }
    for (algorithm, hash_length) in [(&b"md5"[..], 16), (b"sha1", 20), (b"sha256", 32), (b"sha512", 64)] {
        check_file(data, algorithm, hash_length);
    }
}

/// Returns the bytes behind the id of an encoded reply.
fn answer_of(wire: &[u8]) -> &[u8] {
    let body = body_of(wire);
    assert_eq!(body.first(), Some(&SSH_FXP_EXTENDED_REPLY));
    body.get(5..).unwrap_or_default()
}

fn same<'a, R: ExtendedReply<'a>>(data: &'a [u8]) {
    if let Ok(reply) = R::decode(data) {
        let wire = reply.to_bytes(7);
        let answer = answer_of(&wire);
        assert_eq!(data.get(..answer.len()), Some(answer));
    }
}

fn check_file(data: &[u8], algorithm: &[u8], hash_length: usize) {
    if let Ok((format, hashes)) = CheckFileFormat::decode(data, algorithm, hash_length) {
        assert!(hashes.iter().all(|hash| hash.len() == hash_length));
        let wire = format.reply(7, &hashes.concat());
        let again = CheckFileFormat::decode(answer_of(&wire), algorithm, hash_length);
        assert_eq!(again, Ok((format, hashes)));
    }
}
