//! Several files and directories as one zip.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;
use testkit::random::noise;
use testkit::server::TestServer;
use testkit::web::{WEB, WebClient};

use super::files::{events, start, write, write_sparse};

/// Checks an archive, and prints a line for each entry: its name, its size, and what it has if that is short.
const READ: &str = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
for entry in sorted(archive.infolist(), key=lambda entry: entry.orig_filename):
    name = entry.orig_filename.encode('utf-8' if entry.flag_bits & 0x800 else 'cp437')
    content = archive.read(entry) if entry.file_size < 200 else b''
    print(name, entry.file_size, content)
";

/// Reads an archive with another implementation.
fn entries(server: &TestServer, archive: &[u8]) -> Vec<String> {
    let path = server.path().join("archive.zip");
    fs::write(&path, archive).unwrap();
    let output = Command::new("python3")
        .args(["-c", READ])
        .arg(path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_archive_has_everything_but_links_and_names_what_it_has_not() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    write(&home.join("d/sub/f"), b"one");
    write(&home.join("d/large"), &noise(1_000_001, 8));
    fs::create_dir(home.join("d/empty")).unwrap();
    fs::write(home.join("d").join(OsStr::from_bytes(b"caf\xe9")), b"latin").unwrap();
    symlink("sub", home.join("d/link")).unwrap();
    write(&home.join("e/f"), b"two");
    write(&home.join("f"), b"three");
    let reply = alice
        .get("/api/v1/archive?path=/d&path=/e/f&path=%2Ff")
        .expect(200);
    assert_eq!(reply.header("content-type"), Some("application/zip"));
    assert_eq!(
        reply.header("content-disposition"),
        Some("attachment; filename=\"files.zip\"")
    );
    assert_eq!(
        reply.header("content-security-policy"),
        Some("sandbox; default-src 'none'")
    );
    let mut found = entries(&server, &reply.body);
    let expected = [
        "b'LEFT-OUT.txt' 55 b'This archive does not have everything:\\n\\nd/link: a link\\n'",
        "b'd/' 0 b''",
        "b'd/caf\\xe9' 5 b'latin'",
        "b'd/empty/' 0 b''",
        "b'd/large' 1000001 b''",
        "b'd/sub/' 0 b''",
        "b'd/sub/f' 3 b'one'",
        "b'f (2)' 5 b'three'",
        "b'f' 3 b'two'",
    ];
    found.sort_unstable();
    assert_eq!(found, expected);
    let one = alice.get("/api/v1/archive?path=/e").expect(200);
    assert_eq!(
        one.header("content-disposition"),
        Some("attachment; filename=\"e.zip\"")
    );
    assert_eq!(entries(&server, &one.body).len(), 2);
    let all = alice.get("/api/v1/archive?path=/").expect(200);
    let all = entries(&server, &all.body);
    assert!(
        all.iter().any(|line| line.starts_with("b'alice/d/sub/f' ")),
        "{all:?}"
    );
    let body = json!({"paths": ["/e"], "paths_b64": ["L2Y="]}).to_string();
    let post = |kind: &str, body: &str| {
        alice.ask(
            "POST",
            "/api/v1/archive",
            &[("Content-Type", kind)],
            body.as_bytes(),
        )
    };
    let by_json = post("application/json", &body).expect(200);
    assert_eq!(entries(&server, &by_json.body).len(), 3);
    let by_form = post("application/x-www-form-urlencoded", "paths_b64=L2Y%3D").expect(200);
    assert_eq!(entries(&server, &by_form.body), ["b'f' 5 b'three'"]);
    assert_eq!(post("text/plain", "x").expect(415).code(), "unsupported_type");
    assert_eq!(alice.get("/api/v1/archive").expect(400).code(), "bad_request");
    assert_eq!(
        alice.get("/api/v1/archive?path=/none").expect(404).code(),
        "not_found"
    );
    assert_eq!(
        alice
            .ask("POST", "/api/v1/archive?path=/f", &[], b"")
            .expect(415)
            .code(),
        "unsupported_type"
    );
    let opened = events(&server, "opened", 10);
    assert!(
        opened.iter().any(|event| event["path"] == "/d/sub/f"),
        "{opened:?}"
    );
}

#[test]
fn what_a_user_may_not_read_is_left_out() {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", &[]);
    crate::folders::permit(
        &server,
        "alice",
        &[("/", "all"), ("/d/in", "create,list"), ("/d/no", "create")],
    );
    for name in ["d/f", "d/in/f", "d/no/f"] {
        write(&server.home("alice").join(name), b"x");
    }
    server.serve();
    let alice = WebClient::of(&server, "alice");
    let reply = alice.get("/api/v1/archive?path=/d").expect(200);
    let found = entries(&server, &reply.body);
    let names: Vec<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["b'LEFT-OUT.txt'", "b'd/'", "b'd/f'", "b'd/in/'"]);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("d/in/f: Permission denied\n") && text.contains("d/no: Permission denied\n"));
}

#[test]
fn an_archive_that_is_broken_off_never_looks_whole() {
    let (server, alice) = start(&[]);
    let path = server.home("alice").join("d/f");
    write_sparse(&path, 256 << 20);
    let mut reply = alice.open("GET", "/api/v1/archive?path=/d", &[]).reply();
    assert_eq!(reply.status, 200);
    reply.read_chunks(1 << 20);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1000)
        .unwrap();
    assert!(!reply.rest(true).is_whole, "a file became shorter");

    write_sparse(&path, 8 << 30);
    let mut reply = alice.open("GET", "/api/v1/archive?path=/d", &[]).reply();
    reply.read_chunks(1 << 20);
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    assert!(!reply.rest(true).is_whole, "the session was ended");
}
