//! The audit log from outside: which events there are, what they say, and how operators ask it.

mod admin;
mod hooks;
mod query;
mod uploads;

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::packets::{Attrs, CREAT, READ, TRUNC, WRITE};
use testkit::packets::{bogus, close, fsetstat, mkdir, open, read, remove, rename, rmdir, setstat, write};
use testkit::raw::RawSftp;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

/// Asks about a handle, and expects that the request succeeds.
fn ok(sftp: &mut RawSftp, request: &testkit::packets::Request, handle: &[u8]) {
    let reply = sftp.ask_about(request, handle);
    let done = matches!(reply, Reply::Status { code: 0, .. } | Reply::Data(_));
    assert!(done, "{request:?} was answered by {reply:?}");
}

/// Returns the events of this name.
fn named(server: &TestServer, name: &str) -> Vec<Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == name).collect()
}

/// Waits until there is an event of this name, and returns the first one.
fn first(server: &TestServer, name: &str) -> Value {
    let mut found = Vec::new();
    wait_for(&format!("the event {name}"), || {
        found = named(server, name);
        !found.is_empty()
    });
    found.remove(0)
}

/// Does everything that has an event, once.
fn do_everything(server: &TestServer) {
    let mut sftp = server.raw("alice");
    let f = sftp.handle(&open("f", READ | WRITE | CREAT));
    ok(&mut sftp, &write(bogus(&f), 0, b"content"), &f);
    ok(&mut sftp, &read(bogus(&f), 0, 3), &f);
    ok(&mut sftp, &fsetstat(bogus(&f), &Attrs::size(4)), &f);
    ok(&mut sftp, &close(bogus(&f)), &f);
    ok(&mut sftp, &setstat("f", &Attrs::mode(0o640)), b"");
    ok(&mut sftp, &mkdir("d", &Attrs::default()), b"");
    ok(&mut sftp, &rename("f", "d/g"), b"");
    ok(&mut sftp, &testkit::packets::symlink("g", "d/l"), b"");
    ok(&mut sftp, &remove("d/g"), b"");
    ok(&mut sftp, &remove("d/l"), b"");
    ok(&mut sftp, &rmdir("d"), b"");
    drop(sftp);
    server.sign_in("alice", By::Password("password"), "wrong");
}

#[test]
fn every_event_says_where_it_came_from() {
    let mut server = TestServer::start(&["alice"]);
    do_everything(&server);
    first(&server, "session_ended");
    first(&server, "denied");
    server.signal("TERM");
    server.wait_for_exit();
    let events = server.events();
    let names: BTreeSet<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let expected = [
        "attributes",
        "closed",
        "denied",
        "directory_made",
        "directory_removed",
        "linked",
        "opened",
        "removed",
        "renamed",
        "session_ended",
        "signed_in",
        "started",
        "stopped",
        "uploaded",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let run = events[0]["run"].as_str().unwrap();
    assert_eq!(run.len(), 16, "{run}");
    let home = server.home("alice").canonicalize().unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    for event in &events {
        for field in event.as_object().unwrap().keys() {
            let is_described = page.contains(&format!("`{field}`"));
            assert!(
                is_described,
                "docs/json.md does not describe \"{field}\" of {event}"
            );
        }
        assert_eq!((&event["v"], &event["run"]), (&2.into(), &run.into()), "{event}");
        let Some(peer) = event["peer"].as_str() else {
            assert!(
                matches!(event["event"].as_str(), Some("started" | "stopped")),
                "{event}"
            );
            continue;
        };
        assert_eq!(event["ip"], "127.0.0.1", "{event}");
        assert_eq!(peer, format!("127.0.0.1:{}", event["port"]), "{event}");
        assert_eq!(event["user"], "alice", "{event}");
        if event["event"] != "denied" {
            assert!(event["session"].is_u64(), "{event}");
            assert_eq!(event["home"], home.to_str().unwrap(), "{event}");
        }
    }
}

#[test]
fn events_of_files_say_what_was_changed() {
    let server = TestServer::start(&["alice"]);
    do_everything(&server);
    first(&server, "session_ended");
    let check = |name: &str, expected: Value| {
        let event = first(&server, name);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(event[field], *value, "{field} of {event}");
        }
    };
    check(
        "opened",
        serde_json::json!({"path": "/f", "write": true, "created": true, "truncated": false}),
    );
    check(
        "closed",
        serde_json::json!({"path": "/f", "bytes_read": 3, "bytes_written": 7, "end": "client", "size": 4}),
    );
    check("uploaded", serde_json::json!({"path": "/f", "size": 4}));
    check(
        "attributes",
        serde_json::json!({"path": "/f", "changed": ["size"], "old_size": 7, "size": 4}),
    );
    let modes = named(&server, "attributes");
    assert_eq!(
        modes[1]["changed"],
        serde_json::json!(["permissions"]),
        "{modes:?}"
    );
    assert_eq!(modes[1]["mode"], "0640", "{modes:?}");
    check(
        "renamed",
        serde_json::json!({"from": "/f", "to": "/d/g", "replaced": false}),
    );
    wait_for("the refusal", || !named(&server, "denied").is_empty());
    check("denied", serde_json::json!({"code": "wrong_password"}));
    // What is opened again, and replaced.
    let mut sftp = server.raw("alice");
    for name in ["a", "b"] {
        let handle = sftp.handle(&open(name, WRITE | CREAT | TRUNC));
        ok(&mut sftp, &close(bogus(&handle)), &handle);
    }
    let handle = sftp.handle(&open("a", WRITE | CREAT | TRUNC));
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    let replace = testkit::packets::extended_paths("posix-rename@openssh.com", &[b"a", b"b"]);
    ok(&mut sftp, &replace, b"");
    wait_for("the rename", || named(&server, "renamed").len() == 2);
    assert_eq!(named(&server, "renamed")[1]["replaced"], true);
    let opened = named(&server, "opened");
    let how = |event: &Value| (event["created"] == true, event["truncated"] == true);
    let opened: Vec<(bool, bool)> = opened.iter().map(how).collect();
    assert_eq!(opened[1..], [(true, false), (true, false), (false, true)]);
}

#[test]
fn each_end_of_a_file_has_its_name() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1000"]);
    server.serve();
    let last_end = |count: usize| {
        wait_for("the file to be closed", || {
            named(&server, "closed").len() == count
        });
        let event = named(&server, "closed").pop().unwrap();
        (event["end"].as_str().unwrap().to_owned(), event["size"].as_u64())
    };
    let begin = || {
        let mut sftp = server.raw("alice");
        let handle = sftp.handle(&open("f", WRITE | CREAT));
        ok(&mut sftp, &write(bogus(&handle), 0, b"12345"), &handle);
        (sftp, handle)
    };
    let (mut sftp, handle) = begin();
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    assert_eq!(last_end(1), ("client".to_owned(), Some(5)));
    drop(begin());
    assert_eq!(last_end(2), ("lost".to_owned(), Some(5)));
    let (mut sftp, handle) = begin();
    let refused = sftp.ask_about(&write(bogus(&handle), 5, vec![1; 2000]), &handle);
    assert!(matches!(refused, Reply::Status { code: 4, .. }), "{refused:?}");
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    assert_eq!(last_end(3), ("error".to_owned(), Some(5)));
    drop(sftp);
    let kicked = begin();
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    assert_eq!(last_end(4), ("kicked".to_owned(), Some(5)));
    drop(kicked);
    let stopping = begin();
    // The second signal ends the wait for transfers.
    server.signal("TERM");
    server.wait_for_log("stopping; transfers may continue");
    server.signal("TERM");
    assert_eq!(last_end(5), ("stopping".to_owned(), Some(5)));
    drop(stopping);
}

#[test]
fn a_home_that_fills_up_has_an_event_in_each_direction() {
    let mut server = TestServer::new(&[("quota", "warn_at = [50, 90]")]);
    for user in ["alice", "bob"] {
        server.add_user(user, &["--quota", "1000"]);
    }
    server.serve();
    let (mut sftp, mut bobs) = (server.raw("alice"), server.raw("bob"));
    let handle = sftp.handle(&open("f", WRITE | CREAT));
    let bobs_handle = bobs.handle(&open("f", WRITE | CREAT));
    let crossings_of = |user: &str| -> Vec<String> {
        let events = named(&server, "near_quota").into_iter();
        events
            .filter(|event| event["user"] == user)
            .map(|event| {
                assert_eq!(event["quota"], "bytes", "{event}");
                format!(
                    "{} {} {}",
                    event["percent"],
                    event["direction"].as_str().unwrap(),
                    event["used"]
                )
            })
            .collect()
    };
    let mut bobs_size = 0;
    let mut resize = |size: u64, expected: &[&str]| {
        ok(&mut sftp, &fsetstat(bogus(&handle), &Attrs::size(size)), &handle);
        // An event of bob's, who comes later, shows that the homes were looked at since.
        bobs_size = if bobs_size == 0 { 600 } else { 0 };
        let before = crossings_of("bob").len();
        ok(
            &mut bobs,
            &fsetstat(bogus(&bobs_handle), &Attrs::size(bobs_size)),
            &bobs_handle,
        );
        wait_for(&format!("an event of bob's at {size}"), || {
            crossings_of("bob").len() > before
        });
        wait_for(&format!("{expected:?} at {size}"), || {
            crossings_of("alice").len() >= expected.len()
        });
        assert_eq!(crossings_of("alice"), expected);
    };
    resize(600, &["50 up 600"]);
    resize(950, &["50 up 600", "90 up 950"]);
    // More of the same is not an event.
    resize(990, &["50 up 600", "90 up 950"]);
    resize(100, &["50 up 600", "90 up 950", "50 down 100", "90 down 100"]);
}

#[test]
fn in_a_log_of_json_each_event_is_one_object() {
    let mut server = TestServer::new(&[]);
    let config = std::fs::read_to_string(server.config()).unwrap();
    let config = config.replace("audit = \"audit.log\"", "format = \"json\"");
    std::fs::write(server.config(), config).unwrap();
    server.add_user("alice", &[]);
    server.serve();
    server.sftp_ok("alice", "ls\n");
    server.wait_for_log("\"session_ended\"");
    let log = server.log();
    let (whole, _) = log.rsplit_once('\n').unwrap();
    let objects: Vec<Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["event"].as_str())
        .collect();
    assert_eq!(names, ["started", "signed_in", "session_ended"]);
    let signed_in = objects
        .iter()
        .find(|object| object["event"] == "signed_in")
        .unwrap();
    assert_eq!(
        (&signed_in["user"], &signed_in["v"]),
        (&"alice".into(), &2.into())
    );
}
