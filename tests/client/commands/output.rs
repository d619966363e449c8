//! What scripts see: raw names, `--quiet`, `--log`, and the end by a signal.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn names_in_a_pipe_are_the_bytes_that_they_are() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d")).unwrap();
    let names = [&b"a\xff\x1b[2J"[..], b"b\nc", "می\u{200c}روم".as_bytes()];
    for name in names {
        std::fs::write(sandbox.stored("d").join(OsStr::from_bytes(name)), "").unwrap();
    }
    let list = |words: &[&str]| sandbox.command(words).output().unwrap().stdout;
    let remote = sandbox.remote("d");
    assert_eq!(list(&["ls", &remote]), [&names.join(&b'\n'), &b"\n"[..]].concat());
    assert_eq!(
        list(&["ls", "-0", &remote]),
        [&names.join(&b'\0'), &b"\0"[..]].concat()
    );
    let long = list(&["ls", "-l", &remote]);
    for name in names {
        assert!(long.windows(name.len()).any(|part| part == name), "{name:?}");
    }
    // They come back through the command line.
    let path = [remote.as_bytes(), b"/", names[0]].concat();
    let words = ["rm".into(), std::ffi::OsString::from_vec(path)];
    sandbox.run(words).expect_code(0);
    assert!(!sandbox.stored("d").join(OsStr::from_bytes(names[0])).exists());
}

#[test]
fn quiet_prints_errors_alone() {
    let mut server = TestServer::new(&[("server", "banner = \"Welcome to the machine\"")]);
    server.add_user("alice", &[]);
    server.serve();
    let sandbox = ClientSandbox {
        server,
        user: "alice",
        dir: tempfile::tempdir().unwrap(),
    };
    sandbox.create_file("f", 100_000, 1);
    sandbox.create_file("g", 100_000, 2);
    let remote = sandbox.remote("f");
    std::fs::create_dir(sandbox.local("d")).unwrap();
    // An unknown host key, a banner, and a file that is skipped.
    for words in [&["put", "f"][..], &["put", "--skip", "g"]] {
        let result = sandbox.run([words, &[&remote, "-q"]].concat()).expect_code(0);
        assert_eq!((&result.out[..], &result.err[..]), ("", ""), "{words:?}");
    }
    std::fs::remove_file(sandbox.local("known_hosts")).unwrap();
    let spoken = sandbox.run(["put", "f", &remote]).expect_code(0);
    spoken.expect_stderr(&["Welcome to the machine", "host key of", "already there"]);
    let result = sandbox.run(["put", "-q", "g", "d", &sandbox.remote("")]);
    assert_eq!(
        (result.code, &result.err[..]),
        (Some(4), "d: FAILED: is a directory (hint: -r)\n")
    );
    // What is left out makes the exit code 4, so the reason is said.
    std::os::unix::fs::symlink(".", sandbox.local("d/loop")).unwrap();
    let result = sandbox.run(["put", "-q", "-r", "d", &sandbox.remote("")]);
    assert_eq!(result.code, Some(4), "{}", result.err);
    assert!(result.err.starts_with("d/loop: skipped: "), "{}", result.err);
    assert_eq!(result.err.lines().count(), 1, "{}", result.err);
    let result = sandbox.run(["ls", "-q", &sandbox.remote("nothing")]);
    assert!(result.err.starts_with("homeport: nothing: "), "{}", result.err);
}

#[test]
fn the_log_has_a_line_for_each_event() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", 100_000, 1);
    let log = sandbox.local("log");
    let word = log.to_str().unwrap();
    sandbox
        .run(["--log", word, "-q", "put", "f", &sandbox.remote("")])
        .expect_code(0);
    sandbox
        .run(["--log", word, "ls", &sandbox.remote("noth\ning")])
        .expect_code(1);
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let event = |line: &&str| line.split(' ').nth(2).unwrap().to_owned();
    let events: Vec<String> = lines.iter().map(event).collect();
    assert_eq!(
        events,
        [
            "started", "message", "sent", "summary", "ended", "started", "error", "ended"
        ],
        "{text}"
    );
    assert!(
        lines[2].contains("\"f\" as \"/f\": ") && lines[2].ends_with("MD5 verified"),
        "{text}"
    );
    assert!(lines[6].contains("noth\\ning"), "{text}");
    assert!(lines[7].ends_with("exit code 1"), "{text}");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    sandbox
        .run(["--log", "/nowhere/log", "ls", &sandbox.remote("")])
        .expect_code(1)
        .expect_stderr(&["cannot open the log"]);
}

/// The codes of the manual mean the same for each command: 0 done, 1 it failed, 2 the command line is wrong, 3 not
/// signed in, 4 some transfers failed, 5 a difference.
#[test]
fn exit_codes_mean_the_same_for_each_command() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", 1000, 1);
    for name in ["g", "one/f", "two/f"] {
        let path = sandbox.local(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let there = |path: &str| sandbox.remote(path);
    for (words, code) in [
        (&["put", "f", &there("")][..], 0),
        (&["put", "g", &there("f")], 4),
        (&["put", "missing", "f", &there("")], 4),
        (&["put", "f", "g", &there("nowhere/")], 1),
        (&["put", "-", "f", &there("")], 2),
        (&["put", "f", "g"], 2),
        (&["get", &there("missing")], 4),
        (&["get", &there("f"), "g"], 4),
        (&["get"], 2),
        (&["sync", "one", &there("tree")], 0),
        (&["sync", "missing", &there("tree")], 1),
        (&["sync", "one", "two"], 2),
        (&["check", "one", &there("tree")], 0),
        (&["check", "two", &there("tree")], 5),
        (&["check", "one"], 2),
        (&["edit", &there("f"), &there("g")], 2),
        (&["tail", &there("f")], 0),
        (&["tail", "-f", &there("f"), &there("g")], 2),
        (&["ls", "-o", "Port=x", &there("")], 2),
        (&["ls", "-J", "a/b", &there("")], 2),
    ] {
        sandbox.run([words, &["--batch"]].concat()).expect_code(code);
    }
    let named: [&[&str]; 13] = [
        &["ls"],
        &["cat"],
        &["less"],
        &["tail"],
        &["rm"],
        &["rmdir"],
        &["stat"],
        &["find"],
        &["du"],
        &["sum"],
        &["chmod", "600"],
        &["mv", "to"],
        &["cp", "to"],
    ];
    for verb in named {
        let missing = there("missing/name");
        let to = there("to");
        let words: Vec<&str> = match verb {
            [name, "to"] => vec![*name, &missing, &to],
            words => [words, &[&missing[..]]].concat(),
        };
        sandbox.run(&words).expect_code(1);
        // For these, a word without a colon is a host.
        if !matches!(verb, ["ls" | "find" | "du"]) {
            let local = words
                .iter()
                .map(|word| if *word == missing { "./x" } else { *word });
            sandbox.run(local).expect_code(2);
        }
    }
    // Last, because the server slows down those who fail to sign in.
    let stranger = "nobody@127.0.0.1:";
    for words in [&["ls", stranger][..], &["put", "f", stranger]] {
        sandbox.run([words, &["--batch"]].concat()).expect_code(3);
    }
}

/// A password never comes into the log, also where the sign-in fails.
#[test]
fn the_log_has_no_secrets() {
    let sandbox = ClientSandbox::new(&[]);
    let log = sandbox.local("log");
    let mut command = sandbox.command(["--log", log.to_str().unwrap(), "--password-stdin", "ls"]);
    let mut child = command
        .arg("nobody@127.0.0.1:")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"correct-horse\n").unwrap();
    let result = CommandResult::of(child.wait_with_output().unwrap()).expect_code(3);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("exit code 3"), "{text}");
    assert!(
        !text.contains("correct-horse") && !result.err.contains("correct-horse"),
        "{text}"
    );
}
