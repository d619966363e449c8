//! The rules by which `sync` and `check` decide about names: times that are almost equal, or that a server does not
//! keep, names from a list, kinds, and room.

use std::os::unix::fs::PermissionsExt;

use super::sync::{changes, read, set_time};
use super::*;

#[test]
fn times_may_be_as_far_apart_as_the_window() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        for (tree, text, time) in [(&trees.source, "abc", 1000), (&trees.target, "xyz", 1010)] {
            std::fs::create_dir(tree).unwrap();
            std::fs::write(tree.join("f"), text).unwrap();
            set_time(&tree.join("f"), time);
        }
        let within = |window: &str| {
            let sync = trees.sync(&["-n", "--json", "--modify-window", window]);
            changes(&sync.expect_code(0))
        };
        assert_eq!(within("10"), [""; 0]);
        assert_eq!(within("9"), ["send f"]);
        let [source, target] = &trees.words;
        let check = |window: &str| {
            let words = ["check", "--quick", "--modify-window", window, source, target];
            trees.sandbox.run(words)
        };
        check("10").expect_code(0);
        check("9").expect_code(5);
    }
}

/// As in a drop box, where a user may not set attributes.
#[test]
fn where_times_are_not_kept_contents_decide() {
    let rights = "list,read,create,overwrite,mkdir";
    let sandbox = ClientSandbox::new(&["--permissions", rights]);
    for (name, text) in [("t/a", "a"), ("t/d/b", "bbb")] {
        let path = sandbox.local(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        set_time(&path, 1_000_000);
    }
    let remote = sandbox.remote("t");
    let not_kept = ["the target does not keep times"];
    sandbox
        .run(["sync", "t", &remote])
        .expect_code(0)
        .expect_stderr(&not_kept);
    same_trees(&sandbox.local("t"), &sandbox.stored("t"));
    std::fs::write(sandbox.local("t/a"), "A").unwrap();
    set_time(&sandbox.local("t/a"), 1_000_000);
    let again = sandbox.run(["sync", "--json", "t", &remote]).expect_code(0);
    assert_eq!(changes(&again), ["send a"]);
    assert_eq!(read(&sandbox.stored("t/a")), "A");
    let same = sandbox.run(["sync", "--json", "t", &remote]).expect_code(0);
    assert_eq!(changes(&same), [""; 0]);
    // Nothing is decided by times that say nothing. The smallest file has shown it.
    sandbox
        .run(["sync", "--update", "t", &sandbox.remote("other")])
        .expect_code(1)
        .expect_stderr(&["does not keep times, and --update compares them"]);
    assert!(sandbox.stored("other/a").exists() && !sandbox.stored("other/d/b").exists());
}

#[test]
fn names_that_are_not_listed_are_neither_sent_nor_deleted() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        for name in ["a", "d/x", "unlisted"] {
            let path = trees.source.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        std::fs::create_dir_all(trees.target.join("d")).unwrap();
        for name in ["extra", "d/extra"] {
            std::fs::write(trees.target.join(name), name).unwrap();
        }
        std::fs::write(trees.sandbox.local("names"), "a\nd\n").unwrap();
        let args = ["--json", "--delete", "--yes", "--files-from", "names"];
        let done = trees.sync(&args).expect_code(0);
        assert_eq!(changes(&done), ["delete d/extra", "send a", "send d/x"], "{up}");
        assert!(trees.target.join("extra").exists() && !trees.target.join("unlisted").exists());
    }
}

#[test]
fn check_names_every_kind_of_difference() {
    let sandbox = ClientSandbox::new(&[]);
    let (here, there) = (sandbox.local("t"), sandbox.stored("t"));
    for (tree, size, mode) in [(&here, "abc", 0o644), (&there, "ab", 0o600)] {
        std::fs::create_dir(tree).unwrap();
        std::fs::write(tree.join("size"), size).unwrap();
        std::fs::write(tree.join("mode"), "same").unwrap();
        std::fs::set_permissions(tree.join("mode"), PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::write(here.join("kind"), "a file").unwrap();
    std::fs::create_dir(there.join("kind")).unwrap();
    let remote = sandbox.remote("t");
    let found = sandbox.run(["check", "-p", "t", &remote]).expect_code(5);
    assert_eq!(
        found.out,
        "kind differs: kind\npermissions differ: mode\nsize differs: size\n"
    );
    let found = sandbox.run(["check", "t", &remote]).expect_code(5);
    assert_eq!(found.out, "kind differs: kind\nsize differs: size\n");
    // What cannot be compared is not the same.
    let made = Command::new("mkfifo").arg(here.join("pipe")).status().unwrap();
    assert!(made.success());
    let others = ["check", "--exclude", "kind", "--exclude", "size", "t", &remote];
    sandbox.run(others).expect_code(4).expect_stderr(&[
        "pipe: not compared: it is a special file",
        "1 file, 0 differences",
    ]);
}

#[test]
fn room_at_the_target_is_looked_for_before_anything_is_made() {
    let sandbox = ClientSandbox::new(&["--quota", "1MiB"]);
    std::fs::create_dir(sandbox.local("t")).unwrap();
    sandbox.create_file("t/f", 2 << 20, 1);
    let remote = sandbox.remote("t");
    sandbox
        .run(["sync", "t", &remote])
        .expect_code(1)
        .expect_stderr(&["no room at the target", "1.0 MiB missing", "nothing was changed"]);
    assert!(!sandbox.stored("t").exists());
}

#[test]
fn one_thing_is_not_called_several() {
    let trees = TwoTrees::new(true);
    for (tree, time) in [(&trees.source, 1000), (&trees.target, 5000)] {
        std::fs::create_dir(tree).unwrap();
        std::fs::write(tree.join("f"), "same").unwrap();
        set_time(&tree.join("f"), time);
    }
    for (more, says) in [
        (&["-n"][..], "1 name to get new times or permissions"),
        (&[], "1 name got new times or permissions"),
    ] {
        trees.sync(more).expect_code(0).expect_stderr(&[says]);
    }
}

/// A name of the source that lies where the backups of the target do is never left out without a word.
#[test]
fn the_source_has_nothing_where_the_backups_lie() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        for name in ["a", "sub/b", "d/deep/c"] {
            let path = trees.source.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        for (directory, named) in [("sub", "sub"), ("d/deep", "d/deep"), ("a", "a"), ("a/b", "a")] {
            for more in [&[][..], &["-n"]] {
                let args = [more, &["--backup-dir", directory]].concat();
                trees
                    .sync(&args)
                    .expect_code(1)
                    .expect_stderr(&[&format!("\"{named}\", and the target has its backups there")]);
                assert!(!trees.target.exists(), "nothing is changed: {directory}");
            }
        }
        // A directory that both have may hold the backups, and a name may be left out deliberately.
        trees.sync(&["--backup-dir", "d/old"]).expect_code(0);
        same_trees(&trees.source, &trees.target);
        std::fs::remove_dir_all(&trees.target).unwrap();
        trees
            .sync(&["--backup-dir", "sub", "--exclude", "/sub"])
            .expect_code(0);
        assert!(trees.target.join("a").exists() && !trees.target.join("sub").exists());
    }
}

#[test]
fn temporary_names_of_the_source_are_counted_and_named() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        for name in ["a", "b.homeport.part", "d.homeport.part/c"] {
            let path = trees.source.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let words = ["left out 2 names", "b.homeport.part", "d.homeport.part"];
        trees.sync(&["-q"]).expect_code(4).expect_stderr(&words);
        let [source, target] = &trees.words;
        let check = |more: &[&str]| {
            let words = [&["check"], more, &[source, target]].concat();
            trees.sandbox.run(words)
        };
        check(&[]).expect_code(4).expect_stderr(&words);
        let json = trees.sync(&["--json"]).expect_code(4);
        let last: serde_json::Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
        assert_eq!(last["skipped"], 2, "{last}");
        let exclude = ["--exclude", "*.homeport.part"];
        let done = trees.sync(&exclude).expect_code(0);
        assert!(!done.err.contains("homeport.part"), "{}", done.err);
        check(&exclude).expect_code(0);
        assert!(trees.target.join("a").exists());
    }
}

/// Runs the client with this text on standard input.
fn run_with_input(sandbox: &ClientSandbox, words: &[&str], input: &str) -> CommandResult {
    let mut child = sandbox
        .command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A client that refuses the words does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    CommandResult::of(child.wait_with_output().unwrap())
}

#[test]
fn names_and_patterns_come_from_standard_input() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        std::fs::create_dir(&trees.source).unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(trees.source.join(name), name).unwrap();
        }
        let [source, target] = &trees.words;
        let run = |command: &[&str], options: &[&str], input: &str| {
            let words = [command, options, &[source, target]].concat();
            run_with_input(&trees.sandbox, &words, input)
        };
        let dry = &["sync", "-n", "--json"][..];
        let named = run(dry, &["--files-from", "-"], "a\n").expect_code(0);
        assert_eq!(changes(&named), ["make .", "send a"]);
        let named = run(dry, &["--files-from", "-"], "a\0b\0").expect_code(0);
        assert_eq!(changes(&named), ["make .", "send a", "send b"]);
        let rules = run(dry, &["--include=a", "--exclude-from", "-"], "- a\nb\n").expect_code(0);
        assert_eq!(changes(&rules), ["make .", "send a", "send c"]);
        trees.sync(&[]).expect_code(0);
        std::fs::remove_file(trees.target.join("b")).unwrap();
        run(&["check"], &["--exclude-from", "-"], "b\n").expect_code(0);
        run(&["check"], &["--exclude-from", "-"], "c\n").expect_code(5);
    }
}

#[test]
fn standard_input_is_read_by_one_option() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.local("t")).unwrap();
    let remote = sandbox.remote("t");
    for (options, words) in [
        (
            &["--files-from", "-", "--exclude-from", "-"][..],
            "several options read standard input",
        ),
        (
            &["--password-stdin", "--files-from", "-"],
            "--files-from - and --password-stdin both read",
        ),
        (
            &["--password-stdin", "--exclude-from", "-"],
            "--exclude-from - and --password-stdin both read",
        ),
    ] {
        let refused = run_with_input(&sandbox, &[&["sync"], options, &["t", &remote]].concat(), "a\n");
        assert!(!refused.err.contains("Usage:"), "{}", refused.err);
        refused.expect_code(2).expect_stderr(&[words]);
    }
    let script = sandbox.script("sync --files-from - t :t\n").expect_code(2);
    script.expect_stderr(&["--files-from - reads standard input, which has the commands of this shell"]);
    assert!(!sandbox.stored("t").exists());
}

/// What is wrong with a pattern or a list is said without the usage of the whole program.
#[test]
fn what_is_wrong_with_a_filter_is_said_alone() {
    let sandbox = ClientSandbox::new(&[]);
    let remote = sandbox.remote("t");
    for command in ["sync", "check"] {
        for (option, value, expected) in [
            ("--exclude", "a[", "homeport: --exclude \"a[\": "),
            ("--include", "a[", "homeport: --include \"a[\": "),
            (
                "--exclude-from",
                "gone",
                "homeport: cannot read \"gone\" for --exclude-from: ",
            ),
            (
                "--files-from",
                "gone",
                "homeport: cannot read \"gone\" for --files-from: ",
            ),
        ] {
            let wrong = sandbox.run([command, option, value, "t", &remote]).expect_code(2);
            assert!(wrong.err.starts_with(expected), "{}", wrong.err);
            assert_eq!(wrong.err.lines().count(), 1, "{}", wrong.err);
        }
    }
}
