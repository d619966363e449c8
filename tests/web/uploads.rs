//! Uploads over HTTP: bytes gather beside the target, whatever breaks off, and appear under its name once they are whole.

mod broken;
mod conflicts;
mod endings;
mod interleavings;
mod refusals;
mod rights;
pub mod tus_client;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use testkit::random::noise;
use testkit::server::TestServer;
use testkit::wait_for;

use self::tus_client::{PIECE, TusClient, metadata};

/// The bytes of one mebibyte.
const MIB: usize = 1 << 20;

/// The section of the configuration that serves the web page.
const WEB: (&str, &str) = ("web", "listen = [\"127.0.0.1:0\"]");

/// Starts a server with the web page and the user alice, and returns alice's client.
fn start(user_options: &[&str]) -> (TestServer, TusClient) {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", user_options);
    server.serve();
    let client = TusClient::of(&server, "alice");
    (server, client)
}

/// Returns the names in alice's home that belong to uploads.
fn parts(server: &TestServer) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![server.home("alice")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with(".homeport-upload-") {
                found.push(path.clone());
            }
            if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found
}

/// Returns the `uploaded` events of the web.
fn uploaded(server: &TestServer) -> Vec<serde_json::Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == "uploaded").collect()
}

/// Fails unless the server's account of alice's home says exactly what lies there.
#[track_caller]
fn expect_exact_use(server: &TestServer) {
    let mut last = String::new();
    wait_for("the use of the home to be known exactly", || {
        last = server.admin_ok(&["user", "show", "alice", "--json"], "");
        let shown: serde_json::Value = serde_json::from_str(last.lines().next().unwrap()).unwrap();
        shown["usage_exact"] == true
    });
    let shown: serde_json::Value = serde_json::from_str(last.lines().next().unwrap()).unwrap();
    let on_disk = crate::quota::on_disk(&server.home("alice"));
    assert_eq!(
        (&shown["used_bytes"], &shown["used_files"]),
        (&on_disk.bytes.into(), &on_disk.files.into()),
        "{last}"
    );
}

fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

#[test]
fn clients_are_told_what_the_server_can_do() {
    let (_server, alice) = start(&[]);
    for path in [
        "/api/v1/uploads",
        "/api/v1/uploads/00000000000000000000000000000000",
    ] {
        let reply = alice.ask("OPTIONS", path, &[], b"").expect(204);
        assert_eq!(reply.header("tus-version"), Some("1.0.0"));
        assert_eq!(
            reply.header("tus-extension"),
            Some("creation,creation-with-upload,termination,expiration,checksum")
        );
        assert_eq!(reply.header("tus-checksum-algorithm"), Some("sha1,sha256,md5"));
        assert_eq!(reply.header("tus-max-size"), None);
    }
}

#[test]
fn a_file_grows_beside_its_name_and_appears_when_it_is_whole() {
    let (server, alice) = start(&[]);
    let content = noise(3 * MIB + 17, 1);
    let sha256 = sha256_hex(&content);
    let more = [
        ("mtime", "1000000007"),
        ("sha256", sha256.as_str()),
        ("filename", "x"),
    ];
    server.sftp_ok("alice", "-mkdir docs\n");
    let created = alice
        .try_create("/docs/report.bin", content.len() as u64, &more)
        .expect(201);
    let upload = created.header("location").unwrap().to_owned();
    assert!(upload.starts_with("/api/v1/uploads/"), "{upload}");
    assert!(created.header("upload-expires").unwrap().ends_with(" GMT"));
    let target = server.home("alice").join("docs/report.bin");
    let mut offset = 0;
    for piece in content.chunks(MIB) {
        assert_eq!(alice.offset(&upload), offset);
        assert!(!target.exists());
        assert_eq!(parts(&server).len(), 1);
        let listed = alice.list();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(
            (&listed[0]["path"], &listed[0]["size"], &listed[0]["offset"]),
            (&"/docs/report.bin".into(), &content.len().into(), &offset.into())
        );
        assert!(
            !server
                .sftp_ok("alice", "ls -la docs\n")
                .contains(".homeport-upload"),
            "clients do not see the part"
        );
        let reply = alice.patch(&upload, offset, piece).expect(204);
        offset += piece.len() as u64;
        assert_eq!(reply.offset(), offset);
    }
    assert_eq!(fs::read(&target).unwrap(), content);
    let meta = fs::metadata(&target).unwrap();
    assert_eq!(meta.mtime(), 1_000_000_007);
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    server.wait_for_audit("\"uploaded\"");
    let events = uploaded(&server);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["path"], "/docs/report.bin");
    assert_eq!(events[0]["size"], content.len());
    expect_exact_use(&server);
}

/// A client whose last reply was lost asks how far the upload is.
#[test]
fn a_published_upload_is_known_to_be_done() {
    let (server, alice) = start(&[]);
    let upload = alice.create("/f", 5);
    alice.patch(&upload, 0, b"hello").expect(204);
    let reply = alice.ask("HEAD", &upload, &[], b"").expect(200);
    assert_eq!((reply.offset(), reply.header("upload-length")), (5, Some("5")));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    alice.patch(&upload, 5, b"").expect(204);
    assert_eq!(alice.patch(&upload, 0, b"hello").expect(409).offset(), 5);
    alice.ask("DELETE", &upload, &[], b"").expect(410);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), b"hello");
    assert_eq!(uploaded(&server).len(), 1);
}

#[test]
fn the_first_bytes_may_come_with_the_creation() {
    let (server, alice) = start(&[]);
    let metadata = metadata("/f", &[]);
    let headers = [
        PIECE,
        ("Upload-Length", "10"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let reply = alice
        .ask("POST", "/api/v1/uploads", &headers, b"01234")
        .expect(201);
    let upload = reply.header("location").unwrap().to_owned();
    assert_eq!(reply.offset(), 5);
    assert_eq!(alice.offset(&upload), 5);
    alice.patch(&upload, 5, b"56789").expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), b"0123456789");

    let all = metadata_of("/g");
    let headers = [PIECE, ("Upload-Length", "5"), ("Upload-Metadata", all.as_str())];
    let reply = alice
        .ask("POST", "/api/v1/uploads", &headers, b"hello")
        .expect(201);
    assert_eq!(reply.offset(), 5);
    assert_eq!(fs::read(server.home("alice").join("g")).unwrap(), b"hello");

    let long = alice
        .ask("POST", "/api/v1/uploads", &headers, b"hello, world")
        .expect(413);
    assert_eq!(long.code(), "too_large");
    let headers = [("Upload-Length", "5"), ("Upload-Metadata", all.as_str())];
    alice
        .ask("POST", "/api/v1/uploads", &headers, b"hello")
        .expect(415);
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    expect_exact_use(&server);
}

fn metadata_of(path: &str) -> String {
    metadata(path, &[])
}

#[test]
fn an_empty_file_is_there_with_its_creation() {
    let (server, alice) = start(&[]);
    let created = alice.try_create("/empty", 0, &[]).expect(201);
    assert_eq!(created.offset(), 0);
    assert_eq!(fs::read(server.home("alice").join("empty")).unwrap(), b"");
    let upload = created.header("location").unwrap();
    assert_eq!(alice.offset(upload), 0);
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    server.wait_for_audit("\"uploaded\"");
    assert_eq!(uploaded(&server).len(), 1);
    expect_exact_use(&server);
}

#[test]
fn names_are_bytes() {
    let (server, alice) = start(&[]);
    let metadata = format!("path {}", BASE64.encode(b"/caf\xe9"));
    let headers = [("Upload-Length", "3"), ("Upload-Metadata", metadata.as_str())];
    let created = alice.ask("POST", "/api/v1/uploads", &headers, b"").expect(201);
    let listed = alice.list();
    assert_eq!(listed[0]["path"], "/caf\\xe9");
    assert_eq!(listed[0]["path_b64"], BASE64.encode(b"/caf\xe9"));
    alice
        .patch(created.header("location").unwrap(), 0, b"abc")
        .expect(204);
    let name = OsStr::from_bytes(b"caf\xe9");
    assert_eq!(fs::read(server.home("alice").join(name)).unwrap(), b"abc");
}
