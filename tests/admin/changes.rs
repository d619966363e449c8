//! Changes by the administrator that do not end running sessions, and edge cases of others.

use std::fs;
use std::time::Duration;

use crate::admin::sessions::{Doing, PASSWORD, Session, assert_over, begin, change, raw, size};
use testkit::packets::{CREAT, Context, WRITE, init, nth, open, stat, write};
use testkit::raw::{RawSftp, Received};
use testkit::replies::Reply;
use testkit::server::{TestServer, password};
use testkit::stock::By;
use testkit::{PATIENCE, wait_for};

#[test]
fn new_rights_do_not_end_running_sessions() {
    let server = TestServer::start_with(&[], &["alice"]);
    server.make_key("another");
    let mut alice = raw(&server, "alice", By::Key);
    let another = format!("{}.pub", server.key("another").display());
    let own = server.path().join("own");
    let line = fs::read_to_string(format!("{}.pub", server.key("alice").display())).unwrap();
    fs::write(&own, format!("from=\"127.0.0.0/8\" {line}")).unwrap();
    for command in [
        &["set", "alice", "--quota", "1GiB"][..],
        &["set", "alice", "--max-files", "1000"],
        &["set", "alice", "--quota", "1"],
        &["set", "alice", "--max-sessions", "1"],
        &["set", "alice", "--allow-from", "127.0.0.1"],
        &["set", "alice", "--allow-from", "127.0.0.0/8,10.0.0.0/8"],
        &["set", "alice", "--require", "publickey"],
        &["set", "alice", "--expires", "2100-01-01"],
        &["set", "alice", "--expires", "never"],
        &["key", "add", "alice", &another],
        &["key", "add", "alice", own.to_str().unwrap()],
        &["key", "remove", "alice", &fingerprint_of(&server, "another")],
        &["passwd", "alice", "--password-stdin"],
        &["set", "alice", "--quota", "unlimited", "--max-files", "unlimited"],
    ] {
        let said = change(&server, command, "another one");
        assert_eq!(
            (&said["changed"], &said["sessions_ended"]),
            (&true.into(), &0.into()),
            "{command:?}"
        );
        assert!(matches!(alice.ask(&stat("/")), Reply::Attrs(_)), "{command:?}");
    }
    // The limit applies to new sessions.
    assert!(!server.sign_in("alice", By::Key, "").status.success());
}

fn fingerprint_of(server: &TestServer, key: &str) -> String {
    let print = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.key(key))
        .output();
    let print = String::from_utf8(print.unwrap().stdout).unwrap();
    print.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_quota_holds_when_the_command_returns() {
    let server = TestServer::start(&["alice"]);
    fs::write(server.path().join("40m"), vec![1; 40 << 20]).unwrap();
    let mut before = raw(&server, "alice", By::Key);
    let handle = before.handle(&open("g", WRITE | CREAT));
    server.admin_ok(&["user", "set", "alice", "--quota", "1MiB"], "");
    assert!(!server.sftp("alice", "put 40m f").status.success());
    assert!(size(&server.home("alice").join("f")) <= 1 << 20);
    let room = 1 << 20;
    let reply = before.ask_about(&write(nth(0), 2 * room, b"x"), &handle);
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    server.admin_ok(&["user", "set", "alice", "--quota", "unlimited"], "");
    let reply = before.ask_about(&write(nth(0), 2 * room, b"x"), &handle);
    assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");

    // The quota changes in the middle of an upload.
    let mut upload = begin(&server, "alice", By::Key, Doing::Copy);
    server.admin_ok(&["user", "set", "alice", "--quota", "1MiB"], "");
    let file = server.home("alice").join("f");
    let at_return = size(&file);
    let Session::Raw(raw) = &mut upload else { panic!() };
    assert!(
        matches!(raw.receive(PATIENCE), Received::Packet(_)),
        "the copy is refused"
    );
    assert_eq!(size(&file), at_return);
}

#[test]
fn a_user_who_is_added_again_does_not_keep_old_sessions() {
    let server = TestServer::start(&["alice"]);
    let mut old = raw(&server, "alice", By::Key);
    let handle = old.handle(&open("f", WRITE | CREAT));
    let key = format!("{}.pub", server.key("alice").display());
    // Both commands notify the server; either notice ends the session.
    assert_eq!(change(&server, &["remove", "alice"], "")["sessions_ended"], 1);
    change(&server, &["add", "alice", "--key", &key, "--read-only"], "");
    let context = Context {
        base: "",
        handles: &[handle],
    };
    let request = write(nth(0), 0, b"late");
    // The session may have ended by now.
    let _ = old.send(&request.encode(9, &context));
    assert_over(&mut Session::Raw(old), "the removed user");
    assert_eq!(size(&server.home("alice").join("f")), 0);
    let mut new = raw(&server, "alice", By::Key);
    assert!(matches!(
        new.ask(&open("g", WRITE | CREAT)),
        Reply::Status { code: 3, .. }
    ));
}

#[test]
fn commands_wait_five_seconds_for_a_stopped_server() {
    let server = TestServer::start(&["alice"]);
    let mut alice = raw(&server, "alice", By::Key);
    wait_for("the first measure", || {
        server
            .admin_ok(&["user", "show", "alice", "--json"], "")
            .contains("\"usage_exact\": true")
    });
    // The server must not be stopped in the middle of a transaction.
    wait_for("it to be stopped between two transactions", || {
        server.stop();
        let between = !server.is_in_a_transaction();
        if !between {
            server.signal("CONT");
        }
        between
    });
    let run = |args: &[&str]| {
        let output = server.admin(args, "another one");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), message)
    };
    std::thread::scope(|threads| {
        // The command waits once, and says so once.
        threads.spawn(|| {
            let message = String::from_utf8(server.admin(&["check"], "").stdout).unwrap();
            assert_eq!(message.matches("not answered within 5 s").count(), 1, "{message}");
        });
        for (args, stored) in [
            (&["user", "set", "alice", "--read-only"][..], true),
            (&["user", "passwd", "alice", "--password-stdin"], true),
            (&["sessions", "list"], false),
            (&["sessions", "kick", "1"], false),
            (&["quota", "show"], false),
            (&["quota", "scan", "alice"], false),
        ] {
            threads.spawn(move || {
                let (code, message) = run(args);
                assert_eq!(code, Some(1), "{args:?}: {message}");
                assert!(message.contains("not answered within 5 s"), "{args:?}: {message}");
                let sentence = "the change is stored, and the server has not confirmed it";
                assert_eq!(message.contains(sentence), stored, "{args:?}: {message}");
            });
        }
        // Commands that only read the store still work.
        threads.spawn(|| {
            let (code, message) = run(&["user", "show", "alice"]);
            assert_eq!(code, Some(0), "{message}");
        });
    });
    server.signal("CONT");
    // The next command changes nothing, but notifies the server of the earlier change.
    let said = server.admin_ok(&["user", "set", "alice", "--read-only"], "");
    assert!(said.starts_with("unchanged: alice"), "{said}");
    assert!(matches!(alice.receive(PATIENCE), Received::Ended));
}

/// Verifying a password takes time, and the user's record was read before. The session must have the rights of the
/// record after the verification.
#[test]
fn a_sign_in_under_way_gets_the_new_rights() {
    let server = TestServer::start(&["alice"]);
    for round in 0..12 {
        server.admin_ok(&["user", "set", "alice", "--permissions", "all"], "");
        let command = server.client("ssh", "alice", PASSWORD);
        let mut command = server.with_password(command, &password("alice"));
        command.args(["-s", "alice@127.0.0.1", "sftp"]);
        let mut session = RawSftp::spawn(command);
        std::thread::sleep(Duration::from_millis(20 * round));
        let said = change(&server, &["set", "alice", "--read-only"], "");
        let name = format!("f{round}");
        let sent = session.send(&init(3).encode(
            0,
            &Context {
                base: "",
                handles: &[],
            },
        ));
        let hello = session.receive(PATIENCE);
        let ended = &said["sessions_ended"];
        if sent && matches!(hello, Received::Packet(_)) {
            let context = Context {
                base: "",
                handles: &[],
            };
            // It may have been ended by now.
            let _ = session.send(&open(&name, WRITE | CREAT).encode(77, &context));
            let _ = session.receive(PATIENCE);
        }
        assert!(
            !server.home("alice").join(&name).exists(),
            "round {round}, ended {ended}"
        );
    }
}
