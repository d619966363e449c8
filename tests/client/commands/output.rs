//! What scripts see: raw names, `--quiet`, `--json`, `--log`, and the end by a signal.

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

/// Returns the objects of a text, one per line. Each must have the version.
#[track_caller]
fn objects(text: &str) -> Vec<serde_json::Value> {
    let parse = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(object["v"], 1, "{object}");
        object
    };
    text.lines().map(parse).collect()
}

#[test]
fn with_json_everything_is_an_object_that_is_documented() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d")).unwrap();
    sandbox.create_file("f", 100_000, 1);
    std::fs::create_dir(sandbox.local("tree")).unwrap();
    std::fs::create_dir(sandbox.local("empty")).unwrap();
    std::fs::write(sandbox.local("tree/new"), "new").unwrap();
    let json = |words: &[&str], code| {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(code);
        (objects(&result.out), objects(&result.err))
    };
    let mut seen = Vec::new();
    for (words, code) in [
        (&["put", "f", &sandbox.remote("")][..], 0),
        (&["put", "d-that-is-not-there", &sandbox.remote("")], 4),
        (&["get", &sandbox.remote("d"), "."], 4),
        (&["ls", &sandbox.remote("")], 0),
        (&["sum", &sandbox.remote("f")], 0),
        (&["df", &sandbox.remote("")], 0),
        (&["stat", &sandbox.remote("f")], 0),
        (&["find", &sandbox.remote(""), "-type", "f"], 0),
        (&["du", &sandbox.remote("")], 0),
        (&["sync", "tree", &sandbox.remote("d")], 0),
        (&["check", "tree", &sandbox.remote("d")], 0),
        (&["check", "tree", &sandbox.remote("")], 5),
        (&["sync", "-n", "--delete", "tree", &sandbox.remote("")], 0),
        (
            &[
                "sync",
                "--links",
                "--delete",
                "--yes",
                "empty",
                &sandbox.remote("d"),
            ],
            1,
        ),
        (&["mkdir", &sandbox.remote("made")], 0),
        (&["rm", &sandbox.remote("nothing")], 1),
        (&["ls", &sandbox.remote("nothing")], 1),
        (&["ls", "no-server"], 1),
        (&["put", "--no-such-option"], 2),
        (&["put", "f", "g"], 2),
    ] {
        let (out, err) = json(words, code);
        assert!(
            matches!(code, 0 | 4 | 5) || !err.is_empty(),
            "{words:?} says nothing"
        );
        seen.extend(out);
        seen.extend(err);
    }
    let shell = sandbox
        .command(["--json", sandbox.remote("").trim_end_matches(':')])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut shell = shell.unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(b"pwd\ncd d\ncd -\nlpwd\n")
        .unwrap();
    let shown = CommandResult::of(shell.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(objects(&shown.out).len(), 3, "{}", shown.out);
    seen.extend(objects(&shown.out));
    let names_nothing = |path: &serde_json::Value| path == "/nothing";
    assert!(
        seen.iter()
            .any(|object| object["event"] == "error" && names_nothing(&object["path"]))
    );
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    let (page, _) = page.split_once("\n# What `homeportd` shows\n").unwrap();
    let mut members = 0;
    for object in &seen {
        for name in object.as_object().unwrap().keys() {
            members += 1;
            let named = page.contains(&format!("`{name}`"));
            assert!(named, "docs/json.md does not describe \"{name}\" of {object}");
        }
        if let Some(event) = object["event"].as_str() {
            assert!(page.contains(&format!("`{event}`")), "{event}");
        }
    }
    assert!(members > 50, "{members}");
}

/// However a path is typed, scripts see one form of it, in results and in errors.
#[test]
fn paths_of_the_server_have_one_form_in_json() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d/e")).unwrap();
    std::fs::write(sandbox.stored("d/e/f"), "f").unwrap();
    std::fs::write(sandbox.local("g"), "g").unwrap();
    let forms = ["d/e", "./d/e", "/d/e", "d//e", "d/./e/", "/d/e//", "~/d/e"];
    let paths = |words: &[&str], code| -> Vec<String> {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(code);
        let objects = objects(&result.out).into_iter().chain(objects(&result.err));
        let path = |object: serde_json::Value| {
            let path = object["path"].as_str().or_else(|| object["remote"].as_str());
            path.map(str::to_owned)
        };
        objects.filter_map(path).collect()
    };
    for form in forms {
        let named = |below: &str| sandbox.remote(&format!("{form}{below}"));
        for (words, expected) in [
            (&["ls"][..], &["/d/e/f"][..]),
            (&["find"], &["/d/e", "/d/e/f"]),
            (&["du"], &["/d/e"]),
            (&["stat"], &["/d/e"]),
            (&["df"], &["/d/e"]),
        ] {
            assert_eq!(
                paths(&[words, &[&named("")]].concat(), 0),
                expected,
                "{words:?} {form}"
            );
        }
        assert_eq!(paths(&["sum", &named("/f")], 0), ["/d/e/f"], "{form}");
        for words in [
            &["cat"][..],
            &["chmod", "644"],
            &["ls"],
            &["rm"],
            &["rmdir"],
            &["stat"],
            &["sum"],
            &["tail"],
        ] {
            let missing = paths(&[words, &[&named("//no")]].concat(), 1);
            assert_eq!(missing, ["/d/e/no"], "{words:?} {form}");
        }
        let put = paths(&["put", "--overwrite", "g", &named("//g")], 0);
        assert!(
            !put.is_empty() && put.iter().all(|path| path == "/d/e/g"),
            "{put:?}"
        );
        sandbox.run(["rm", &named("/g")]).expect_code(0);
    }
}

#[test]
fn the_hash_of_a_file_is_said_where_it_is_asked_for() {
    let sandbox = ClientSandbox::new(&[]);
    let bytes = sandbox.create_file("f", 100_000, 1);
    let expected: String = {
        use md5::Digest as _;
        let hash = md5::Md5::digest(&bytes);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (here, there) = ("f", sandbox.remote("f"));
    let end = |words: &[&str]| {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(0);
        let ends: Vec<_> = objects(&result.out)
            .into_iter()
            .filter(|object| object["event"] == "end")
            .collect();
        assert_eq!(ends.len(), 1, "{}", result.out);
        ends[0].clone()
    };
    // A new file, the same again, the other way, and by SHA-256.
    for words in [
        &["put", here, &there][..],
        &["put", here, &there],
        &["get", &there, "copy"],
    ] {
        let end = end(words);
        assert_eq!(
            (&end["md5"], &end["sha256"]),
            (&expected.as_str().into(), &().into()),
            "{end}"
        );
    }
    let other = sandbox.remote("g");
    let end = end(&["put", "--hash=sha256", here, &other]);
    assert!(end["md5"].is_null(), "{end}");
    assert_eq!(end["sha256"].as_str().unwrap().len(), 64, "{end}");
    sandbox
        .run(["-v", "put", here, &sandbox.remote("h")])
        .expect_code(0)
        .expect_stderr(&[&format!("f: MD5 {expected}")]);
    let spoken = sandbox.run(["put", here, &sandbox.remote("i")]).expect_code(0);
    assert!(!spoken.err.contains(&expected), "{}", spoken.err);
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
