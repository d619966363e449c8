//! Limits of the queue and of its disk.

use super::*;

/// Long paths make large events, and whoever reaches the port causes events without a user: neither takes the room of others.
#[test]
fn nobody_takes_more_than_half_of_the_entries_or_of_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let push = |queue: &HookQueue, user: Option<&str>, line: String| {
        let user = user.map(str::to_owned);
        queue.push(
            EntryDraft {
                user,
                line,
                ..draft("denied", &[])
            },
            None,
        );
    };
    let limits = QueueLimits {
        entries: 1000,
        bytes: 100_000,
    };
    let queue = HookQueue::open(dir.path(), limits).unwrap();
    for _ in 0..100 {
        push(
            &queue,
            Some("calvin"),
            format!("{{\"path\":\"{}\"}}", "x".repeat(10_000)),
        );
    }
    let of_calvin = queue.list().len();
    assert!((5..=6).contains(&of_calvin), "{of_calvin}");
    push(&queue, Some("tom"), "{}".to_owned());
    assert_eq!(queue.list().len(), of_calvin + 1);
    assert_eq!(queue.take_dropped()[0].reason, DropReason::UserShare);

    let dir = tempfile::tempdir().unwrap();
    let queue = HookQueue::open(
        dir.path(),
        QueueLimits {
            entries: 10,
            ..limits
        },
    )
    .unwrap();
    for _ in 0..100 {
        push(&queue, None, "{}".to_owned());
    }
    assert_eq!(queue.list().len(), 5);
    push(&queue, Some("tom"), "{}".to_owned());
    assert_eq!(queue.list().len(), 6);
}

/// While the disk is full, the file is not written anew with each event; what it lacks is written when there is room.
#[test]
fn a_full_disk_delays_what_has_become_of_former_entries() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("opened", &["s"]), None);
    queue.write();
    assert!(queue.take(|_| true).is_some());
    queue.journal.lock().fail_from_now(true);
    queue.finish(1);
    queue.write();
    assert!(
        !queue.journal.lock().should_be_replaced(0),
        "it is not tried again at once"
    );
    queue.journal.lock().fail_from_now(false);
    queue.push(draft("removed", &["s"]), None);
    queue.write();
    let events = |queue: HookQueue| -> Vec<String> {
        let list = queue.list().into_iter();
        list.map(|entry| entry.event).collect()
    };
    // A crash now has the first one told again.
    assert_eq!(events(open(dir.path())), ["opened", "removed"]);
    queue.journal.lock().end_pause();
    queue.push(draft("closed", &["s"]), None);
    queue.write();
    assert_eq!(events(open(dir.path())), ["removed", "closed"]);
}
