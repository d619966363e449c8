//! The commands that transfer nothing, scripts, and invalid command lines.

use super::*;

/// Creates the directory `a/b/c` on the server, and this number of files in `a/b`.
fn create_numbered_files(sandbox: &ClientSandbox, count: usize) {
    std::fs::create_dir_all(sandbox.stored("a/b/c")).unwrap();
    for n in 0..count {
        std::fs::write(sandbox.stored("a/b").join(format!("f{n}")), "x").unwrap();
    }
}

#[test]
fn directories_are_created_and_listed() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox
        .run(["mkdir", "-p", &sandbox.remote("a/b/c")])
        .expect_code(0);
    sandbox
        .run(["mkdir", &sandbox.remote("a")])
        .expect_code(1)
        .expect_stderr(&["something with that name is there"]);
    create_numbered_files(&sandbox, 130);
    std::fs::write(sandbox.stored("a/.hidden"), "").unwrap();
    assert_eq!(
        sandbox.run(["ls", &sandbox.remote("a")]).expect_code(0).out,
        "b\n"
    );
    assert_eq!(
        sandbox.run(["ls", "-a", &sandbox.remote("a")]).expect_code(0).out,
        ".hidden\nb\n"
    );
    assert_eq!(
        sandbox
            .run(["ls", &sandbox.remote("a/b/f12*")])
            .expect_code(0)
            .out
            .lines()
            .count(),
        11
    );
    assert!(
        sandbox
            .run(["ls", "-l", &sandbox.remote("a/b/f1")])
            .expect_code(0)
            .out
            .starts_with("-rw")
    );
    sandbox
        .run(["ls", &sandbox.remote("nothing")])
        .expect_code(1)
        .expect_stderr(&["nothing: no such file or directory"]);
}

#[test]
fn files_are_renamed_and_moved() {
    let sandbox = ClientSandbox::new(&[]);
    create_numbered_files(&sandbox, 10);
    sandbox
        .run(["mv", &sandbox.remote("a/b/f1"), &sandbox.remote("g")])
        .expect_code(0);
    sandbox
        .run([
            "mv",
            &sandbox.remote("a/b/f2"),
            &sandbox.remote("a/b/f3"),
            &sandbox.remote("a/b/c"),
        ])
        .expect_code(0);
    assert!(sandbox.stored("g").exists() && sandbox.stored("a/b/c/f3").exists());
    sandbox
        .run([
            "mv",
            &sandbox.remote("a/b/f4"),
            &sandbox.remote("a/b/f5"),
            &sandbox.remote("g"),
        ])
        .expect_code(1)
        .expect_stderr(&["is not a directory"]);
    sandbox
        .run([
            "mkdir",
            "-p",
            &sandbox.remote("m1"),
            &sandbox.remote("m2"),
            &sandbox.remote("m3"),
        ])
        .expect_code(0);
    for name in ["m1/x", "m2/x"] {
        std::fs::write(sandbox.stored(name), name).unwrap();
    }
    sandbox
        .run([
            "mv",
            &sandbox.remote("m1/x"),
            &sandbox.remote("m2/x"),
            &sandbox.remote("m3"),
        ])
        .expect_code(1)
        .expect_stderr(&["m2/x: cannot rename it", "just moved there"]);
    assert_eq!(std::fs::read(sandbox.stored("m3/x")).unwrap(), b"m1/x");
    for target in ["m3", "m3/inner"] {
        sandbox
            .run(["mv", &sandbox.remote("m3"), &sandbox.remote(target)])
            .expect_code(1)
            .expect_stderr(&["m3: cannot rename it", "it cannot be moved into itself"]);
    }
    sandbox
        .run(["mkdir", "-p", &sandbox.remote("m3/x/y/z")])
        .expect_code(1)
        .expect_stderr(&["m3/x\": cannot make the directory: something with that name is there"]);
}

#[test]
fn files_and_directories_are_removed() {
    let sandbox = ClientSandbox::new(&[]);
    create_numbered_files(&sandbox, 10);
    std::fs::write(sandbox.stored("g"), "x").unwrap();
    sandbox.run(["rm", &sandbox.remote("g")]).expect_code(0);
    sandbox
        .run(["rm", &sandbox.remote("g")])
        .expect_code(1)
        .expect_stderr(&["no such file"]);
    sandbox.run(["rm", "-f", &sandbox.remote("g")]).expect_code(0);
    sandbox
        .run(["rm", &sandbox.remote("a")])
        .expect_code(1)
        .expect_stderr(&["it is a directory (hint: rm -r)"]);
    sandbox
        .run(["rm", "-r", &sandbox.remote("a")])
        .expect_code(1)
        .expect_stderr(&["nobody can be asked", "rm -r -f"]);
    assert!(sandbox.stored("a").exists());
    // Paths as an empty shell variable leaves them.
    for nothing in ["", ".", "./", "a/.", "a/..", "/", "~", "~/"] {
        sandbox
            .run(["rm", "-r", "-f", &sandbox.remote(nothing)])
            .expect_code(1)
            .expect_stderr(&["it has no name of its own"]);
    }
    assert!(sandbox.stored("a").exists());
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("keep"), "").unwrap();
    std::os::unix::fs::symlink("/", sandbox.stored("a/link")).unwrap();
    sandbox
        .run(["rm", "-r", "-f", &sandbox.remote("a")])
        .expect_code(0);
    assert!(!sandbox.stored("a").exists() && sandbox.stored("").exists());
}

#[test]
fn permissions_are_changed() {
    let sandbox = ClientSandbox::new(&[]);
    create_numbered_files(&sandbox, 80);
    sandbox
        .run(["chmod", "640", &sandbox.remote("a/b/f7*")])
        .expect_code(0);
    for name in ["f7", "f77"] {
        let meta = std::fs::metadata(sandbox.stored("a/b").join(name)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        assert_eq!(mode & 0o777, 0o640);
    }
    sandbox
        .run(["chmod", "u+q", &sandbox.remote("a/b/f7")])
        .expect_code(2)
        .expect_stderr(&["octal digits", "u+x,go-w"]);
    sandbox
        .run(["chmod", "600", &sandbox.remote("missing")])
        .expect_code(1)
        .expect_stderr(&["missing: cannot set its permissions: no such file"]);
}

#[test]
fn sum_prints_the_lines_of_md5sum() {
    let sandbox = ClientSandbox::new(&[]);
    for name in ["plain", "with space", "back\\slash"] {
        std::fs::write(sandbox.stored(name), name).unwrap();
    }
    let theirs = Command::new("md5sum")
        .args(["back\\slash", "plain", "with space"])
        .current_dir(sandbox.stored(""))
        .output()
        .unwrap();
    let ours = sandbox.run(["sum", &sandbox.remote("*")]).expect_code(0);
    assert_eq!(ours.out, String::from_utf8(theirs.stdout).unwrap());
    sandbox
        .run(["sum", &sandbox.remote("plain"), &sandbox.remote("missing")])
        .expect_code(1)
        .expect_stderr(&["missing: no such file"]);
}

#[test]
fn the_quota_is_shown() {
    let sandbox = ClientSandbox::new(&["--quota", "10MiB"]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    sandbox.create_file("f", 5 << 20, 1);
    sandbox.run(["put", "f", &sandbox.remote("")]).expect_code(0);
    let shown = sandbox
        .run(["df", sandbox.remote("").trim_end_matches(':')])
        .expect_code(0)
        .out;
    assert_eq!(
        shown,
        "[###############---------------] 50%  5.0 MiB of 10.0 MiB used, 5.0 MiB free\n"
    );
}

#[test]
fn a_script_stops_at_the_first_failure() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", 100_000, 1);
    let ran = sandbox
        .script("# comment\nmkdir d\ncd d\nput f \"a b\"\n-rm missing\nls\npwd\nget \"a b\" back\nfrob\nmkdir never\n")
        .expect_code(2)
        .expect_stderr(&["missing: cannot remove it: no such file", "frob"]);
    assert_eq!(ran.out, "a b\n/d\n");
    assert!(sandbox.stored("d/a b").exists() && sandbox.local("back").exists());
    assert!(!sandbox.stored("d/never").exists() && !sandbox.stored("never").exists());
}

#[test]
fn with_json_standard_output_has_json_only() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox
        .run(["mkdir", "-p", &sandbox.remote("d/e")])
        .expect_code(0);
    let mut child = sandbox
        .command(["--json", sandbox.remote("").trim_end_matches(':')])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = b"cd d\npwd\nls\ncd -\ndf\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let ran = CommandResult::of(child.wait_with_output().unwrap()).expect_code(0);
    let objects = ran.out.lines().map(serde_json::from_str::<serde_json::Value>);
    let paths: Vec<_> = objects.map(|object| object.unwrap()["path"].clone()).collect();
    assert_eq!(paths, ["/d", "/d/e", "/", "/"], "{}", ran.out);
}

#[test]
fn invalid_command_lines_are_usage_errors() {
    let sandbox = ClientSandbox::new(&[]);
    let here = sandbox.remote("f");
    for (words, says) in [
        (vec!["get", "local"], "no server is named"),
        (
            vec!["put", "f", "g"],
            "names no server (hint: a server has a colon behind it: g:)",
        ),
        (
            vec!["cp", "f", "alice@127.0.0.1:"],
            "names no server (hint: [USER@]HOST:PATH; put and get transfer files of this machine)",
        ),
        (
            vec!["rsync", "f", "alice@127.0.0.1:"],
            "there is no command \"rsync\"",
        ),
        (
            vec!["sync", "-a", "f", "alice@127.0.0.1:"],
            "times are always kept",
        ),
        (vec!["put", &here], "no file is named"),
        (vec!["put", &here, &here], "is on a server"),
        (
            vec!["ls", "sftp://alice:secret@127.0.0.1/"],
            "a password in a URL",
        ),
        (vec!["mv", &here], "required"),
        (vec!["mv", &here, "bob@127.0.0.1:g"], "different servers"),
        (
            vec!["put", "--skip", "--overwrite", "f", &here],
            "cannot be used with",
        ),
        (vec!["--json", "--quiet", "ls", &here], "cannot be used with"),
        (vec![&here, "ls"], "stands before the command"),
        (vec![&here, "completions", "bash"], "needs no server"),
    ] {
        let ran = sandbox.run(words.clone()).expect_code(2);
        assert!(ran.err.contains(says), "{words:?}: {}", ran.err);
        assert!(!ran.err.contains("secret@"), "{}", ran.err);
    }
}

#[test]
fn a_refused_sign_in_says_why() {
    let sandbox = ClientSandbox::new(&[]);
    let wrong = |input: &str, words: &[&str]| {
        let mut child = testkit::programs::homeport_command()
            .args(words)
            .args(["-P", &sandbox.server.port().to_string(), "-F", "none"])
            .args(["--known-hosts".as_ref(), sandbox.local("known_hosts").as_os_str()])
            .env("HOME", sandbox.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        CommandResult::of(child.wait_with_output().unwrap())
    };
    // Without a terminal, nobody can confirm the key.
    wrong("", &["ls", &sandbox.remote("")])
        .expect_code(3)
        .expect_stderr(&["SHA256:"]);
    sandbox.run(["ls", &sandbox.remote("")]).expect_code(0);
    wrong("wrong\n", &["ls", "--password-stdin", &sandbox.remote("")])
        .expect_code(3)
        .expect_stderr(&["not signed in as alice"]);
    wrong("", &["ls", &sandbox.remote("")]).expect_code(3);
    let right = format!("{}\n", testkit::server::password("alice"));
    wrong(&right, &["ls", "--password-stdin", &sandbox.remote("")]).expect_code(0);
}
