//! `get` and `put` of directories, and what they say on the way.

use super::transfers::MIB;
use super::*;

#[test]
fn trees_go_both_ways_with_their_times() {
    let person = Person::new(&[]);
    tree(&person, "tree", 60);
    std::os::unix::fs::symlink("file 2", person.path("tree/link")).unwrap();
    std::os::unix::fs::symlink("deep", person.path("tree/around")).unwrap();
    let done = person
        .run(["put", "-r", "-p", "tree", &person.remote("")])
        .code(0);
    let done = done.says(&["tree/around: skipped: a link to a directory", "61 files"]);
    assert!(
        !done.err.contains('\r'),
        "no bars without a terminal: {}",
        done.err
    );
    person
        .run(["get", "-r", "-p", &person.remote("tree"), "back"])
        .code(0)
        .says(&["61 files"]);
    std::fs::remove_file(person.path("tree/around")).unwrap();
    same_trees(&person.path("tree"), &person.path("back"));
    let seconds = |name: &str| {
        let meta = std::fs::metadata(person.path(name)).unwrap();
        std::os::unix::fs::MetadataExt::mtime(&meta)
    };
    assert_eq!(seconds("tree/deep/er/file 7"), seconds("back/deep/er/file 7"));
    assert_eq!(seconds("tree/deep/er"), seconds("back/deep/er"));
    // Again: it is all there.
    person
        .run(["put", "-r", "tree", &person.remote("")])
        .code(0)
        .says(&["61 already there"]);
    person
        .run(["put", "tree", &person.remote("")])
        .code(4)
        .says(&["is a directory (hint: -r)"]);
}

#[test]
fn what_cannot_be_read_does_not_keep_the_rest() {
    let person = Person::new(&[]);
    tree(&person, "tree", 10);
    std::os::unix::fs::symlink("nowhere", person.path("tree/dangling")).unwrap();
    person
        .run(["put", "-r", "tree", "missing", &person.remote("")])
        .code(4)
        .says(&["tree/dangling: FAILED", "missing: FAILED", "10 files", "2 FAILED"]);
    std::fs::remove_file(person.path("tree/dangling")).unwrap();
    same_trees(&person.path("tree"), &person.there("tree"));
}

#[test]
fn room_is_looked_at_before_the_first_byte() {
    let person = Person::new(&["--quota", "2MiB"]);
    person.file("big", 3 * MIB, 1);
    person.run(["put", "big", &person.remote("")]).code(1).says(&[
        "no room on the server",
        "2.0 MiB free",
        "1.0 MiB missing",
        "nothing was sent",
    ]);
    assert!(!person.there("big").exists());
    // Most of it is there already.
    let whole = person.file("fits", 3 * MIB / 2, 1);
    person.run(["put", "fits", &person.remote("")]).code(0);
    std::fs::write(person.there("fits"), &whole[..MIB]).unwrap();
    person
        .run(["put", "fits", &person.remote("")])
        .code(0)
        .says(&["resumed"]);
}

#[test]
fn a_script_reads_objects() {
    let person = Person::new(&[]);
    person.file("f", MIB, 1);
    let out = person.run(["put", "--json", "f", &person.remote("")]).code(0).out;
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
    let listed = person.run(["ls", "--json", &person.remote("")]).code(0).out;
    let entry: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(
        (&entry["name"], &entry["path"], &entry["size"]),
        (&"f".into(), &"/f".into(), &MIB.into())
    );
    let room: serde_json::Value =
        serde_json::from_str(&person.run(["df", "--json", &person.remote("")]).code(0).out).unwrap();
    assert!(
        room["used_bytes"].is_u64() && room["free_bytes"].is_u64(),
        "{room}"
    );
    let quiet = person
        .run(["put", "--quiet", "f", &person.remote("again")])
        .code(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn names_are_bytes_and_are_shown_safely() {
    use std::os::unix::ffi::OsStrExt as _;
    let person = Person::new(&[]);
    for name in [
        &b"a \xff\n\x1b[2Jb"[..],
        b"-r",
        b"it's $HOME",
        b"[x]",
        "Grüße".as_bytes(),
    ] {
        let name = OsStr::from_bytes(name);
        std::fs::write(person.there("").join(name), name.as_bytes()).unwrap();
    }
    let listed = person.run(["ls", &person.remote("")]).code(0).out;
    assert!(
        listed.contains("a \\xff\\n\\u{1b}[2Jb") && listed.contains("Grüße"),
        "{listed}"
    );
    let done = person.run(["get", "-r", &person.remote(""), "home"]).code(0);
    assert!(!done.err.contains('\u{1b}'));
    same_trees(&person.there(""), &person.path("home"));
    person.run(["get", &person.remote("[[]x]"), "one"]).code(0);
    assert_eq!(std::fs::read(person.path("one")).unwrap(), b"[x]");
}
