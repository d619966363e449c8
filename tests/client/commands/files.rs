//! The other commands, the shell as a script, and command lines that make no sense.

use super::*;

#[test]
fn files_are_listed_made_moved_and_removed() {
    let person = Person::new(&[]);
    person.run(["mkdir", "-p", &person.remote("a/b/c")]).code(0);
    person
        .run(["mkdir", &person.remote("a")])
        .code(1)
        .says(&["something with that name is there"]);
    for n in 0..130 {
        std::fs::write(person.there("a/b").join(format!("f{n}")), "x").unwrap();
    }
    std::fs::write(person.there("a/.hidden"), "").unwrap();
    assert_eq!(person.run(["ls", &person.remote("a")]).code(0).out, "b\n");
    assert_eq!(
        person.run(["ls", "-a", &person.remote("a")]).code(0).out,
        ".hidden\nb\n"
    );
    assert_eq!(
        person
            .run(["ls", &person.remote("a/b/f12*")])
            .code(0)
            .out
            .lines()
            .count(),
        11
    );
    assert!(
        person
            .run(["ls", "-l", &person.remote("a/b/f1")])
            .code(0)
            .out
            .starts_with("-rw")
    );
    person
        .run(["ls", &person.remote("nothing")])
        .code(1)
        .says(&["nothing: no such file or directory"]);
    person
        .run(["mv", &person.remote("a/b/f1"), &person.remote("g")])
        .code(0);
    person
        .run([
            "mv",
            &person.remote("a/b/f2"),
            &person.remote("a/b/f3"),
            &person.remote("a/b/c"),
        ])
        .code(0);
    assert!(person.there("g").exists() && person.there("a/b/c/f3").exists());
    person
        .run([
            "mv",
            &person.remote("a/b/f4"),
            &person.remote("a/b/f5"),
            &person.remote("g"),
        ])
        .code(1)
        .says(&["is not a directory"]);
    person.run(["rm", &person.remote("g")]).code(0);
    person
        .run(["rm", &person.remote("g")])
        .code(1)
        .says(&["no such file"]);
    person.run(["rm", "-f", &person.remote("g")]).code(0);
    person
        .run(["rm", &person.remote("a")])
        .code(1)
        .says(&["it is a directory (hint: rm -r)"]);
    person
        .run(["rm", "-r", &person.remote("a")])
        .code(1)
        .says(&["nobody can be asked", "rm -r -f"]);
    assert!(person.there("a").exists());
    person.run(["chmod", "640", &person.remote("a/b/f7*")]).code(0);
    for name in ["f7", "f77"] {
        let meta = std::fs::metadata(person.there("a/b").join(name)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        assert_eq!(mode & 0o777, 0o640);
    }
    person
        .run(["chmod", "u+x", &person.remote("a/b/f7")])
        .code(2)
        .says(&["octal digits"]);
    person
        .run(["chmod", "600", &person.remote("missing")])
        .code(1)
        .says(&["missing: cannot set its permissions: no such file"]);
    // What an empty variable leaves of a path.
    for nothing in ["", ".", "./", "a/.", "a/..", "/", "~", "~/"] {
        person
            .run(["rm", "-r", "-f", &person.remote(nothing)])
            .code(1)
            .says(&["it has no name of its own"]);
    }
    assert!(person.there("a").exists());
    person
        .run([
            "mkdir",
            "-p",
            &person.remote("m1"),
            &person.remote("m2"),
            &person.remote("m3"),
        ])
        .code(0);
    for name in ["m1/x", "m2/x"] {
        std::fs::write(person.there(name), name).unwrap();
    }
    person
        .run([
            "mv",
            &person.remote("m1/x"),
            &person.remote("m2/x"),
            &person.remote("m3"),
        ])
        .code(1)
        .says(&["m2/x: cannot rename it", "just moved there"]);
    assert_eq!(std::fs::read(person.there("m3/x")).unwrap(), b"m1/x");
    person
        .run(["mkdir", "-p", &person.remote("m3/x/y/z")])
        .code(1)
        .says(&["m3/x\": cannot make the directory: something with that name is there"]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("keep"), "").unwrap();
    std::os::unix::fs::symlink("/", person.there("a/link")).unwrap();
    person.run(["rm", "-r", "-f", &person.remote("a")]).code(0);
    assert!(!person.there("a").exists() && person.there("").exists());
}

#[test]
fn sums_read_as_those_of_md5sum() {
    let person = Person::new(&[]);
    for name in ["plain", "with space", "back\\slash"] {
        std::fs::write(person.there(name), name).unwrap();
    }
    let theirs = Command::new("md5sum")
        .args(["back\\slash", "plain", "with space"])
        .current_dir(person.there(""))
        .output()
        .unwrap();
    let ours = person.run(["sum", &person.remote("*")]).code(0);
    assert_eq!(ours.out, String::from_utf8(theirs.stdout).unwrap());
    person
        .run(["sum", &person.remote("plain"), &person.remote("missing")])
        .code(1)
        .says(&["missing: no such file"]);
}

#[test]
fn the_quota_is_shown() {
    let person = Person::new(&["--quota", "10MiB"]);
    std::fs::create_dir_all(person.there("")).unwrap();
    person.file("f", 5 << 20, 1);
    person.run(["put", "f", &person.remote("")]).code(0);
    let shown = person
        .run(["df", person.remote("").trim_end_matches(':')])
        .code(0)
        .out;
    assert_eq!(
        shown,
        "[###############---------------] 50 %  5.0 MiB of 10.0 MiB used, 5.0 MiB free\n"
    );
}

#[test]
fn a_script_stops_at_the_first_failure() {
    let person = Person::new(&[]);
    person.file("f", 100_000, 1);
    let ran = person
        .script("# comment\nmkdir d\ncd d\nput f \"a b\"\n-rm missing\nls\npwd\nget \"a b\" back\nfrob\nmkdir never\n")
        .code(2)
        .says(&["missing: cannot remove it: no such file", "frob"]);
    assert_eq!(ran.out, "a b\n/d\n");
    assert!(person.there("d/a b").exists() && person.path("back").exists());
    assert!(!person.there("d/never").exists() && !person.there("never").exists());
}

#[test]
fn a_script_that_wants_json_gets_nothing_else() {
    let person = Person::new(&[]);
    person.run(["mkdir", "-p", &person.remote("d/e")]).code(0);
    let mut child = person
        .command(["--json", person.remote("").trim_end_matches(':')])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = b"cd d\npwd\nls\ncd -\ndf\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).code(0);
    let objects = ran.out.lines().map(serde_json::from_str::<serde_json::Value>);
    let paths: Vec<_> = objects.map(|object| object.unwrap()["path"].clone()).collect();
    assert_eq!(paths, ["/d", "/d/e", "/", "/"], "{}", ran.out);
}

#[test]
fn command_lines_that_make_no_sense_are_told() {
    let person = Person::new(&[]);
    let here = person.remote("f");
    for (words, says) in [
        (vec!["get", "local"], "no server is named"),
        (vec!["put", "f", "g"], "names no server"),
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
        let ran = person.run(words.clone()).code(2);
        assert!(ran.err.contains(says), "{words:?}: {}", ran.err);
        assert!(!ran.err.contains("secret@"), "{}", ran.err);
    }
}

#[test]
fn who_is_not_let_in_hears_why() {
    let person = Person::new(&[]);
    let wrong = |input: &str, words: &[&str]| {
        let mut child = Command::new("setsid")
            .arg("--wait")
            .arg(testkit::programs::homeport())
            .args(words)
            .args(["-P", &person.server.port().to_string(), "-F", "none"])
            .args(["--known-hosts".as_ref(), person.path("known_hosts").as_os_str()])
            .env_remove("SSH_AUTH_SOCK")
            .env("HOME", person.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::of(child.wait_with_output().unwrap())
    };
    // Nobody is there to be asked about the key.
    wrong("", &["ls", &person.remote("")]).code(3).says(&["SHA256:"]);
    person.run(["ls", &person.remote("")]).code(0);
    wrong("wrong\n", &["ls", "--password-stdin", &person.remote("")])
        .code(3)
        .says(&["not signed in as alice"]);
    wrong("", &["ls", &person.remote("")]).code(3);
    let right = format!("{}\n", testkit::server::password("alice"));
    wrong(&right, &["ls", "--password-stdin", &person.remote("")]).code(0);
}
