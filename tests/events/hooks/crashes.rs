//! Servers that are killed.

use std::time::{Duration, Instant};

use super::*;
use crate::proof::durable::Strace;

pub(super) const WAITING: &str = "printf '%s\\n' \"$(cat)\" >> DIR/begun
until [ -e DIR/go ]; do sleep 0.02; done
tail -n 1 DIR/begun >> DIR/told";

/// The disk of the queue takes its time, and so do the answers.
#[test]
fn an_upload_is_answered_when_its_event_is_on_the_disk() {
    const DELAY: Duration = Duration::from_millis(400);
    let server = TestServer::new(&[testkit::inspectable()]);
    let mut story = HookStory::of(server, TELL, ON_UPLOADS);
    story.server.serve();
    let mut sftp = story.server.raw("alice");
    // What the account of the home writes at its first change is behind us then.
    put(&mut sftp, "a", b"1");
    story.wait_for_told(1);
    let handle = sftp.handle(&open("b", WRITE | CREAT));
    ok(&mut sftp, &write(bogus(&handle), 0, b"1"), &handle);
    let delay = format!("inject=fdatasync:delay_enter={}", DELAY.as_micros());
    let strace = Strace::attach(&story.server, &["-e", "trace=fdatasync", "-e", &delay]);
    let began = Instant::now();
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    assert!(began.elapsed() >= DELAY, "answered after {:?}", began.elapsed());
    drop(strace);
    assert_eq!(story.wait_for_told(2)[1]["path"], "/b");
}

#[test]
fn what_was_answered_is_told_after_kill_9() {
    let mut story = HookStory::start(WAITING, ON_UPLOADS);
    let mut sftp = story.server.raw("alice");
    // With the answer to the last CLOSE, all of them are on the disk.
    for n in 0..3 {
        put(&mut sftp, &format!("f{n}"), b"1");
    }
    let helper = story.running_helper();
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
    let helper = story.running_helper();
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
    let helper = story.running_helper();
    story.server.signal("TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
    wait_for("the helper to end", || !is_running(helper));
    assert_eq!(story.list().len(), 1);
}
