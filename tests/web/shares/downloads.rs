//! What visitors see and fetch.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use testkit::random::noise;
use testkit::server::TestServer;
use testkit::wait_for;

use super::{MIB, TusClient, WEB, download, remove, share, start, text};

#[test]
fn a_shared_folder_is_seen_and_nothing_beside_it() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    fs::create_dir_all(home.join("docs/deep")).unwrap();
    fs::write(home.join("docs/a <b>.txt"), "hello").unwrap();
    fs::write(home.join("docs/deep/b.txt"), "deep").unwrap();
    fs::write(home.join("secret.txt"), "secret").unwrap();
    let link = download(&server, &alice, "/docs");
    let page = text(&link.expect("GET", "", 200));
    assert!(
        page.contains("a &lt;b&gt;.txt") || page.contains("a &#60;b&#62;.txt"),
        "{page}"
    );
    assert!(
        page.contains("alice") && page.contains("deep") && !page.contains("secret"),
        "{page}"
    );
    assert!(text(&link.expect("GET", "/dir/deep", 200)).contains("b.txt"));
    let file = link.expect("GET", "/files/a%20%3Cb%3E.txt", 200);
    assert_eq!(file.body, b"hello");
    assert!(
        file.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    assert!(
        file.header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    assert_eq!(link.expect("GET", "/files/deep/b.txt", 200).body, b"deep");
    let part = link.ask("GET", "/files/deep/b.txt", &[("Range", "bytes=1-2")], b"");
    assert_eq!((part.status, &part.body[..]), (206, &b"ee"[..]));
    let head = link.expect("HEAD", "/files/deep/b.txt", 200);
    assert_eq!(head.header("content-length"), Some("4"));
    assert!(link.expect("GET", "/zip", 200).body.starts_with(b"PK\x03\x04"));
    assert!(
        link.expect("GET", "/zip/deep", 200)
            .body
            .starts_with(b"PK\x03\x04")
    );
    for path in [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/deep/%2e%2e/%2e%2e/secret.txt",
        "/files/..%2fsecret.txt",
        "/dir/%2e%2e",
        "/zip/%2e%2e",
    ] {
        let reply = link.get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        assert!(!text(&reply).contains("secret.txt"), "{path}");
    }
    link.expect("GET", "/files/secret.txt", 404);
    // A directory is not a file, and a listing by the API is for users.
    link.expect("GET", "/files/deep", 404);
    link.expect("GET", "/files/deep/?list", 404);
    link.expect("GET", "/files/a?list", 404);
}

#[test]
fn nothing_is_changed_by_a_link() {
    let (server, alice) = start(&[]);
    fs::create_dir(server.home("alice").join("docs")).unwrap();
    fs::write(server.home("alice").join("docs/a"), "hello").unwrap();
    let link = share(
        &server,
        &alice,
        json!({"path": "/docs", "download": true, "upload": true}),
    );
    for method in ["PUT", "DELETE", "PATCH", "POST"] {
        link.expect(method, "/files/a", 405);
    }
    link.expect("DELETE", "", 405);
    for path in ["/api/files/a", "/api/shares", "/api/archive", "/api/users"] {
        link.expect("GET", path, 404);
    }
    assert_eq!(fs::read(server.home("alice").join("docs/a")).unwrap(), b"hello");
}

#[test]
fn links_on_the_disk_lead_nowhere() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    fs::create_dir(home.join("docs")).unwrap();
    fs::write(home.join("docs/a"), "hello").unwrap();
    fs::write(home.join("secret"), "secret").unwrap();
    symlink("../secret", home.join("docs/link")).unwrap();
    let (folder, file) = (
        download(&server, &alice, "/docs"),
        download(&server, &alice, "/docs/a"),
    );
    folder.expect("GET", "/files/link", 404);
    assert!(!text(&folder.get("")).contains("link"));
    assert_eq!(file.expect("GET", "/files/a", 200).body, b"hello");
    file.expect("GET", "/files/link", 404);
    file.expect("GET", "/dir/a", 404);
    file.expect("GET", "/zip", 404);
    // The shared file is replaced by a link, and by a directory.
    fs::remove_file(home.join("docs/a")).unwrap();
    symlink("../secret", home.join("docs/a")).unwrap();
    file.expect("GET", "/files/a", 404);
    fs::remove_file(home.join("docs/a")).unwrap();
    fs::create_dir(home.join("docs/a")).unwrap();
    fs::write(home.join("docs/a/inner"), "inner").unwrap();
    file.expect("GET", "/files/a", 404);
    file.expect("GET", "/files/a/inner", 404);
    assert!(!text(&file.get("")).contains("inner"));
}

#[test]
fn a_share_in_a_folder_opens_nothing_of_the_home() {
    let mut server = TestServer::new(&[WEB]);
    let team = server.home("alice").parent().unwrap().join("team");
    server.admin_ok(&["folder", "add", "team", team.to_str().unwrap()], "");
    server.add_user("alice", &["--folder", "team=all"]);
    server.serve();
    let alice = TusClient::of(&server, "alice");
    fs::write(team.join("a"), "of the team").unwrap();
    fs::write(server.home("alice").join("a"), "of alice").unwrap();
    let link = download(&server, &alice, "/team");
    assert_eq!(link.expect("GET", "/files/a", 200).body, b"of the team");
    let one = download(&server, &alice, "/team/a");
    assert_eq!(one.expect("GET", "/files/a", 200).body, b"of the team");
    // Without the folder, the path means nothing, even if the home has such a directory.
    server.admin_ok(&["user", "set", "alice", "--no-folder", "team"], "");
    let home = server.home("alice");
    fs::create_dir(home.join("team")).unwrap();
    one.expect("GET", "/files/a", 404);
}

#[test]
fn a_download_ends_when_its_owner_is_disabled_or_the_share_is_removed() {
    let (server, alice) = start(&[]);
    let content = noise(64 * MIB, 7);
    fs::write(server.home("alice").join("large"), &content).unwrap();
    let kept = server.home("alice").join("large");
    let opened = |count: usize| {
        wait_for("the download to begin", || {
            let events = server.events();
            let of_file =
                |event: &&serde_json::Value| event["event"] == "opened" && event["path"] == "/large";
            events.iter().filter(of_file).count() == count
        });
    };
    let link = download(&server, &alice, "/large");
    let removed = link.open("GET", "/files/large", &[]);
    opened(1);
    remove(&alice, &link);
    let reply = removed.reply();
    assert_eq!(reply.status, 200);
    assert!(reply.body.len() < content.len(), "the download went on");
    link.expect("GET", "/files/large", 404);
    let link = download(&server, &alice, "/large");
    let disabled = link.open("GET", "/files/large", &[]);
    opened(2);
    server.admin_ok(&["user", "disable", "alice"], "");
    let reply = disabled.reply();
    assert!(reply.body.len() < content.len(), "the download went on");
    link.expect("GET", "/files/large", 410);
    server.admin_ok(&["user", "enable", "alice"], "");
    assert_eq!(link.expect("GET", "/files/large", 200).body.len(), content.len());
    assert!(kept.exists());
}

#[test]
fn visits_are_sign_ins_that_say_so() {
    let (server, alice) = start(&["--max-sessions", "1"]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let link = download(&server, &alice, "/a");
    link.expect("GET", "/files/a", 200);
    // The visitor does not use up the one session of the owner.
    assert_eq!(alice.ask("GET", "/api/v1/shares", &[], b"").status, 200);
    let events = server.events();
    let visit = events
        .iter()
        .find(|event| event["event"] == "signed_in" && event["method"] == "share");
    let visit = visit.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(
        (&visit["user"], &visit["share"]),
        (&json!("alice"), &json!(link.id))
    );
    let listed = server.admin_ok(&["sessions", "list", "--json"], "");
    assert!(listed.contains(&format!("\"share\":{}", link.id)), "{listed}");
    remove(&alice, &link);
    let audit = server.audit();
    assert!(
        audit.contains("share add") && audit.contains("share remove"),
        "{audit}"
    );
}
