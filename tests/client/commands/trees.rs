//! `get` and `put` of directories, and their messages.

use super::transfers::MIB;
use super::*;

#[test]
fn trees_are_transferred_both_ways_with_their_times() {
    let sandbox = ClientSandbox::new(&[]);
    tree(&sandbox, "tree", 60);
    std::os::unix::fs::symlink("file 2", sandbox.local("tree/link")).unwrap();
    std::os::unix::fs::symlink("deep", sandbox.local("tree/around")).unwrap();
    let done = sandbox
        .run(["put", "-r", "-p", "tree", &sandbox.remote("")])
        .expect_code(4);
    let done = done.expect_stderr(&["tree/around: skipped: a link to a directory", "61 files"]);
    assert!(
        !done.err.contains('\r'),
        "no bars without a terminal: {}",
        done.err
    );
    sandbox
        .run(["get", "-r", "-p", &sandbox.remote("tree"), "back"])
        .expect_code(0)
        .expect_stderr(&["61 files"]);
    std::fs::remove_file(sandbox.local("tree/around")).unwrap();
    same_trees(&sandbox.local("tree"), &sandbox.local("back"));
    let seconds = |name: &str| {
        let meta = std::fs::metadata(sandbox.local(name)).unwrap();
        std::os::unix::fs::MetadataExt::mtime(&meta)
    };
    assert_eq!(seconds("tree/deep/er/file 7"), seconds("back/deep/er/file 7"));
    assert_eq!(seconds("tree/deep/er"), seconds("back/deep/er"));
    // The second transfer finds that all files exist.
    sandbox
        .run(["put", "-r", "tree", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["61 already there"]);
    sandbox
        .run(["put", "tree", &sandbox.remote("")])
        .expect_code(4)
        .expect_stderr(&["is a directory (hint: -r)"]);
}

#[test]
fn an_unreadable_file_does_not_stop_the_rest() {
    let sandbox = ClientSandbox::new(&[]);
    tree(&sandbox, "tree", 10);
    std::os::unix::fs::symlink("nowhere", sandbox.local("tree/dangling")).unwrap();
    sandbox
        .run(["put", "-r", "tree", "missing", &sandbox.remote("")])
        .expect_code(4)
        .expect_stderr(&["tree/dangling: FAILED", "missing: FAILED", "10 files", "2 FAILED"]);
    std::fs::remove_file(sandbox.local("tree/dangling")).unwrap();
    same_trees(&sandbox.local("tree"), &sandbox.stored("tree"));
}

#[test]
fn free_space_of_the_server_is_checked_before_the_first_byte() {
    let sandbox = ClientSandbox::new(&["--quota", "2MiB"]);
    sandbox.create_file("big", 3 * MIB, 1);
    sandbox
        .run(["put", "big", &sandbox.remote("")])
        .expect_code(1)
        .expect_stderr(&[
            "no room on the server",
            "2.0 MiB free",
            "1.0 MiB missing",
            "nothing was sent",
        ]);
    assert!(!sandbox.stored("big").exists());
    // Most of the bytes exist already.
    let whole = sandbox.create_file("fits", 3 * MIB / 2, 1);
    sandbox.run(["put", "fits", &sandbox.remote("")]).expect_code(0);
    std::fs::write(sandbox.stored("fits"), &whole[..MIB]).unwrap();
    sandbox
        .run(["put", "fits", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["resumed"]);
}

#[test]
fn json_has_an_object_for_each_event() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", MIB, 1);
    let out = sandbox
        .run(["put", "--json", "f", &sandbox.remote("")])
        .expect_code(0)
        .out;
    let events: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let end = events.iter().find(|event| event["event"] == "end").unwrap();
    assert_eq!(
        (&end["result"], &end["verified"]),
        (&"sent".into(), &"md5".into()),
        "{end}"
    );
    assert_eq!(events.last().unwrap()["event"], "summary", "{out}");
    let listed = sandbox
        .run(["ls", "--json", &sandbox.remote("")])
        .expect_code(0)
        .out;
    let entry: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(
        (&entry["name"], &entry["path"], &entry["size"]),
        (&"f".into(), &"/f".into(), &MIB.into())
    );
    let room: serde_json::Value = serde_json::from_str(
        &sandbox
            .run(["df", "--json", &sandbox.remote("")])
            .expect_code(0)
            .out,
    )
    .unwrap();
    assert!(
        room["used_bytes"].is_u64() && room["free_bytes"].is_u64(),
        "{room}"
    );
    let quiet = sandbox
        .run(["put", "--quiet", "f", &sandbox.remote("again")])
        .expect_code(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn names_are_bytes_and_are_shown_safely() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = ClientSandbox::new(&[]);
    for name in [
        &b"a \xff\n\x1b[2Jb"[..],
        b"-r",
        b"it's $HOME",
        b"[x]",
        "Grüße".as_bytes(),
    ] {
        let name = OsStr::from_bytes(name);
        std::fs::write(sandbox.stored("").join(name), name.as_bytes()).unwrap();
    }
    let listed = sandbox.run(["ls", &sandbox.remote("")]).expect_code(0).out;
    assert!(
        listed.contains("a \u{fffd}\n\u{1b}[2Jb") && listed.contains("Grüße"),
        "{listed}"
    );
    let done = sandbox
        .run(["get", "-r", &sandbox.remote(""), "home"])
        .expect_code(0);
    assert!(!done.err.contains('\u{1b}'));
    same_trees(&sandbox.stored(""), &sandbox.local("home"));
    sandbox
        .run(["get", &sandbox.remote("[[]x]"), "one"])
        .expect_code(0);
    assert_eq!(std::fs::read(sandbox.local("one")).unwrap(), b"[x]");
}
