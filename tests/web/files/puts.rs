//! Files that one request brings as a whole.

use std::fs;

use testkit::random::noise;
use testkit::wait_for;

use super::{age, events, start, write};

/// Returns the names in alice's home, hidden ones included.
fn on_disk(server: &testkit::server::TestServer) -> Vec<String> {
    let entries = fs::read_dir(server.home("alice")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn a_file_is_made_or_replaced_at_once() {
    let (server, alice) = start(&[]);
    let (first, second) = (noise(1_500_000, 3), noise(700_000, 4));
    let path = server.home("alice").join("f");
    let put = |headers: &[(&str, &str)], body: &[u8]| alice.ask("PUT", "/api/v1/files/f", headers, body);
    put(&[], &first).expect(201);
    assert!(fs::read(&path).unwrap() == first);
    assert_eq!(
        put(&[("If-None-Match", "*")], &second).expect(412).code(),
        "precondition_failed"
    );
    assert!(fs::read(&path).unwrap() == first);
    let mut open = fs::File::open(&path).unwrap();
    put(&[], &second).expect(204);
    assert!(fs::read(&path).unwrap() == second);
    let mut old = Vec::new();
    std::io::Read::read_to_end(&mut open, &mut old).unwrap();
    assert!(old == first, "who reads the old file goes on with it");
    age(&path);
    let tag = alice
        .get("/api/v1/files/f")
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    put(&[("If-Match", &tag)], b"third").expect(204);
    put(&[("If-Match", &tag)], b"fourth").expect(412);
    put(&[("If-None-Match", "*")], b"").expect(412);
    alice
        .ask("PUT", "/api/v1/files/empty", &[("If-None-Match", "*")], b"")
        .expect(201);
    assert_eq!(on_disk(&server), ["empty", "f"]);
    assert_eq!(fs::read(&path).unwrap(), b"third");
    let uploaded = events(&server, "uploaded", 4);
    let paths: Vec<&str> = uploaded
        .iter()
        .map(|event| event["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/f", "/f", "/f", "/empty"]);
}

#[test]
fn what_breaks_off_or_is_refused_leaves_nothing() {
    let (server, alice) = start(&["--quota", "1MiB"]);
    let home = server.home("alice");
    write(&home.join("old"), b"content");
    fs::create_dir(home.join("d")).unwrap();
    let mut broken = alice.open("PUT", "/api/v1/files/old", &[("Content-Length", "500000")]);
    broken.send(&[1; 300_000]);
    wait_for("the part to have bytes", || on_disk(&server).len() == 3);
    drop(broken);
    wait_for("the part to be removed", || on_disk(&server).len() == 2);
    let full = alice
        .ask("PUT", "/api/v1/files/new", &[], &noise(900_000, 5))
        .expect(201);
    assert!(full.body.is_empty());
    let over = alice
        .ask("PUT", "/api/v1/files/old", &[], &noise(900_000, 6))
        .expect(507);
    assert_eq!(over.code(), "over_quota");
    assert!(
        over.sentence().starts_with("quota exceeded: "),
        "{}",
        over.sentence()
    );
    let never = alice
        .ask("PUT", "/api/v1/files/old", &[], &noise(2_000_000, 7))
        .expect(507);
    assert_eq!(never.code(), "over_quota");
    let code = |path: &str| {
        alice
            .ask("PUT", &format!("/api/v1/files/{path}"), &[], b"x")
            .code()
    };
    assert_eq!(code("d"), "wrong_kind");
    assert_eq!(code("x/"), "wrong_kind");
    assert_eq!(code("none/x"), "not_found");
    let mut chunked = alice.open("PUT", "/api/v1/files/c", &[("Transfer-Encoding", "chunked")]);
    chunked.send(b"1\r\nx\r\n0\r\n\r\n");
    assert_eq!(chunked.reply().rest(true).expect(411).code(), "length_required");
    assert_eq!(on_disk(&server), ["d", "new", "old"]);
    assert_eq!(fs::read(home.join("old")).unwrap(), b"content");
    let uploads = alice.get("/api/v1/uploads").expect(200).json();
    assert_eq!(uploads["uploads"].as_array().unwrap().len(), 0);
}

#[test]
fn replacing_needs_its_permission() {
    let (server, alice) = start(&["--permissions", "list,read,create"]);
    write(&server.home("alice").join("old"), b"content");
    let refused = alice.ask("PUT", "/api/v1/files/old", &[], b"other").expect(403);
    assert_eq!(refused.code(), "forbidden");
    alice.ask("PUT", "/api/v1/files/new", &[], b"other").expect(201);
    assert_eq!(fs::read(server.home("alice").join("old")).unwrap(), b"content");
    let forbidden = events(&server, "forbidden", 1);
    assert_eq!(forbidden[0]["path"], "/old");
    assert_eq!(on_disk(&server), ["new", "old"]);
}
