//! When a file counts as uploaded: one row for each way to send a file.

use super::*;
use testkit::packets::{copy_data, extended_paths};

/// Sends a file with these bytes to `/p`, by the stock scp.
fn upload_by_scp(story: &mut Story, content: &[u8]) {
    let local = story.server.path().join("local");
    std::fs::write(&local, content).unwrap();
    let mut command = story.server.client("scp", "alice", By::Key);
    command.arg("-O").arg(local).arg("alice@127.0.0.1:p");
    let output = testkit::stock::run(command, "");
    assert!(output.status.success(), "{output:?}");
    story.sessions += 1;
}

/// A server with a user, and the sessions that a row begins.
struct Story {
    server: TestServer,
    /// The number of sessions so far.
    sessions: usize,
}

impl Story {
    fn sftp(&mut self) -> RawSftp {
        self.sessions += 1;
        self.server.raw("alice")
    }

    /// Sends a file in one session, with these contents.
    fn put(&mut self, name: &str, flags: u32, content: &[u8]) {
        let mut sftp = self.sftp();
        put(&mut sftp, name, flags, content);
    }

    /// Sends a part of a file, and disconnects.
    fn lose(&mut self, name: &str, content: &[u8]) {
        let mut sftp = self.sftp();
        let handle = sftp.handle(&open(name, WRITE | CREAT));
        ok(&mut sftp, &write(bogus(&handle), 0, content), &handle);
    }

    /// Waits until all sessions have ended.
    fn wait_for_the_end(&self) {
        wait_for("all sessions to end", || {
            named(&self.server, "session_ended").len() == self.sessions
        });
    }

    /// Returns the uploads so far.
    fn uploads(&self) -> Vec<String> {
        let events = named(&self.server, "uploaded").into_iter();
        events
            .map(|event| {
                let from = event["from"].as_str().map(|from| format!(" from {from}"));
                format!(
                    "{} {}{}",
                    event["path"].as_str().unwrap(),
                    event["size"],
                    from.unwrap_or_default()
                )
            })
            .collect()
    }
}

fn put(sftp: &mut RawSftp, name: &str, flags: u32, content: &[u8]) {
    let handle = sftp.handle(&open(name, WRITE | flags));
    if !content.is_empty() {
        ok(sftp, &write(bogus(&handle), 0, content), &handle);
    }
    ok(sftp, &close(bogus(&handle)), &handle);
}

/// A way to send files, and the uploads that it leaves in the log.
type Row = (&'static str, fn(&mut Story), &'static [&'static str]);

const ROWS: &[Row] = &[
    ("a new file", |s| s.put("a", CREAT, b"123"), &["/a 3"]),
    ("an empty file", |s| s.put("b", CREAT, b""), &["/b 0"]),
    (
        "the same name again",
        |s| s.put("a", CREAT | TRUNC, b"12"),
        &["/a 2"],
    ),
    (
        "the same empty file again",
        |s| s.put("b", CREAT | TRUNC, b""),
        &["/b 0"],
    ),
    ("a file that is only opened", |s| s.put("a", CREAT, b""), &[]),
    (
        "a file that is only read",
        |s| {
            let mut sftp = s.sftp();
            let handle = sftp.handle(&open("a", READ));
            ok(&mut sftp, &close(bogus(&handle)), &handle);
        },
        &[],
    ),
    ("a piece in place", |s| s.put("a", 0, b"9"), &["/a 2"]),
    (
        "two writers",
        |s| {
            let (mut one, mut two) = (s.sftp(), s.sftp());
            let first = one.handle(&open("c", WRITE | CREAT));
            let second = two.handle(&open("c", WRITE));
            ok(&mut one, &write(bogus(&first), 0, b"123"), &first);
            ok(&mut one, &close(bogus(&first)), &first);
            ok(&mut two, &write(bogus(&second), 3, b"4"), &second);
            ok(&mut two, &close(bogus(&second)), &second);
        },
        &["/c 4"],
    ),
    ("a lost writer", |s| s.lose("d", b"12"), &[]),
    ("its continuation", |s| s.put("d", 0, b"123"), &["/d 3"]),
    (
        "a lost writer that had sent all",
        |s| {
            s.lose("e", b"12");
            s.wait_for_the_end();
            s.put("e", 0, b"");
        },
        &["/e 2"],
    ),
    (
        "a writer that is lost after another has closed",
        |s| {
            let (mut one, mut two) = (s.sftp(), s.sftp());
            let first = one.handle(&open("f", WRITE | CREAT));
            two.handle(&open("f", WRITE));
            ok(&mut one, &write(bogus(&first), 0, b"123"), &first);
            ok(&mut one, &close(bogus(&first)), &first);
        },
        &[],
    ),
    (
        "a size that is set",
        |s| {
            let mut sftp = s.sftp();
            let handle = sftp.handle(&open("a", WRITE));
            ok(&mut sftp, &fsetstat(bogus(&handle), &Attrs::size(1)), &handle);
            ok(&mut sftp, &close(bogus(&handle)), &handle);
        },
        &["/a 1"],
    ),
    (
        "a copy on the server",
        |s| {
            let mut sftp = s.sftp();
            let from = sftp.handle(&open("c", READ));
            let to = sftp.handle(&open("g", WRITE | CREAT));
            ok(&mut sftp, &copy_data(bogus(&from), 0, 0, bogus(&to), 0), &to);
            ok(&mut sftp, &close(bogus(&to)), &to);
        },
        &["/g 4"],
    ),
    (
        "a name for incomplete files",
        |s| {
            let mut sftp = s.sftp();
            put(&mut sftp, "h.part", CREAT, b"123");
            ok(&mut sftp, &rename("h.part", "h"), b"");
        },
        &["/h 3 from /h.part"],
    ),
    (
        "a name for incomplete files that is replaced",
        |s| {
            let mut sftp = s.sftp();
            put(&mut sftp, "h.filepart", CREAT, b"1234");
            let replace = extended_paths("posix-rename@openssh.com", &[b"h.filepart", b"h"]);
            ok(&mut sftp, &replace, b"");
        },
        &["/h 4 from /h.filepart"],
    ),
    (
        "a rename between other names",
        |s| {
            let mut sftp = s.sftp();
            ok(&mut sftp, &rename("h", "i"), b"");
            ok(&mut sftp, &rename("i", "i.part"), b"");
        },
        &[],
    ),
    (
        "a rename while the file is written",
        |s| {
            let mut sftp = s.sftp();
            let handle = sftp.handle(&open("j.part", WRITE | CREAT));
            ok(&mut sftp, &rename("j.part", "j"), b"");
            ok(&mut sftp, &write(bogus(&handle), 0, b"1"), &handle);
            ok(&mut sftp, &close(bogus(&handle)), &handle);
        },
        &["/j 1"],
    ),
    (
        "a directory with files",
        |s| {
            let mut sftp = s.sftp();
            ok(&mut sftp, &mkdir("k.part", &Attrs::default()), b"");
            ok(&mut sftp, &mkdir("k.part/l", &Attrs::default()), b"");
            put(&mut sftp, "k.part/l/m.part", CREAT, b"1");
            ok(&mut sftp, &rename("k.part", "k"), b"");
        },
        &["/k null from /k.part"],
    ),
    (
        "a directory without files",
        |s| {
            let mut sftp = s.sftp();
            ok(&mut sftp, &mkdir("n.part", &Attrs::default()), b"");
            ok(&mut sftp, &rename("n.part", "n"), b"");
        },
        &[],
    ),
    (
        "a file that is removed before it is closed",
        |s| {
            let mut sftp = s.sftp();
            let handle = sftp.handle(&open("o", WRITE | CREAT));
            ok(&mut sftp, &write(bogus(&handle), 0, b"1"), &handle);
            ok(&mut sftp, &remove("o"), b"");
            ok(&mut sftp, &close(bogus(&handle)), &handle);
        },
        &[],
    ),
    ("scp", |s| upload_by_scp(s, b"12345"), &["/p 5"]),
    (
        "scp of an empty file onto another one",
        |s| upload_by_scp(s, b""),
        &["/p 0"],
    ),
];

#[test]
fn each_way_to_send_a_file_is_one_upload() {
    let server = TestServer::start(&["alice"]);
    let mut story = Story { server, sessions: 0 };
    let mut before = 0;
    for (what, send, expected) in ROWS {
        send(&mut story);
        story.wait_for_the_end();
        let uploads = story.uploads();
        assert_eq!(uploads[before..], **expected, "{what}");
        before = uploads.len();
    }
    assert!(before >= 14, "{before}");
}

#[test]
fn the_names_of_incomplete_files_are_those_of_the_configuration() {
    let server = TestServer::start_with(&[("events", "partial = [\"*.tmp\"]")], &["alice"]);
    let mut story = Story { server, sessions: 0 };
    let mut sftp = story.sftp();
    put(&mut sftp, "a.part", CREAT, b"1");
    put(&mut sftp, "b.tmp", CREAT, b"12");
    ok(&mut sftp, &rename("b.tmp", "b"), b"");
    drop(sftp);
    story.wait_for_the_end();
    assert_eq!(story.uploads(), ["/a.part 1", "/b 2 from /b.tmp"]);
}

#[test]
fn uploads_have_digests_if_they_are_wanted() {
    let server = TestServer::start_with(&[("log", "digest = \"sha256\"")], &["alice"]);
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    std::fs::write(server.path().join("local"), &content).unwrap();
    let output = std::process::Command::new("sha256sum")
        .arg(server.path().join("local"))
        .output()
        .unwrap();
    let expected = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
    server.sftp_ok("alice", "put local a\nput local b.part\nrename b.part b\n");
    let digest = |path: &str| {
        let mut found = None;
        wait_for(&format!("the upload of {path}"), || {
            found = named(&server, "uploaded")
                .into_iter()
                .rfind(|event| event["path"] == path);
            found.is_some()
        });
        found.unwrap()
    };
    assert_eq!(digest("/a")["sha256"], *expected);
    assert_eq!(digest("/b")["sha256"], *expected);
    let mut sftp = server.raw("alice");
    let handle = sftp.handle(&open("c", WRITE | CREAT));
    ok(&mut sftp, &write(bogus(&handle), 1, b"b"), &handle);
    ok(&mut sftp, &write(bogus(&handle), 0, b"a"), &handle);
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    let event = digest("/c");
    assert_eq!(event["sha256"], Value::Null, "{event}");
    assert!(
        event["no_sha256"].as_str().unwrap().contains("in order"),
        "{event}"
    );
    put(&mut sftp, "d", CREAT, b"");
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest("/d")["sha256"], nothing);
}
