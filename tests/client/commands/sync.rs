//! `sync` and `check`: both directions, against `homeportd` and against the machine's own `sshd`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use testkit::sshd::Sshd;

use super::*;

/// Sets the time of a file to this many seconds after 1970.
pub fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

fn time(path: &Path) -> i64 {
    std::fs::metadata(path).unwrap().mtime()
}

/// The objects that a command has printed.
fn events(result: &CommandResult, event: &str) -> Vec<serde_json::Value> {
    let objects = result.out.lines().map(|line| serde_json::from_str(line).unwrap());
    objects
        .filter(|object: &serde_json::Value| object["event"] == event)
        .collect()
}

/// The changes that a command has printed as JSON, sorted: `send a (new)`.
pub fn changes(result: &CommandResult) -> Vec<String> {
    let one = |object: serde_json::Value| {
        format!(
            "{} {}",
            object["action"].as_str().unwrap(),
            object["path"].as_str().unwrap()
        )
    };
    let mut changes: Vec<String> = events(result, "change").into_iter().map(one).collect();
    changes.sort();
    changes
}

#[test]
fn a_tree_goes_up_and_comes_back_and_a_second_run_sends_nothing() {
    let sandbox = ClientSandbox::new(&[]);
    tree(&sandbox, "tree", 60);
    std::fs::create_dir(sandbox.local("tree/empty")).unwrap();
    set_time(&sandbox.local("tree/file 2"), 1_000_000_000);
    set_time(&sandbox.local("tree/deep"), 1_100_000_000);
    let remote = sandbox.remote("copy");
    sandbox.run(["check", "tree", &remote]).expect_code(1);
    let dry = sandbox
        .run(["sync", "-n", "--json", "tree", &remote])
        .expect_code(0);
    sandbox
        .run(["sync", "-n", "tree", &remote])
        .expect_code(0)
        .expect_stderr(&["60 to send, ", " directories to make"]);
    assert!(!sandbox.stored("copy").exists(), "a dry run changes nothing");
    let run = sandbox.run(["sync", "--json", "tree", &remote]).expect_code(0);
    assert_eq!(changes(&dry), changes(&run), "what -n prints is what a run does");
    assert_eq!(
        changes(&run)
            .iter()
            .filter(|change| change.starts_with("send "))
            .count(),
        60
    );
    same_trees(&sandbox.local("tree"), &sandbox.stored("copy"));
    assert_eq!(time(&sandbox.stored("copy/file 2")), 1_000_000_000);
    assert_eq!(time(&sandbox.stored("copy/deep")), 1_100_000_000);
    sandbox.run(["check", "tree", &remote]).expect_code(0);
    for args in [&["sync"][..], &["sync", "-n"], &["sync", "--checksum"]] {
        let words = [args, &["--json", "tree", &remote]].concat();
        let again = sandbox.run(words).expect_code(0);
        assert_eq!(changes(&again), [""; 0], "{args:?}");
        assert_eq!(events(&again, "sync")[0]["unchanged"], 60);
    }
    sandbox.run(["sync", &remote, "back"]).expect_code(0);
    same_trees(&sandbox.local("tree"), &sandbox.local("back"));
    assert_eq!(time(&sandbox.local("back/file 2")), 1_000_000_000);
    let again = sandbox.run(["sync", "--json", &remote, "back"]).expect_code(0);
    assert_eq!(changes(&again), [""; 0]);
}

#[test]
fn what_differs_is_replaced_and_only_that() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        let (source, target) = (&trees.source, &trees.target);
        std::fs::create_dir(source).unwrap();
        std::fs::create_dir(target).unwrap();
        let both = |name: &str, ours: &str, theirs: &str, times: (u64, u64)| {
            for (tree, text, time) in [(source, ours, times.0), (target, theirs, times.1)] {
                std::fs::write(tree.join(name), text).unwrap();
                set_time(&tree.join(name), time);
            }
        };
        both("same", "abc", "abc", (1000, 1001));
        both("touched", "abc", "abc", (1000, 2000));
        both("size", "abcd", "xyz", (1000, 1000));
        both("content", "abc", "xyz", (2000, 1000));
        both("hidden", "abc", "xyz", (1000, 1000));
        both("newer", "abc", "xyzw", (1000, 5000));
        both("begun", "abcdef", "abc", (1000, 5));
        std::fs::write(target.join("extra"), "stays").unwrap();
        let run = |more: &[&str]| changes(&trees.sync(&[&["--json"], more].concat()).expect_code(0));
        assert_eq!(
            run(&["-n", "--update"]),
            ["send begun", "send content", "send size"],
            "{up}"
        );
        assert_eq!(
            run(&["--update"]),
            ["send begun", "send content", "send size"],
            "{up}"
        );
        assert_eq!(read(&target.join("newer")), "xyzw");
        assert_eq!(run(&["-n"]), ["attributes touched", "send newer"]);
        assert_eq!(run(&[]), ["attributes touched", "send newer"]);
        assert_eq!(read(&target.join("hidden")), "xyz", "sizes and times are equal");
        assert_eq!(run(&["--checksum"]), ["send hidden"]);
        assert_eq!(run(&["--checksum"]), [""; 0]);
        assert_eq!(read(&target.join("extra")), "stays");
        std::fs::remove_file(target.join("extra")).unwrap();
        same_trees(source, target);
        assert_eq!(
            (time(&target.join("touched")), time(&target.join("same"))),
            (1000, 1001)
        );
    }
}

pub fn read(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn check_says_what_differs_and_changes_nothing() {
    let sandbox = ClientSandbox::new(&[]);
    for name in ["t", "copy"] {
        let base = if name == "t" {
            sandbox.local("t")
        } else {
            sandbox.stored("copy")
        };
        std::fs::create_dir(&base).unwrap();
        std::fs::write(base.join("same"), "same").unwrap();
        set_time(&base.join("same"), if name == "t" { 5 } else { 500 });
        std::fs::write(base.join("differs"), name.get(..1).unwrap()).unwrap();
        set_time(&base.join("differs"), 1000);
        std::fs::write(base.join(format!("only {name}")), "").unwrap();
    }
    let remote = sandbox.remote("copy");
    let found = sandbox.run(["check", "t", &remote]).expect_code(5);
    assert_eq!(
        found.out,
        "content differs: differs\nonly on the server: only copy\nonly here: only t\n"
    );
    let found = sandbox.run(["check", "--exclude", "only*", "--exclude=differs", &remote, "t"]);
    assert_eq!(found.expect_code(0).out, "");
    let found = sandbox
        .run(["check", "--quick", "--json", "t", &remote])
        .expect_code(5);
    assert_eq!(events(&found, "difference").len(), 2, "{}", found.out);
    assert_eq!(read(&sandbox.stored("copy/differs")), "c");
}

#[test]
fn filters_choose_and_their_mistakes_have_a_place() {
    let sandbox = ClientSandbox::new(&[]);
    for name in ["a.txt", "b.tmp", "keep.tmp", "sub/c.tmp", "sub/d.txt", "cache/x"] {
        let path = sandbox.local("t").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    std::fs::write(sandbox.local("rules"), "# what is left out\ncache/\n- *.tmp\n").unwrap();
    std::fs::write(sandbox.local("bad"), "*.o\n- a[b\n").unwrap();
    std::fs::write(sandbox.local("names"), "sub\na.txt\n").unwrap();
    std::fs::write(sandbox.local("leaving"), "a.txt\n../x\n").unwrap();
    std::fs::write(sandbox.local("missing"), "a.txt\ngone\n").unwrap();
    let remote = sandbox.remote("copy");
    let run = |args: &[&str]| {
        let words = [&["sync", "-n", "--json"], args, &["t", &remote]].concat();
        sandbox.run(words)
    };
    let by_rules = run(&["--include", "keep.tmp", "--exclude-from", "rules"]).expect_code(0);
    assert_eq!(
        changes(&by_rules),
        [
            "make .",
            "make sub",
            "send a.txt",
            "send keep.tmp",
            "send sub/d.txt"
        ]
    );
    // The first rule that matches decides.
    let other_order = run(&["--exclude-from", "rules", "--include", "keep.tmp"]).expect_code(0);
    assert_eq!(
        changes(&other_order),
        ["make .", "make sub", "send a.txt", "send sub/d.txt"]
    );
    let by_names = run(&["--files-from", "names"]).expect_code(0);
    let expected = [
        "make .",
        "make sub",
        "send a.txt",
        "send sub/c.tmp",
        "send sub/d.txt",
    ];
    assert_eq!(changes(&by_names), expected);
    for (args, words) in [
        (
            ["--exclude-from", "bad"],
            &["bad", "line 2, column 4: the bracket is not closed"][..],
        ),
        (["--files-from", "leaving"], &["leaving", "line 2, column 1"]),
        (["--exclude", "["], &["column 1"]),
        (["--exclude-from", "nowhere"], &["cannot read", "nowhere"]),
    ] {
        run(&args).expect_code(2).expect_stderr(words);
    }
    let missing = run(&["--files-from", "missing"]).expect_code(4);
    let errors = events(&missing, "error");
    let [error] = &errors[..] else {
        panic!("{}", missing.out);
    };
    assert_eq!(error["path"], "gone");
    assert_eq!(error["message"], "the source does not have it");
}

#[test]
fn the_rate_of_a_sync_is_limited() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.local("t")).unwrap();
    let bytes = sandbox.create_file("t/f", 1 << 20, 1);
    let began = std::time::Instant::now();
    let remote = sandbox.remote("copy");
    sandbox
        .run(["sync", "--limit-rate", "512K", "t", &remote])
        .expect_code(0);
    // The first bytes may go at once.
    assert!(began.elapsed() >= std::time::Duration::from_millis(1200));
    assert!(std::fs::read(sandbox.stored("copy/f")).unwrap() == bytes);
    sandbox
        .run(["sync", "--limit-rate", "0", "t", &remote])
        .expect_code(2)
        .expect_stderr(&["a rate of 0"]);
}

#[test]
fn backups_keep_what_is_replaced_or_deleted() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        let (source, target) = (&trees.source, &trees.target);
        std::fs::create_dir(source).unwrap();
        std::fs::create_dir_all(target.join("d")).unwrap();
        std::fs::write(source.join("a"), "new content").unwrap();
        std::fs::write(target.join("a"), "old").unwrap();
        std::fs::write(target.join("d/b"), "gone").unwrap();
        let args = ["--delete", "--yes", "--backup-dir", "old"];
        trees.sync(&args).expect_code(0);
        assert_eq!(read(&target.join("a")), "new content");
        assert_eq!(read(&target.join("old/a")), "old");
        assert_eq!(read(&target.join("old/d/b")), "gone");
        assert!(!target.join("d").exists());
        // Earlier backups stay, and take no part.
        std::fs::write(source.join("a"), "newest content").unwrap();
        trees.sync(&args).expect_code(0);
        assert_eq!(read(&target.join("old/a")), "old");
        assert_eq!(read(&target.join("old/a.1")), "new content");
        assert_eq!(read(&target.join("a")), "newest content");
    }
}

#[test]
fn links_at_the_target_are_replaced_and_not_followed() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        let (source, target) = (&trees.source, &trees.target);
        std::fs::create_dir_all(source.join("d")).unwrap();
        std::fs::create_dir(target).unwrap();
        let outside = target.parent().unwrap().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("victim"), "safe").unwrap();
        std::fs::write(source.join("a"), "from the source").unwrap();
        std::fs::write(source.join("d/victim"), "from the source").unwrap();
        std::os::unix::fs::symlink("../outside/victim", target.join("a")).unwrap();
        std::os::unix::fs::symlink("../outside", target.join("d")).unwrap();
        std::os::unix::fs::symlink("../outside", target.join("extra")).unwrap();
        // A link where the source has a directory is something of another kind.
        trees.sync(&[]).expect_code(4).expect_stderr(&["d: FAILED"]);
        assert_eq!(read(&target.join("a")), "from the source");
        assert!(target.join("d").is_symlink() && target.join("extra").is_symlink());
        trees.sync(&["--delete", "--yes"]).expect_code(0);
        same_trees(source, target);
        assert!(!target.join("d").is_symlink() && !target.join("a").is_symlink());
        assert_eq!(read(&outside.join("victim")), "safe");
    }
}

#[test]
fn permissions_are_kept_where_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.local("t")).unwrap();
    std::fs::write(sandbox.local("t/a"), "a").unwrap();
    let mode =
        |mode| std::fs::set_permissions(sandbox.local("t/a"), PermissionsExt::from_mode(mode)).unwrap();
    let stored = || std::fs::metadata(sandbox.stored("t/a")).unwrap().mode() & 0o777;
    let remote = sandbox.remote("t");
    mode(0o640);
    sandbox.run(["sync", "-p", "t", &remote]).expect_code(0);
    assert_eq!(stored(), 0o640);
    mode(0o600);
    let without = sandbox.run(["sync", "--json", "t", &remote]).expect_code(0);
    assert_eq!((changes(&without), stored()), (vec![], 0o640));
    let with = sandbox.run(["sync", "--json", "-p", "t", &remote]).expect_code(0);
    assert_eq!(
        (changes(&with), stored()),
        (vec!["attributes a".to_owned()], 0o600)
    );
}

#[test]
fn an_openssh_server_is_as_good() {
    let sandbox = ClientSandbox::new(&[]);
    let sshd = Sshd::start(&["ed25519"], "Subsystem sftp internal-sftp");
    let key = sshd.make_key("key", &["-t", "ed25519", "-N", ""]);
    sshd.authorize(&key);
    let remote = format!(
        "sftp://{}@127.0.0.1:{}{}",
        sshd.user(),
        sshd.port,
        sshd.path("copy").display()
    );
    let run = |words: &[&str]| {
        let mut command = Command::new(testkit::programs::homeport());
        command
            .args(words)
            .args(["-F", "none", "--accept-new", "--batch"]);
        command.args(["--known-hosts".as_ref(), sandbox.local("known").as_os_str()]);
        command.args(["-i".as_ref(), key.as_os_str()]);
        command
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(sandbox.dir.path());
        CommandResult::of(command.output().unwrap())
    };
    tree(&sandbox, "tree", 30);
    run(&["sync", "tree", &remote]).expect_code(0);
    same_trees(&sandbox.local("tree"), &sshd.path("copy"));
    run(&["check", "tree", &remote]).expect_code(0);
    std::fs::write(sshd.path("copy/extra"), "x").unwrap();
    std::fs::write(sandbox.local("tree/file 2"), "changed").unwrap();
    let dry = run(&["sync", "-n", "--json", "--delete", "tree", &remote]).expect_code(0);
    assert_eq!(changes(&dry), ["delete extra", "send file 2"]);
    // Nobody can be asked.
    run(&["sync", "--delete", "tree", &remote])
        .expect_code(1)
        .expect_stderr(&["--max-delete N or --yes"]);
    assert!(sshd.path("copy/extra").exists());
    let done = run(&["sync", "--json", "--delete", "--max-delete", "1", "tree", &remote]).expect_code(0);
    assert_eq!(changes(&done), changes(&dry));
    run(&["sync", &remote, "back"]).expect_code(0);
    same_trees(&sandbox.local("tree"), &sandbox.local("back"));
}
