//! Groups and folders: their changes reach the sessions of all members.

use std::fs;

use serde_json::Value;

use crate::admin::sessions::{Session, assert_over, raw};
use testkit::packets::{CREAT, WRITE, nth, open, stat, write};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;

/// Runs a command with `--json`, which must succeed and be confirmed, and returns its result.
fn change(server: &TestServer, command: &[&str]) -> Value {
    let words = [command, &["--json"]].concat();
    let said: Value = serde_json::from_str(&server.admin_ok(&words, "")).unwrap();
    assert_eq!(
        (&said["v"], &said["confirmed"]),
        (&1.into(), &true.into()),
        "{said}"
    );
    said
}

#[test]
fn what_a_group_loses_ends_the_sessions_of_its_members_and_no_others() {
    let server = TestServer::start_with(&[], &["alice", "bob", "carol"]);
    server.admin_ok(&["group", "add", "staff"], "");
    for user in ["alice", "bob"] {
        assert_eq!(
            change(&server, &["user", "set", user, "--group", "staff"])["sessions_ended"],
            0
        );
    }
    // What alice has of her own does not change with the group.
    change(&server, &["user", "set", "alice", "--permissions", "/own=all"]);
    let (mut alice, mut bob, mut carol) = (
        raw(&server, "alice", By::Key),
        raw(&server, "bob", By::Key),
        raw(&server, "carol", By::Key),
    );
    let said = change(
        &server,
        &[
            "group",
            "set",
            "staff",
            "--max-sessions",
            "5",
            "--comment",
            "crew",
        ],
    );
    assert_eq!(
        (&said["changed"], &said["sessions_ended"]),
        (&true.into(), &0.into())
    );
    assert!(matches!(alice.ask(&stat("/")), Reply::Attrs(_)));
    assert!(matches!(bob.ask(&stat("/")), Reply::Attrs(_)));

    let said = change(&server, &["group", "set", "staff", "--read-only"]);
    assert_eq!(
        (&said["group"], &said["sessions_ended"]),
        (&"staff".into(), &2.into()),
        "{said}"
    );
    assert_over(&mut Session::Raw(alice), "alice");
    assert_over(&mut Session::Raw(bob), "bob");
    assert!(matches!(carol.ask(&stat("/")), Reply::Attrs(_)));
    let said = change(&server, &["group", "set", "staff", "--read-only"]);
    assert_eq!(
        (&said["changed"], &said["sessions_ended"]),
        (&false.into(), &0.into())
    );
    let mut bob = raw(&server, "bob", By::Key);
    let reply = bob.ask(&open("new", WRITE | CREAT));
    assert!(matches!(reply, Reply::Status { code: 3, .. }), "{reply:?}");

    // Who leaves the group has all permissions again, and loses nothing.
    assert_eq!(
        change(&server, &["user", "set", "bob", "--group", "none"])["sessions_ended"],
        0
    );
    server.wait_for_audit("\"what\":\"group set\"");
    let acts = server.events();
    let set = acts.iter().rfind(|event| event["what"] == "group set").unwrap();
    assert_eq!(
        (
            &set["name"],
            &set["before"]["permissions"],
            &set["after"]["permissions"]
        ),
        (
            &"staff".into(),
            &Value::Null,
            &serde_json::json!(["list", "read"])
        ),
        "{set}"
    );
}

#[test]
fn a_quota_of_a_group_holds_for_running_sessions() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["group", "add", "staff"], "");
    server.admin_ok(
        &[
            "user",
            "set",
            "alice",
            "--group",
            "staff",
            "--quota",
            "inherit",
            "--max-files",
            "inherit",
        ],
        "",
    );
    let mut session = raw(&server, "alice", By::Key);
    let handle = session.handle(&open("f", WRITE | CREAT));
    let mut grow = |to: u64| session.ask_about(&write(nth(0), to, b"x"), &handle);
    assert!(matches!(grow(2 << 20), Reply::Status { code: 0, .. }));
    let said = change(&server, &["group", "set", "staff", "--quota", "1MiB"]);
    assert_eq!(
        (&said["changed"], &said["sessions_ended"]),
        (&true.into(), &0.into())
    );
    let reply = grow(3 << 20);
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    change(&server, &["group", "set", "staff", "--quota", "unlimited"]);
    assert!(matches!(grow(3 << 20), Reply::Status { code: 0, .. }));
    let shown: Value =
        serde_json::from_str(&server.admin_ok(&["user", "show", "alice", "--json"], "")).unwrap();
    assert_eq!(
        (&shown["group"], &shown["sessions"]),
        (&"staff".into(), &1.into()),
        "{shown}"
    );
}

#[test]
fn a_folder_is_measured_by_the_running_server_and_taken_away_from_sessions() {
    let server = TestServer::start(&["alice"]);
    let dir = server.home("alice").parent().unwrap().join("team");
    let path = dir.to_str().unwrap();
    let said = change(&server, &["folder", "add", "team", path, "--quota", "1MiB"]);
    assert_eq!(
        (&said["folder"], &said["changed"]),
        (&"team".into(), &true.into())
    );
    fs::write(dir.join("f"), [0; 1000]).unwrap();
    let scanned = server.admin_ok(&["quota", "scan", "--folder", "team"], "");
    assert!(scanned.starts_with("team (folder): "), "{scanned}");
    let shown: Value =
        serde_json::from_str(&server.admin_ok(&["folder", "show", "team", "--json"], "")).unwrap();
    assert_eq!(
        (&shown["used_bytes"], &shown["usage_exact"]),
        (&1000.into(), &true.into()),
        "{shown}"
    );

    assert_eq!(
        change(&server, &["user", "set", "alice", "--folder", "team=list,read"])["sessions_ended"],
        0
    );
    let alice = raw(&server, "alice", By::Key);
    let said = change(&server, &["user", "set", "alice", "--no-folder", "team"]);
    assert_eq!(said["sessions_ended"], 1, "{said}");
    assert_over(&mut Session::Raw(alice), "alice without her folder");
    change(&server, &["folder", "remove", "team"]);
    assert!(dir.join("f").exists());
}
