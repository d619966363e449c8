//! Transfers that are broken off, and go on.

use super::*;
use testkit::wait_for;

/// Long enough to be broken in the middle, on any machine.
const SIZE: usize = 200 << 20;

fn size_of(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Starts a command, and does something to it once so many bytes of the file are there.
fn broken(person: &Person, words: &[&str], grows: &std::path::Path, signal: &str) -> Ran {
    let mut command = person.command(words);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("some of it to arrive", || {
        size_of(grows) > 1 << 20 || child.try_wait().unwrap().is_some()
    });
    // setsid becomes the client: it leads no group that it would have to leave by a fork.
    let pid = child.id().to_string();
    let killed = Command::new("kill").arg(signal).arg(pid).status().unwrap();
    assert!(
        killed.success(),
        "it had ended before it could be broken: make it larger"
    );
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn an_upload_whose_client_was_killed_goes_on() {
    let person = Person::new(&[]);
    let whole = person.file("f", SIZE, 1);
    broken(
        &person,
        &["put", "f", &person.remote("")],
        &person.there("f"),
        "-KILL",
    );
    let have = size_of(&person.there("f"));
    assert!(have < SIZE as u64);
    person
        .run(["put", "f", &person.remote("")])
        .code(0)
        .says(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(person.there("f")).unwrap() == whole);
}

#[test]
fn a_download_whose_client_was_killed_goes_on() {
    let person = Person::new(&[]);
    std::fs::create_dir_all(person.there("")).unwrap();
    let whole = bytes(SIZE, 2);
    std::fs::write(person.there("f"), &whole).unwrap();
    broken(
        &person,
        &["get", &person.remote("f"), "f"],
        &person.path("f.part"),
        "-KILL",
    );
    assert!(!person.path("f").exists(), "half a file does not have its name");
    person
        .run(["get", &person.remote("f"), "f"])
        .code(0)
        .says(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(person.path("f")).unwrap() == whole);
}

#[test]
fn ctrl_c_stops_and_says_how_to_go_on() {
    let person = Person::new(&[]);
    let whole = person.file("f", SIZE, 3);
    broken(
        &person,
        &["put", "f", &person.remote("")],
        &person.there("f"),
        "-INT",
    )
    .code(4)
    .says(&["stopping", "run the same command again"]);
    person
        .run(["put", "f", &person.remote("")])
        .code(0)
        .says(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(person.there("f")).unwrap() == whole);
}
