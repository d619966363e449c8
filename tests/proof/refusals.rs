//! Invalid hash requests: each gets an error message, and the session continues.

use std::os::unix::fs::symlink;

use crate::proof::hashes::{MD5_OF_ABC, check, check_of, md5, md5_checked, md5_handle, md5_in, text};
use testkit::packets::*;
use testkit::raw::RawSftp;
use testkit::replies::Reply;
use testkit::server::TestServer;

/// A session in a home with files that can be hashed and others that cannot.
struct Hashing {
    _server: TestServer,
    session: RawSftp,
}

impl Hashing {
    fn start() -> Self {
        let server = TestServer::start(&["alice"]);
        let home = server.home("alice");
        let session = server.raw("alice");
        std::fs::write(home.join("abc"), "abc").unwrap();
        std::fs::create_dir(home.join("dir")).unwrap();
        symlink("nowhere", home.join("dangling")).unwrap();
        symlink("loop", home.join("loop")).unwrap();
        symlink("/etc/passwd", home.join("outside")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(home.join("fifo"))
            .status();
        assert!(fifo.unwrap().success());
        let large = std::fs::File::create(home.join("large")).unwrap();
        large.set_len(1 << 30).unwrap();
        Self {
            _server: server,
            session,
        }
    }

    /// Asserts that a request gets this status code, with a message that contains this text.
    fn expect(&mut self, request: Request, code: u32, sentence: &str) {
        let reply = self.session.ask(&request);
        let Reply::Status {
            code: got, message, ..
        } = &reply
        else {
            panic!("{request:?}: {reply:?}")
        };
        let message = String::from_utf8_lossy(message);
        assert_eq!(*got, code, "{request:?}: {message}");
        assert!(message.contains(sentence), "{request:?}: {message}");
    }

    /// Asserts that the session still works.
    fn finish(mut self) {
        assert_eq!(
            md5_in(self.session.ask(&md5("abc", 0, 0)), "md5-hash"),
            MD5_OF_ABC
        );
    }
}

#[test]
fn invalid_files_and_ranges_get_an_error_message() {
    let mut hashing = Hashing::start();
    // Missing files, files that cannot be hashed, and paths outside of the home.
    for (path, code, sentence) in [
        ("missing", 2, "No such file"),
        ("dangling", 2, "No such file"),
        ("loop", 2, "No such file"),
        ("outside", 2, "No such file"),
        ("", 2, "No such file"),
        ("dir", 4, "only regular files"),
        ("/", 4, "only regular files"),
        ("fifo", 4, "Failure"),
        ("abc/x", 2, "No such file"),
    ] {
        hashing.expect(md5(path, 0, 0), code, sentence);
        hashing.expect(check(path, "md5", (0, 0), 0), code, sentence);
    }
    // Invalid ranges.
    for start in [4, 1 << 40, u64::MAX] {
        hashing.expect(md5("abc", start, 0), 4, "past the end of the file (3 bytes)");
        hashing.expect(md5("abc", start, u64::MAX), 4, "past the end");
        hashing.expect(check("abc", "md5", (start, 0), 0), 4, "past the end");
        hashing.expect(check("abc", "md5", (start, u64::MAX), 256), 4, "past the end");
    }
    // Quick checks that are not an MD5 hash.
    for length in [1, 15, 17, 2048] {
        hashing.expect(md5_checked("abc", 0, 0, &vec![1; length]), 5, "16 bytes");
    }
    hashing.finish();
}

#[test]
fn invalid_blocks_algorithms_and_handles_get_an_error_message() {
    let mut hashing = Hashing::start();
    // Invalid block sizes.
    for block in [1, 255] {
        hashing.expect(check("abc", "md5", (0, 0), block), 5, "256 bytes at least");
    }
    hashing.expect(
        check("large", "sha512", (0, 0), 256),
        4,
        "4194304 hashes do not fit",
    );
    // Unknown algorithms.
    let long = "x,".repeat(5000);
    for list in ["", "crc32", "MD5", "md5 sha1", ",,,", &long] {
        hashing.expect(check("abc", list, (0, 0), 0), 8, "md5, sha1, sha256 and sha512");
    }
    // Invalid handles.
    for handle in [bogus(b""), bogus(b"1234"), bogus(&[0xff; 4]), bogus(&[0; 300])] {
        hashing.expect(md5_handle(handle.clone(), 0, 0), 4, "Failure");
        for name in ["check-file", "check-file-handle"] {
            hashing.expect(
                check_of(name, Part::Handle(handle.clone()), "md5", (0, 0), 0),
                4,
                "Failure",
            );
        }
    }
    hashing.finish();
}

#[test]
fn malformed_requests_get_an_error_message() {
    let mut hashing = Hashing::start();
    // Truncated requests.
    for cut in 1..28 {
        hashing.expect(md5("abc", 0, 0).cut(cut), 5, "Bad message");
    }
    for cut in 1..30 {
        hashing.expect(check("abc", "md5", (0, 0), 0).cut(cut), 5, "Bad message");
    }
    hashing.expect(extended("space-available", vec![]), 5, "Bad message");
    hashing.expect(
        extended(
            "md5-hash",
            vec![text("a\0b"), Part::U64(0), Part::U64(0), text("")],
        ),
        5,
        "NUL",
    );
    hashing.finish();
}

#[test]
fn handles_that_cannot_be_read_get_an_error_message() {
    let mut hashing = Hashing::start();
    let session = &mut hashing.session;
    let written = session.handle(&open("new", WRITE | CREAT));
    for request in [
        md5_handle(nth(0), 0, 0),
        check_of("check-file-handle", Part::Handle(nth(0)), "md5", (0, 0), 0),
    ] {
        let reply = session.ask_about(&request, &written);
        let Reply::Status { code: 3, message, .. } = &reply else {
            panic!("{reply:?}")
        };
        assert!(String::from_utf8_lossy(message).contains("not opened for reading"));
    }
    let directory = session.handle(&opendir("dir"));
    let reply = session.ask_about(&md5_handle(nth(0), 0, 0), &directory);
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    hashing.finish();
}

#[test]
fn hashing_needs_the_read_permission() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--permissions", "list,create"]);
    server.serve();
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(server.home("alice").join("abc"), "abc").unwrap();
    let mut session = server.raw("alice");
    for request in [md5("abc", 0, 0), check("abc", "md5", (0, 0), 0)] {
        let reply = session.ask(&request);
        assert!(matches!(reply, Reply::Status { code: 3, .. }), "{reply:?}");
    }
    server.wait_for_audit("forbidden");
    let output = crate::proof::commands::ssh(&server, "alice", "md5sum abc");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("abc: Permission denied"));
}

#[test]
fn each_operation_without_permission_is_an_event() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--permissions", "create"]);
    server.serve();
    let times = Attrs::times(1, 2);
    // The last column is empty where the request names the open file.
    let rows = [
        (opendir("d"), "list", "/d"),
        (readlink("l"), "list", "/l"),
        (setstat("a", &times), "attributes", "/a"),
        (lsetstat("b", &times), "attributes", "/b"),
        (fsetstat(nth(0), &times), "attributes", ""),
        (read(nth(0), 0, 1), "read", ""),
        (open("r", READ), "read", "/r"),
        (remove("f"), "delete", "/f"),
        (rmdir("g"), "delete", "/g"),
        (mkdir("m", &Attrs::default()), "mkdir", "/m"),
        (rename("x", "y"), "rename", "/x"),
        (testkit::packets::symlink("t", "s"), "link", "/s"),
        (
            extended_paths("hardlink@openssh.com", &[b"t", b"h"]),
            "link",
            "/h",
        ),
    ];
    for (row, (request, operation, path)) in rows.into_iter().enumerate() {
        // Each row has a session of its own, because identical refusals of one session within a second are summarized.
        let mut session = server.raw("alice");
        let written = session.handle(&open(format!("new{row}"), WRITE | CREAT));
        let reply = session.ask_about(&request, &written);
        assert!(matches!(reply, Reply::Status { code: 3, .. }), "{row}: {reply:?}");
        let path = match path {
            "" => format!("/new{row}"),
            path => path.to_owned(),
        };
        let expected = format!("\"operation\":\"{operation}\",\"path\":\"{path}\"");
        server.wait_for_audit(&expected);
    }
}

#[test]
fn a_copy_without_the_read_permission_is_an_event() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--permissions", "create"]);
    server.serve();
    let mut session = server.raw("alice");
    let source = session.handle(&open("source", WRITE | CREAT));
    let target = session.handle(&open("target", WRITE | CREAT));
    let reply = session.ask_about(&copy_data(nth(0), 0, 1, bogus(&target), 0), &source);
    assert!(matches!(reply, Reply::Status { code: 3, .. }), "{reply:?}");
    server.wait_for_audit("\"operation\":\"read\",\"path\":\"/source\"");
}
