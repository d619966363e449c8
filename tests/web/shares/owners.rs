//! Who may share what.

use std::fs;

use serde_json::json;

use super::{TusClient, TusReply, download, start, try_share};

#[track_caller]
fn refused(reply: &TusReply, status: u16, words: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    let json = reply.json();
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[test]
fn what_cannot_be_shared_is_refused_with_the_reason() {
    let (server, alice) = start(&["--permissions", "list,read"]);
    let home = server.home("alice");
    fs::create_dir(home.join("docs")).unwrap();
    fs::write(home.join("a"), "hello").unwrap();
    let check = |wish: serde_json::Value, status: u16, words: &str| {
        refused(&try_share(&alice, &wish), status, words);
    };
    check(json!({"path": "/none", "download": true}), 404, "");
    check(json!({"path": "/docs"}), 400, "downloads, uploads or both");
    check(json!({"download": true}), 400, "path is missing");
    check(json!({"path": "/a", "upload": true}), 400, "downloads only");
    check(json!({"path": "/docs", "upload": true}), 403, "may not create");
    check(json!({"path": "/../x", "download": true}), 400, "..");
    check(json!({"path": "/a", "download": true, "uses": 0}), 400, "uses");
    check(
        json!({"path": "/a", "download": true, "expires_at": "2020-01-01T00:00:00Z"}),
        400,
        "past",
    );
    check(
        json!({"path": "/a", "download": true, "unknown": 1}),
        400,
        "unknown",
    );
    let listed = alice.ask("GET", "/api/v1/shares", &[], b"").json();
    assert_eq!(listed, json!({"v": 1, "shares": []}));
}

#[test]
fn a_share_belongs_to_its_owner() {
    let (server, alice) = start(&[]);
    server.add_user("bob", &[]);
    let bob = TusClient::of(&server, "bob");
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let link = download(&server, &alice, "/a");
    let reply = alice.ask("GET", "/api/v1/shares", &[], b"");
    let listed = reply.json();
    let shown = &listed["shares"][0];
    assert_eq!((&shown["path"], &shown["title"]), (&json!("/a"), &json!("a")));
    assert!(shown["expires_at"].is_string(), "{shown}");
    let token = link.path.strip_prefix("/s/").unwrap();
    assert!(
        !String::from_utf8_lossy(&reply.body).contains(token),
        "it is told once"
    );
    assert_eq!(
        bob.ask("GET", "/api/v1/shares", &[], b"").json()["shares"],
        json!([])
    );
    let path = format!("/api/v1/shares/{}", link.id);
    assert_eq!(bob.ask("DELETE", &path, &[], b"").status, 404);
    link.expect("GET", "/files/a", 200);
    // Another user who gets the name has nothing of it.
    server.admin_ok(&["user", "remove", "alice"], "");
    link.expect("GET", "/files/a", 404);
}

#[test]
fn visitors_come_from_anywhere() {
    let (server, alice) = start(&[]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let link = download(&server, &alice, "/a");
    server.admin_ok(&["user", "set", "alice", "--allow-from", "192.0.2.0/24"], "");
    link.expect("GET", "/files/a", 200);
    assert_ne!(alice.ask("GET", "/api/v1/shares", &[], b"").status, 200);
}
