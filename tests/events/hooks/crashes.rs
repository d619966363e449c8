//! Servers that are killed.

use super::*;

pub(super) const WAITING: &str = "printf '%s\\n' \"$(cat)\" >> DIR/begun
until [ -e DIR/go ]; do sleep 0.02; done
tail -n 1 DIR/begun >> DIR/told";

#[test]
fn what_was_answered_is_told_after_kill_9() {
    let mut story = HookStory::start(WAITING, ON_UPLOADS);
    let mut sftp = story.server.raw("alice");
    // With the answer to the last CLOSE, all of them are on the disk.
    for n in 0..3 {
        put(&mut sftp, &format!("f{n}"), b"1");
    }
    let helper = story.helper().expect("there is a helper");
    story.server.signal("KILL");
    story.server.wait_for_exit();
    wait_for("the helper to end with the server", || !is_running(helper));
    assert_eq!(story.list().len(), 3, "{:?}", story.list());
    story.write("go", "");
    story.server.serve();
    let told = story.wait_for_told(3);
    let paths: Vec<&str> = told.iter().map(|told| told["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/f0", "/f1", "/f2"]);
    story.wait_for_empty_queue();
}

#[test]
fn a_command_that_runs_at_kill_9_ends_and_is_run_again() {
    let mut story = HookStory::start(WAITING, ON_UPLOADS);
    story.put("a", b"1");
    wait_for("the command to begin", || !story.read("begun").is_empty());
    let helper = story.helper().expect("there is a helper");
    let commands: Vec<u32> = processes()
        .into_iter()
        .filter(|pid| parent(*pid) == Some(helper))
        .collect();
    assert_eq!(commands.len(), 1, "{commands:?}");
    story.server.signal("KILL");
    story.server.wait_for_exit();
    wait_for("the command to end", || !is_running(commands[0]));
    story.write("go", "");
    story.server.serve();
    let told = story.wait_for_told(1);
    assert_eq!(
        (&told[0]["delivery"], &told[0]["path"]),
        (&1.into(), &"/a".into())
    );
    story.wait_for_empty_queue();
}

#[test]
fn a_server_that_stops_ends_its_helper_and_keeps_what_waits() {
    let mut story = HookStory::start("sleep 1000", ON_UPLOADS);
    story.put("a", b"1");
    let helper = story.helper().expect("there is a helper");
    story.server.signal("TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
    wait_for("the helper to end", || !is_running(helper));
    assert_eq!(story.list().len(), 1);
}
