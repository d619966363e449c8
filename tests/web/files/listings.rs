//! Listings: sorted, filtered and in parts, with what the user may do.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use testkit::server::TestServer;
use testkit::web::{WEB, WebClient};

use super::{start, write};

/// Returns the names of all parts of a listing.
fn names(client: &WebClient, path: &str, query: &str) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let part = client
            .get(&format!("{path}?list&after={after}{query}"))
            .expect(200)
            .json();
        assert_eq!(part["v"], 1);
        let entries = part["entries"].as_array().unwrap();
        names.extend(
            entries
                .iter()
                .map(|entry| entry["name"].as_str().unwrap().to_owned()),
        );
        match &part["next"] {
            Value::String(next) => after.clone_from(next),
            other => {
                assert_eq!(*other, Value::Null);
                return names;
            }
        }
    }
}

#[test]
fn a_listing_is_sorted_filtered_and_in_parts() {
    let (server, alice) = start(&[]);
    let home = server.home("alice").join("d");
    write(&home.join("b.TXT"), b"12");
    write(&home.join("A"), b"1");
    write(&home.join("c"), b"123");
    fs::create_dir(home.join("sub")).unwrap();
    fs::write(home.join(OsStr::from_bytes(b"caf\xe9")), b"1234").unwrap();
    symlink("A", home.join("link")).unwrap();
    let all = ["A", "b.TXT", "c", "caf\\xe9", "link", "sub"];
    for limit in ["", "&limit=1", "&limit=2", "&limit=6"] {
        assert_eq!(names(&alice, "/api/v1/files/d/", limit), all);
        let mut reversed = names(&alice, "/api/v1/files/d", &format!("{limit}&order=desc"));
        reversed.reverse();
        assert_eq!(reversed, all);
    }
    let files = names(&alice, "/api/v1/files/d/", "&sort=size&limit=2");
    let sizes = ["A", "b.TXT", "c", "caf\\xe9"];
    assert!(
        files
            .iter()
            .filter(|name| sizes.contains(&name.as_str()))
            .eq(sizes),
        "{files:?}"
    );
    assert_eq!(names(&alice, "/api/v1/files/d/", "&filter=txt"), ["b.TXT"]);
    let part = alice.get("/api/v1/files/d/").expect(200).json();
    assert_eq!(part["path"], "/d");
    let entry = |name: &str| {
        let mut entries = part["entries"].as_array().unwrap().iter();
        entries.find(|entry| entry["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&entry("A")["kind"], &entry("A")["size"]),
        (&json!("file"), &json!(1))
    );
    assert_eq!(entry("A").get("name_b64"), None);
    assert_eq!(entry("caf\\xe9")["name_b64"], "Y2Fm6Q==");
    assert_eq!(entry("sub")["kind"], "directory");
    assert_eq!(entry("link")["kind"], "link");
    assert_eq!(
        alice.get("/api/v1/files/d/?list&after=x").expect(400).code(),
        "bad_request"
    );
    assert_eq!(
        alice.get("/api/v1/files/d/?list&sort=x").expect(400).code(),
        "bad_request"
    );
    assert_eq!(
        alice.get("/api/v1/files/d/A?list").expect(409).code(),
        "wrong_kind"
    );
    assert_eq!(alice.get("/api/v1/files/d/A/").expect(409).code(), "wrong_kind");
    assert_eq!(
        alice.get("/api/v1/files/none/?list").expect(404).code(),
        "not_found"
    );
}

#[test]
fn a_long_listing_is_read_in_parts_and_has_everything_once() {
    let (server, alice) = start(&[]);
    let directory = server.home("alice").join("many");
    fs::create_dir_all(&directory).unwrap();
    for number in 0..5000 {
        fs::File::create(directory.join(format!("f{number:04}"))).unwrap();
    }
    let found = names(&alice, "/api/v1/files/many/", "");
    assert!(
        found.iter().eq((0..5000)
            .map(|number| format!("f{number:04}"))
            .collect::<Vec<_>>()
            .iter())
    );
}

#[test]
fn rights_and_use_stand_beside_a_listing() {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", &["--quota", "1MiB"]);
    crate::folders::add_folder(&server, "team", Some(5000));
    crate::folders::give(
        &server,
        "alice",
        "team",
        &[("/", "list,read"), ("/in", "create,list")],
    );
    crate::folders::permit(
        &server,
        "alice",
        &[("/", "list,read,mkdir"), ("/own", "all"), ("/no", "none")],
    );
    fs::create_dir_all(crate::folders::place(&server, "team").join("in")).unwrap();
    fs::create_dir_all(server.home("alice").join("own")).unwrap();
    fs::create_dir_all(server.home("alice").join("no")).unwrap();
    server.serve();
    let alice = WebClient::of(&server, "alice");
    let check = |path: &str, may: &str, quota: u64| {
        let part = alice.get(&format!("/api/v1/files{path}?list")).expect(200).json();
        let rights = part["may"].as_object().unwrap().iter();
        let mut found: Vec<&str> = rights
            .filter(|(_, may)| **may == true)
            .map(|(right, _)| right.as_str())
            .collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), may, "{path}");
        assert_eq!(part["usage"]["quota_bytes"], quota, "{path}: {part}");
        assert_eq!(part["usage"]["quota_files"], Value::Null);
    };
    check("/", "mkdir read", 1 << 20);
    check("/own/", "create delete mkdir overwrite read rename", 1 << 20);
    check("/team/", "read", 5000);
    check("/team/in/", "create", 5000);
    assert_eq!(names(&alice, "/api/v1/files/", ""), ["own", "team"]);
    alice
        .ask("PUT", "/api/v1/files/own/f", &[], &[1; 1000])
        .expect(201);
    alice
        .ask("PUT", "/api/v1/files/team/in/f", &[], &[1; 100])
        .expect(201);
    assert_eq!(
        alice.get("/api/v1/files/team/in/f").expect(403).code(),
        "forbidden"
    );
    assert_eq!(
        alice.ask("PUT", "/api/v1/files/f", &[], b"1").expect(403).code(),
        "forbidden"
    );
    let usage = alice.get("/api/v1/usage").expect(200).json();
    assert_eq!(usage["usage"][0]["path"], "/");
    assert_eq!(usage["usage"][0]["usage"]["used_bytes"], 1000);
    assert_eq!(usage["usage"][1]["path"], "/team");
    assert_eq!(usage["usage"][1]["usage"]["used_bytes"], 100);
}

#[test]
fn strangers_and_other_tokens_see_nothing() {
    let (server, alice) = start(&[]);
    write(&server.home("alice").join("f"), b"content");
    let stranger = WebClient::anonymous(&server);
    for path in [
        "/api/v1/files/",
        "/api/v1/files/f",
        "/api/v1/archive?path=/f",
        "/api/v1/usage",
    ] {
        assert_eq!(
            stranger.get(path).expect(401).code(),
            "sign_in_required",
            "{path}"
        );
        alice.get(path).expect(200);
    }
    stranger.get("/api/v1/healthz").expect(200);
    assert_eq!(
        stranger.get("/api/v1/readyz").expect(200).json()["status"],
        "ready"
    );
    for path in [
        "/api/v1/files/%2e%2e/x",
        "/api/v1/files/a%2Fb",
        "/api/v1/files/%zz",
        "/api/v1/files/%00",
    ] {
        assert_eq!(alice.get(path).expect(400).code(), "bad_request", "{path}");
    }
}
