//! Other names, new directories, and removals.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use testkit::server::TestServer;
use testkit::web::{WEB, WebClient, WebReply};

use super::{events, start, write};

fn rename(client: &WebClient, from: &str, body: &serde_json::Value) -> WebReply {
    let json = [("Content-Type", "application/json")];
    client.ask(
        "PATCH",
        &format!("/api/v1/files{from}"),
        &json,
        body.to_string().as_bytes(),
    )
}

#[test]
fn names_change_and_taken_ones_are_kept() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    write(&home.join("a"), b"a");
    write(&home.join("b"), b"b");
    alice
        .ask("PUT", "/api/v1/files/d%20e/?directory", &[], b"")
        .expect(201);
    assert!(home.join("d e").is_dir());
    assert_eq!(
        alice
            .ask("PUT", "/api/v1/files/d%20e?directory", &[], b"")
            .expect(409)
            .code(),
        "conflict"
    );
    assert_eq!(
        rename(&alice, "/a", &json!({"rename": "/b"})).expect(409).code(),
        "conflict"
    );
    assert_eq!(
        rename(&alice, "/none", &json!({"rename": "/x"}))
            .expect(404)
            .code(),
        "not_found"
    );
    assert_eq!(
        rename(&alice, "/a", &json!({"rename": "x"})).expect(400).code(),
        "bad_request"
    );
    let moved = rename(&alice, "/a", &json!({"rename": "/d e/c"})).expect(200);
    assert_eq!(moved.json()["path"], "/d e/c");
    rename(&alice, "/b", &json!({"rename": "/d e/c", "replace": true})).expect(200);
    assert_eq!(fs::read(home.join("d e/c")).unwrap(), b"b");
    rename(&alice, "/d%20e", &json!({"rename_b64": "L2Nhzg=="})).expect(200);
    alice.get("/api/v1/files/ca%CE/c").expect(200);
    let renamed = events(&server, "renamed", 3);
    assert_eq!(
        (&renamed[1]["from"], &renamed[1]["to"]),
        (&json!("/b"), &json!("/d e/c"))
    );
    assert_eq!(events(&server, "directory_made", 1).len(), 1);
}

#[test]
fn a_tree_is_removed_and_what_links_lead_to_stays() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    write(&home.join("kept/f"), b"kept");
    for number in 0..300 {
        write(&home.join(format!("tree/{}/{number}/f", number % 7)), b"x");
    }
    symlink("../kept", home.join("tree/link")).unwrap();
    symlink("../kept/f", home.join("tree/3/link")).unwrap();
    let refused = alice.ask("DELETE", "/api/v1/files/tree", &[], b"").expect(409);
    assert_eq!(refused.code(), "conflict");
    alice
        .ask("DELETE", "/api/v1/files/tree/?recursive", &[], b"")
        .expect(204);
    assert!(!home.join("tree").exists());
    assert_eq!(fs::read(home.join("kept/f")).unwrap(), b"kept");
    assert_eq!(
        alice
            .ask("DELETE", "/api/v1/files/kept/f/", &[], b"")
            .expect(409)
            .code(),
        "wrong_kind"
    );
    alice.ask("DELETE", "/api/v1/files/kept/f", &[], b"").expect(204);
    alice.ask("DELETE", "/api/v1/files/kept", &[], b"").expect(204);
    assert_eq!(
        alice
            .ask("DELETE", "/api/v1/files/kept", &[], b"")
            .expect(404)
            .code(),
        "not_found"
    );
    assert_eq!(
        alice
            .ask("DELETE", "/api/v1/files/?recursive", &[], b"")
            .expect(403)
            .code(),
        "forbidden"
    );
    assert_eq!(events(&server, "removed", 303).len(), 303);
}

/// The first error ends a removal; what must stay as a whole loses nothing.
#[test]
fn a_removal_stops_where_it_may_not_go_on() {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", &[]);
    crate::folders::add_folder(&server, "team", None);
    crate::folders::give(&server, "alice", "team", &[("/", "all")]);
    crate::folders::permit(&server, "alice", &[("/", "all"), ("/fixed/in", "list,read")]);
    let (home, team) = (server.home("alice"), crate::folders::place(&server, "team"));
    write(&home.join("fixed/in/f"), b"x");
    write(&home.join("fixed/g"), b"x");
    write(&team.join("f"), b"x");
    server.serve();
    let alice = WebClient::of(&server, "alice");
    for stays in ["team", "fixed"] {
        let refused = alice.ask("DELETE", &format!("/api/v1/files/{stays}?recursive"), &[], b"");
        assert_eq!(refused.expect(403).code(), "forbidden", "{stays}");
    }
    assert!(team.join("f").exists() && home.join("fixed/g").exists());
    let denied = alice.ask("DELETE", "/api/v1/files/fixed/in/f", &[], b"");
    assert_eq!(denied.expect(403).code(), "forbidden");
    let across = rename(&alice, "/fixed/g", &json!({"rename": "/team/g"}));
    assert_eq!(across.expect(409).code(), "wrong_kind");
}
