//! When users have signed in last, as the administrator sees it.

use jiff::Timestamp;
use serde_json::Value;

use testkit::server::TestServer;
use testkit::wait_for;

/// Returns the last sign-in of alice.
fn last_sign_in(server: &TestServer) -> Option<Timestamp> {
    let text = server.admin_ok(&["user", "show", "alice", "--json"], "");
    let shown: Value = serde_json::from_str(&text).unwrap();
    shown["last_sign_in"].as_str().map(|time| time.parse().unwrap())
}

#[test]
fn each_sign_in_is_seen_while_the_server_runs() {
    let server = TestServer::start(&["alice"]);
    assert_eq!(last_sign_in(&server), None);
    drop(server.raw("alice"));
    let mut first = None;
    wait_for("the first sign-in to be seen", || {
        first = last_sign_in(&server);
        first.is_some()
    });
    // It comes from the same address again. The times are stored with whole seconds.
    wait_for("a later one to be seen", || {
        drop(server.raw("alice"));
        last_sign_in(&server) > first
    });
    let text = server.admin_ok(&["user", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&text).unwrap();
    assert!(listed[0]["last_sign_in"].is_string(), "{listed}");
}

#[test]
fn the_last_sign_in_is_known_after_the_server_has_ended() {
    let mut server = TestServer::start(&["alice"]);
    let before = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    drop(server.raw("alice"));
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    assert!(last_sign_in(&server) >= Some(before));
}
