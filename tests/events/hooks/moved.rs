//! Events that wait while the home of their file moves, is replaced, or goes away.

use super::*;

/// Fails until the file `go` exists. Then it tells what `TELL` tells, and appends the file of the upload to `seen`, if it
/// was passed.
const LATE: &str = "[ -e DIR/go ] || exit 1
printf '%s\\n' \"$(cat)\" >> DIR/told
[ ! -e /proc/self/fd/3 ] || cat <&3 >> DIR/seen";

/// A server with an event of alice's that was set aside.
fn with_one_aside() -> (HookStory, String) {
    let story = HookStory::start(LATE, ON_UPLOADS);
    story.put("a", b"letter");
    let id = story.wait_for_set_aside()["id"].to_string();
    (story, id)
}

/// Has the event told, and returns the file that the hook was told.
fn told_file(story: &HookStory, id: &str) -> Value {
    story.go();
    story.server.admin_ok(&["hooks", "retry", id], "");
    let told = story.wait_for_told(1);
    story.wait_for_empty_queue();
    assert_eq!(told[0]["path"], "/a");
    told[0]["file"].clone()
}

#[test]
fn a_command_gets_the_file_from_a_home_that_was_moved() {
    use std::os::unix::fs::MetadataExt as _;
    let (story, id) = with_one_aside();
    let to = story.server.home("alice").with_file_name("moved");
    story.server.admin_ok(
        &["user", "set", "alice", "--home", to.to_str().unwrap(), "--move"],
        "",
    );
    assert_eq!(
        told_file(&story, &id)["inode"],
        to.join("a").metadata().unwrap().ino()
    );
    assert_eq!(story.read("seen"), "letter");
}

#[test]
fn a_command_is_told_without_a_file_of_a_home_that_was_replaced() {
    let (story, id) = with_one_aside();
    let to = story.server.home("alice").with_file_name("another");
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("a"), "of another upload").unwrap();
    story
        .server
        .admin_ok(&["user", "set", "alice", "--home", to.to_str().unwrap()], "");
    assert_eq!(told_file(&story, &id), Value::Null);
    assert_eq!(story.read("seen"), "");
}

#[test]
fn a_command_is_told_without_a_file_of_a_user_who_was_removed_with_the_home() {
    let (story, id) = with_one_aside();
    story
        .server
        .admin_ok(&["user", "remove", "alice", "--delete-home"], "");
    assert_eq!(told_file(&story, &id), Value::Null);
}
