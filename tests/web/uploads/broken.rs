//! What breaks off: connections, bodies, digests, and the server itself.

use std::fs;

use data_encoding::BASE64;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use testkit::random::noise;
use testkit::wait_for;

use super::tus_client::{PIECE, WRITTEN};
use super::{MIB, expect_exact_use, parts, start, uploaded};

#[test]
fn what_has_arrived_before_a_connection_broke_off_is_kept() {
    let (server, alice) = start(&[]);
    let content = noise(2 * MIB, 2);
    let upload = alice.create("/f", content.len() as u64);
    let mut offset = 0;
    // Neither is a multiple of what the server writes at once.
    for length in [1, 300_000, 3, 700_001] {
        let rest = content.len() - offset;
        let mut request = alice.open_patch(&upload, offset as u64, rest);
        request.send(&content[offset..offset + length]);
        request.break_off();
        offset += length;
        alice.wait_for_offset(&upload, offset as u64);
    }
    alice
        .patch(&upload, offset as u64, &content[offset..])
        .expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    server.wait_for_audit("\"uploaded\"");
    assert_eq!(uploaded(&server).len(), 1);
    expect_exact_use(&server);
}

#[test]
fn a_second_body_at_once_is_refused_until_the_first_is_silent() {
    let (server, alice) = start(&[]);
    let content = noise(MIB, 5);
    let upload = alice.create("/f", MIB as u64);
    let first = alice.patch_under_way(&upload, 0, &content);
    let offset = alice.offset(&upload);
    assert_eq!(offset, WRITTEN as u64, "asking is allowed meanwhile");
    let second = alice.patch(&upload, offset, b"x").expect(423);
    assert_eq!(second.code(), "locked");
    // The first connection is dead, as the client knows, and the server does not.
    wait_for("the first request to give way", || {
        let third = alice.patch(&upload, offset + 1, &content[WRITTEN + 1..]);
        third.status == 204
    });
    let reply = first.reply();
    assert_eq!((reply.status, reply.code().as_str()), (423, "locked"));
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    expect_exact_use(&server);
}

#[test]
fn a_body_beyond_the_length_is_refused_and_nothing_of_it_is_kept() {
    let (server, alice) = start(&[]);
    let upload = alice.create("/f", 10);
    alice.patch(&upload, 0, b"0123").expect(204);
    let reply = alice.patch(&upload, 4, b"456789x").expect(413);
    assert_eq!((reply.code().as_str(), reply.offset()), ("too_large", 4));
    let huge = "9223372036854775807".to_owned();
    let headers = [PIECE, ("Upload-Offset", "4"), ("Content-Length", huge.as_str())];
    let reply = alice.open("PATCH", &upload, &headers).reply().expect(413);
    assert_eq!(reply.offset(), 4);
    let headers = [PIECE, ("Upload-Offset", "4"), ("Transfer-Encoding", "chunked")];
    let mut request = alice.open("PATCH", &upload, &headers);
    for chunk in [&b"45"[..], b"678", b"9x", b""] {
        request.send_chunk(chunk);
    }
    let reply = request.reply().expect(413);
    assert_eq!((reply.offset(), alice.offset(&upload)), (4, 4));
    assert_eq!(fs::metadata(&parts(&server)[0]).unwrap().len(), 4);
    let mut request = alice.open("PATCH", &upload, &headers);
    for chunk in [&b"45"[..], b"6789", b""] {
        request.send_chunk(chunk);
    }
    request.reply().expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), b"0123456789");
    expect_exact_use(&server);
}

#[test]
fn a_piece_without_its_digest_is_cut_off_again() {
    let (server, alice) = start(&[]);
    let content = noise(MIB, 3);
    let upload = alice.create("/f", 4 * content.len() as u64);
    let send = |offset: u64, checksum: &str, body: &[u8]| {
        let offset = offset.to_string();
        let headers = [
            PIECE,
            ("Upload-Offset", offset.as_str()),
            ("Upload-Checksum", checksum),
        ];
        alice.ask("PATCH", &upload, &headers, body)
    };
    let digests = [
        ("sha1", Sha1::digest(&content).to_vec()),
        ("sha256", Sha256::digest(&content).to_vec()),
        ("md5", Md5::digest(&content).to_vec()),
    ];
    let mut offset = 0;
    for (name, digest) in digests {
        let mut wrong = content.clone();
        wrong[MIB / 2] ^= 1;
        let checksum = format!("{name} {}", BASE64.encode(&digest));
        let reply = send(offset, &checksum, &wrong).expect(460);
        assert_eq!((reply.code().as_str(), reply.offset()), ("checksum", offset));
        assert_eq!(alice.offset(&upload), offset);
        expect_exact_use(&server);
        send(offset, &checksum, &content).expect(204);
        offset += content.len() as u64;
    }
    send(offset, "sha512 AAAA", &content).expect(400);
    // What cannot be verified is not kept.
    let checksum = format!("sha1 {}", BASE64.encode(&Sha1::digest(&content)));
    let (at, length) = (offset.to_string(), content.len().to_string());
    let headers = [
        PIECE,
        ("Upload-Offset", at.as_str()),
        ("Upload-Checksum", checksum.as_str()),
        ("Content-Length", length.as_str()),
    ];
    let mut request = alice.open("PATCH", &upload, &headers);
    request.send(&content[..MIB / 2]);
    request.break_off();
    // The turn is free again when the part is cut.
    wait_for("the last piece to be accepted", || {
        send(offset, &checksum, &content).status == 204
    });
    assert_eq!(
        fs::read(server.home("alice").join("f")).unwrap(),
        content.repeat(4)
    );
    expect_exact_use(&server);
}

#[test]
fn a_file_without_its_digest_is_removed() {
    let (server, alice) = start(&[]);
    let sha256 = super::sha256_hex(b"hello");
    let created = alice.try_create("/f", 5, &[("sha256", &sha256)]).expect(201);
    let upload = created.header("location").unwrap();
    let reply = alice.patch(upload, 0, b"hullo").expect(460);
    assert_eq!(reply.code(), "checksum");
    alice.ask("HEAD", upload, &[], b"").expect(404);
    assert!(parts(&server).is_empty() && !server.home("alice").join("f").exists());
    assert!(uploaded(&server).is_empty());
    expect_exact_use(&server);
}

#[test]
fn an_upload_goes_on_after_the_server_was_started_again() {
    let (mut server, mut alice) = start(&[]);
    let content = noise(3 * MIB, 4);
    let upload = alice.create("/f", content.len() as u64);
    for (piece, signal) in ["TERM", "KILL"].into_iter().enumerate() {
        let offset = piece * MIB;
        alice
            .patch(&upload, offset as u64, &content[offset..offset + MIB])
            .expect(204);
        let mut open = alice.open_patch(&upload, (offset + MIB) as u64, 2 * MIB - offset);
        open.send(b"");
        server.signal(signal);
        drop(open);
        server.wait_for_exit();
        server.serve();
        alice.return_to(&server);
        assert_eq!(alice.offset(&upload), (offset + MIB) as u64, "after {signal}");
    }
    alice
        .patch(&upload, 2 * MIB as u64, &content[2 * MIB..])
        .expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    server.wait_for_audit("\"uploaded\"");
    assert_eq!(uploaded(&server).len(), 1);
    expect_exact_use(&server);
}

/// The server was killed between the last byte and the rename, or between the rename and the removal of the row.
#[test]
fn an_upload_that_the_server_was_killed_about_to_publish_is_published_once() {
    let (mut server, mut alice) = start(&[]);
    let (whole, renamed) = (alice.create("/whole", 5), alice.create("/renamed", 5));
    let (foreign, empty) = (alice.create("/foreign", 5), alice.create("/empty", 5));
    server.signal("KILL");
    server.wait_for_exit();
    let home = server.home("alice");
    let part = |upload: &str| {
        let id = upload.rsplit('/').next().unwrap();
        home.join(format!(".homeport-upload-{id}"))
    };
    fs::write(part(&whole), b"whole").unwrap();
    fs::write(part(&renamed), b"renam").unwrap();
    fs::rename(part(&renamed), home.join("renamed")).unwrap();
    // Somebody else has removed the part, and there is an old file of this size.
    fs::remove_file(part(&foreign)).unwrap();
    fs::write(home.join("foreign"), b"older").unwrap();
    let file = fs::File::options()
        .write(true)
        .open(home.join("foreign"))
        .unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    fs::remove_file(part(&empty)).unwrap();
    server.serve();
    alice.return_to(&server);
    for upload in [&whole, &renamed] {
        assert_eq!(alice.offset(upload), 5);
        alice.patch(upload, 5, b"").expect(204);
    }
    for upload in [&foreign, &empty] {
        alice.ask("HEAD", upload, &[], b"").expect(410);
        assert_eq!(alice.patch(upload, 0, b"x").expect(410).code(), "gone");
    }
    assert_eq!(fs::read(home.join("whole")).unwrap(), b"whole");
    assert_eq!(fs::read(home.join("foreign")).unwrap(), b"older");
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    expect_exact_use(&server);
}
