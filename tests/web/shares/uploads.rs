//! What visitors send.

use std::fs;

use serde_json::json;
use testkit::random::noise;
use testkit::wait_for;

use super::super::uploads::tus_client::{PIECE, WRITTEN};
use super::{MIB, remove, share, start, text, upload};

#[test]
fn visitors_send_files_and_see_none() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    fs::create_dir_all(home.join("in/hidden")).unwrap();
    fs::write(home.join("in/a.txt"), "of the owner").unwrap();
    let link = upload(&server, &alice, "/in");
    let place = link.begun("/a.txt", 5);
    link.send(&place, 0, b"hel").expect(204);
    assert_eq!(link.ask("HEAD", &place, &[], b"").expect(200).offset(), 3);
    link.send(&place, 3, b"lo").expect(204);
    assert_eq!(fs::read(home.join("in/a.txt")).unwrap(), b"of the owner");
    assert_eq!(fs::read(home.join("in/a (1).txt")).unwrap(), b"hello");
    // The name of a directory is taken, too, and nothing says so.
    let place = link.begun("/hidden", 1);
    link.send(&place, 0, b"x").expect(204);
    assert_eq!(fs::read(home.join("in/hidden (1)")).unwrap(), b"x");
    let page = text(&link.expect("GET", "", 200));
    assert!(!page.contains("a.txt") && !page.contains("hidden"), "{page}");
    for (method, path) in [
        ("GET", "/files/a.txt"),
        ("HEAD", "/files/a.txt"),
        ("GET", "/files/nothing"),
        ("HEAD", "/files/nothing"),
        ("GET", "/zip"),
        ("GET", "/dir/hidden"),
    ] {
        link.expect(method, path, 404);
    }
    let range = link.ask("GET", "/files/a.txt", &[("Range", "bytes=0-0")], b"");
    assert_eq!(range.status, 404);
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        link.expect(method, "/api/uploads", 405);
    }
    link.expect("GET", &place, 405);
    // The owner sees what came in, with who it was.
    let events = server.events();
    let uploaded = events.iter().filter(|event| event["event"] == "uploaded");
    assert!(uploaded.clone().count() == 2 && uploaded.clone().all(|event| event["share"] == link.id));
}

#[test]
fn names_lead_to_the_shared_folder_alone() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    fs::create_dir_all(home.join("in/sub")).unwrap();
    let link = upload(&server, &alice, "/in");
    for name in [
        "/../a",
        "../a",
        "/sub/a",
        "/",
        "",
        "/sub/../../a",
        "/.homeport-upload-00",
        "/a\0b",
    ] {
        let reply = link.begin_upload(name, 1);
        assert!(matches!(reply.status, 400 | 403 | 404), "{name:?}: {reply:?}");
    }
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    let both = share(
        &server,
        &alice,
        json!({"path": "/in", "download": true, "upload": true}),
    );
    let place = both.begun("/sub/a", 1);
    both.send(&place, 0, b"x").expect(204);
    assert_eq!(fs::read(home.join("in/sub/a")).unwrap(), b"x");
    // What was begun by one link is nothing for another one, nor for the owner's list.
    let place = both.begun("/b", 5);
    assert_eq!(link.ask("HEAD", &place, &[], b"").status, 404);
    assert!(alice.list().is_empty());
    let download = share(&server, &alice, json!({"path": "/in", "download": true}));
    assert_eq!(download.begin_upload("/c", 1).status, 403);
}

#[test]
fn an_upload_ends_when_the_share_is_removed() {
    let (server, alice) = start(&[]);
    fs::create_dir(server.home("alice").join("in")).unwrap();
    let link = upload(&server, &alice, "/in");
    let content = noise(4 * MIB, 3);
    let place = link.begun("/a", content.len());
    let length = content.len().to_string();
    let headers = [PIECE, ("Upload-Offset", "0"), ("Content-Length", &length)];
    let mut request = link.open("PATCH", &place, &headers);
    request.send(&content[..=WRITTEN]);
    wait_for("the first bytes to be there", || {
        link.ask("HEAD", &place, &[], b"").offset() == WRITTEN as u64
    });
    remove(&alice, &link);
    let reply = request.reply();
    assert!(reply.status >= 400, "{reply:?}");
    link.expect("HEAD", &place, 404);
    assert!(!server.home("alice").join("in/a").exists());
}

#[test]
fn a_full_home_says_nothing_about_its_owner() {
    let (server, alice) = start(&["--quota", "1MiB"]);
    fs::create_dir(server.home("alice").join("in")).unwrap();
    let link = upload(&server, &alice, "/in");
    let reply = link.begin_upload("/a", 2 * MIB);
    assert_eq!((reply.status, reply.code().as_str()), (507, "over_quota"));
    assert!(!text(&reply).contains("MiB"), "{reply:?}");
}
