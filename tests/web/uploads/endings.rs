//! How uploads end that are not finished: removed, expired, or with their directory; and how many there may be.

use std::fs;
use std::process::Command;

use testkit::server::TestServer;
use testkit::wait_for;

use super::{MIB, expect_exact_use, parts, start};

#[test]
fn a_removed_upload_leaves_nothing() {
    let (server, alice) = start(&[]);
    let content = vec![1; MIB];
    let (quiet, busy) = (alice.create("/quiet", 10), alice.create("/busy", MIB as u64));
    alice.patch(&quiet, 0, b"01234").expect(204);
    let open = alice.patch_under_way(&busy, 0, &content);
    for upload in [&quiet, &busy] {
        alice.ask("DELETE", upload, &[], b"").expect(204);
        alice.ask("HEAD", upload, &[], b"").expect(404);
        assert_eq!(alice.patch(upload, 0, b"0").expect(404).code(), "not_found");
        alice.ask("DELETE", upload, &[], b"").expect(404);
    }
    let reply = open.reply();
    assert_eq!(reply.status, 423, "{reply:?}");
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    expect_exact_use(&server);
}

#[test]
fn an_upload_is_gone_with_its_directory() {
    let (server, alice) = start(&[]);
    server.sftp_ok("alice", "mkdir d\n");
    let upload = alice.create("/d/f", 10);
    alice.patch(&upload, 0, b"01234").expect(204);
    fs::remove_dir_all(server.home("alice").join("d")).unwrap();
    alice.ask("HEAD", &upload, &[], b"").expect(410);
    assert_eq!(alice.patch(&upload, 5, b"56789").expect(410).code(), "gone");
    assert!(alice.list().is_empty());
    alice.ask("DELETE", &upload, &[], b"").expect(204);
    alice.ask("HEAD", &upload, &[], b"").expect(404);
}

/// Changes when all uploads expire.
fn expire_all(server: &TestServer) {
    let store = server.path().join("data/homeport.db");
    let changed = Command::new("sqlite3")
        .arg(store)
        .arg("PRAGMA busy_timeout = 10000; UPDATE uploads SET expires_at = 1000")
        .status();
    assert!(changed.unwrap().success());
}

#[test]
fn an_expired_upload_is_refused_and_its_part_removed() {
    let (mut server, mut alice) = start(&["--quota", "10MiB"]);
    let upload = alice.create("/f", MIB as u64);
    alice.patch(&upload, 0, &vec![1; MIB / 2]).expect(204);
    let whole = alice.create("/whole", 5);
    fs::write(server.home("alice").join("whole"), b"taken").unwrap();
    alice.patch(&whole, 0, b"hello").expect(409);
    // This one is nobody's, as far as the server knows.
    let foreign = server
        .home("alice")
        .join(format!(".homeport-upload-{}", "0".repeat(32)));
    fs::write(&foreign, b"foreign").unwrap();
    expire_all(&server);
    for upload in [&upload, &whole] {
        alice.ask("HEAD", upload, &[], b"").expect(410);
    }
    assert_eq!(
        alice.patch(&upload, MIB as u64 / 2, b"x").expect(410).code(),
        "gone"
    );
    let finish = alice.ask("POST", &format!("{whole}/finish?overwrite=true"), &[], b"");
    finish.expect(410);
    assert!(alice.list().is_empty());
    server.signal("TERM");
    server.wait_for_exit();
    server.serve();
    alice.return_to(&server);
    wait_for("the expired parts to be removed", || {
        parts(&server) == [foreign.clone()]
    });
    wait_for("the rows to be removed", || {
        alice.ask("HEAD", &upload, &[], b"").status == 404
    });
    fs::remove_file(&foreign).unwrap();
    server.admin_ok(&["quota", "scan", "alice"], "");
    expect_exact_use(&server);
}

#[test]
fn a_user_has_at_most_a_thousand_unfinished_uploads() {
    let (server, alice) = start(&[]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let alice = &alice;
            scope.spawn(move || {
                for number in 0..125 {
                    alice.create(&format!("/{thread}-{number}"), 1);
                }
            });
        }
    });
    let reply = alice.try_create("/more", 1, &[]).expect(429);
    assert_eq!(reply.code(), "too_many");
    assert_eq!(parts(&server).len(), 1000);
    let listed = alice.list();
    assert_eq!(listed.len(), 1000);
    let id = listed[0]["id"].as_str().unwrap();
    alice.patch(&format!("/api/v1/uploads/{id}"), 0, b"x").expect(204);
    alice.create("/more", 1);
    alice.try_create("/one-more", 1, &[]).expect(429);
}
