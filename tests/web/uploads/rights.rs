//! Who may do what with an upload.

use std::fs;

use testkit::random::noise;
use testkit::server::TestServer;

use super::tus_client::{TusClient, WRITTEN};
use super::{MIB, WEB, expect_exact_use, parts, start};

#[test]
fn an_upload_exists_for_its_user_alone() {
    let mut server = TestServer::new(&[WEB]);
    for user in ["alice", "bob"] {
        server.add_user(user, &[]);
    }
    server.serve();
    let (alice, bob) = (TusClient::of(&server, "alice"), TusClient::of(&server, "bob"));
    let upload = alice.create("/f", 10);
    alice.patch(&upload, 0, b"01234").expect(204);
    bob.ask("HEAD", &upload, &[], b"").expect(404);
    bob.patch(&upload, 5, b"56789").expect(404);
    bob.ask("DELETE", &upload, &[], b"").expect(404);
    bob.ask("POST", &format!("{upload}/finish"), &[], b"").expect(404);
    assert!(bob.list().is_empty());
    assert_eq!(alice.offset(&upload), 5);
    alice.patch(&upload, 5, b"56789").expect(204);
    bob.ask("HEAD", &upload, &[], b"").expect(404);
    // Another user who gets the name has none of the earlier one's uploads.
    let upload = alice.create("/g", 10);
    server.admin_ok(&["user", "remove", "alice"], "");
    server.add_user("alice", &[]);
    let alice = TusClient::of(&server, "alice");
    alice.ask("HEAD", &upload, &[], b"").expect(404);
    assert!(alice.list().is_empty());
}

#[test]
fn a_user_who_may_only_create_can_upload() {
    let (server, alice) = start(&["--permissions", "create"]);
    let content = vec![3; MIB];
    let sha256 = super::sha256_hex(&content);
    let more = [("mtime", "1000000007"), ("sha256", sha256.as_str())];
    let created = alice.try_create("/f", MIB as u64, &more).expect(201);
    let upload = created.header("location").unwrap();
    for (piece, offset) in content.chunks(MIB / 2).zip([0, MIB as u64 / 2]) {
        alice.patch(upload, offset, piece).expect(204);
    }
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    let again = alice.create("/f", 5);
    alice.patch(&again, 0, b"other").expect(409);
    let reply = alice.ask("POST", &format!("{again}/finish?overwrite=true"), &[], b"");
    assert_eq!(reply.expect(403).code(), "forbidden");
    assert_eq!(parts(&server).len(), 1, "the part stays");
    let reply = alice.ask("POST", &format!("{again}/finish?rename=true"), &[], b"");
    assert_eq!(reply.expect(200).json()["path"], "/f (1)");
    let third = alice.create("/f", 5);
    alice.ask("DELETE", &third, &[], b"").expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    expect_exact_use(&server);
}

#[test]
fn a_user_who_may_not_create_any_more_cannot_go_on() {
    let (server, alice) = start(&["--permissions", "list,read,create"]);
    let content = noise(MIB, 6);
    let upload = alice.create("/f", MIB as u64);
    alice.patch(&upload, 0, &content[..1000]).expect(204);
    let open = alice.patch_under_way(&upload, 1000, &content);
    server.admin_ok(&["user", "set", "alice", "--permissions", "list,read"], "");
    // The session that had the right has ended, and with it what it was doing.
    let reply = open.reply();
    assert_eq!(reply.status, 401, "{reply:?}");
    let offset = alice.offset(&upload);
    assert_eq!(offset, (1000 + WRITTEN) as u64);
    let rest = &content[1000 + WRITTEN..];
    assert_eq!(alice.patch(&upload, offset, rest).expect(403).code(), "forbidden");
    alice.try_create("/g", 1, &[]).expect(403);
    assert_eq!(parts(&server).len(), 1, "what has arrived stays");
    server.admin_ok(&["user", "set", "alice", "--permissions", "list,read,create"], "");
    alice.patch(&upload, offset, rest).expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    expect_exact_use(&server);
}
