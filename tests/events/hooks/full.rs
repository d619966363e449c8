//! The disk of the queue is full.

use super::*;
use crate::admin::metrics::{metrics_port, scrape, value};
use crate::storage::full::Disk;

/// Service goes before completeness: sessions go on, and each event was either told or is counted as lost.
#[test]
fn a_full_disk_of_the_queue_stops_nobody_and_the_losses_are_counted() {
    // The line of the log may be read long after the first event was dropped.
    const MOST: usize = 20_000;
    let server = TestServer::new(&[("metrics", "listen = [\"127.0.0.1:0\"]")]);
    let Some(disk) = Disk::mount(&server, "tmpfs") else {
        return;
    };
    let mut story = HookStory::of(server, TELL, &ON_UPLOADS.replace("uploaded", "renamed"));
    story.server.serve();
    let mut sftp = story.server.raw("alice");
    put(&mut sftp, "f0", b"1");
    let mut renamed = 0;
    let mut rename_once = || {
        ok(
            &mut sftp,
            &rename(format!("f{renamed}"), format!("f{}", renamed + 1)),
            b"",
        );
        renamed += 1;
        renamed
    };
    rename_once();
    story.wait_for_told(1);

    // Renaming takes no room, so that nobody but the queue needs some. The last page of its file has a little.
    disk.fill("filler");
    let is_said = || {
        story
            .server
            .log()
            .contains("the queue of hooks cannot be written: events are dropped")
    };
    while !is_said() {
        assert!(rename_once() < MOST, "{}", story.server.log());
    }
    for _ in 0..10 {
        rename_once();
    }
    // The operator and others go on, too.
    story.server.admin_ok(&["hooks", "list"], "");
    story.server.sftp_ok("alice", "ls\n");

    disk.make_room("filler");
    let last = rename_once();
    story
        .server
        .wait_for_log("the queue of hooks can be written again");
    let dropped = || -> u64 {
        let events = named(&story.server, "hook_dropped");
        assert!(
            events
                .iter()
                .all(|event| event["reason"] == "the queue of hooks cannot be written"),
            "{events:?}"
        );
        events
            .iter()
            .map(|event| event["count"].as_u64().unwrap_or(1))
            .sum()
    };
    wait_for("each event to be told or counted", || {
        story.told().len() as u64 + dropped() == last as u64
    });
    assert!(dropped() >= 10, "{}", dropped());
    let told = story.told();
    assert_eq!(told.last().unwrap()["to"], format!("/f{last}"));
    let page = scrape(metrics_port(&story.server));
    assert_eq!(
        value(&page, "homeport_hook_dropped_total"),
        Some(dropped() as f64)
    );
    story.wait_for_empty_queue();
    story.server.signal("TERM");
    assert_eq!(story.server.wait_for_exit(), Some(0));
}
