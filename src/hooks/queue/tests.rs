mod full;
mod uploads;

use super::*;
use crate::ops::hooks::HookEntryState;

fn draft(event: &'static str, keys: &[&str]) -> EntryDraft {
    EntryDraft {
        hook: "hook".to_owned(),
        label: "/bin/hook".to_owned(),
        event,
        line: format!(r#"{{"time":"t","event":"{event}","path":"/p"}}"#),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        user: Some("calvin".to_owned()),
        file: None,
    }
}

fn open(dir: &Path) -> HookQueue {
    HookQueue::open(dir, QueueLimits::default()).unwrap()
}

/// Takes everything that is ready, and returns the names of the events.
fn take_all(queue: &HookQueue) -> Vec<(u64, String)> {
    std::iter::from_fn(|| queue.take(|_| true))
        .map(|job| (job.entry.id, job.entry.event.clone()))
        .collect()
}

fn names(queue: &HookQueue) -> Vec<String> {
    take_all(queue).into_iter().map(|(_, name)| name).collect()
}

fn states(queue: &HookQueue) -> Vec<(u64, HookEntryState, u32)> {
    let list = queue.list().into_iter();
    list.map(|entry| (entry.id, entry.state, entry.attempts))
        .collect()
}

#[test]
fn an_entry_is_ready_only_when_it_is_on_the_disk_and_its_client_is_answered_then() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let unsaved = Arc::new(crate::session::events::UnsavedEvents::default());
    queue.push(draft("uploaded", &["s"]), Some(unsaved.add()));
    assert!(queue.take(|_| true).is_none() && !unsaved.is_empty());
    queue.write();
    assert!(unsaved.is_empty());
    assert_eq!(names(&open(dir.path())), ["uploaded"]);
    assert_eq!(names(&queue), ["uploaded"]);
}

#[test]
fn entries_with_a_key_in_common_keep_their_order_and_others_overtake() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("opened", &["s1", "f1"]), None);
    queue.push(draft("closed", &["s1"]), None);
    queue.push(draft("removed", &["s2", "f1"]), None);
    queue.push(draft("renamed", &["s3"]), None);
    queue.write();
    assert!(queue.take(|hook| hook != "hook").is_none());
    assert_eq!(
        take_all(&queue),
        [(1, "opened".to_owned()), (4, "renamed".to_owned())]
    );
    queue.finish(1);
    assert_eq!(names(&queue), ["closed", "removed"]);
}

/// Lets the first entry fail, and returns when it is due again: after a pause of so many seconds.
fn due_after_failure(queue: &HookQueue, retries: u32, pause_secs: u64) -> Instant {
    let pause = Duration::from_secs(pause_secs);
    let before = Instant::now();
    queue.fail(1, "broken", retries);
    let due = queue.next_due().unwrap();
    assert!(
        (before + pause..=Instant::now() + pause).contains(&due),
        "{due:?}"
    );
    due
}

#[test]
fn a_failed_entry_is_tried_again_after_a_pause_and_set_aside_at_last() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("uploaded", &["s"]), None);
    queue.push(draft("removed", &["s"]), None);
    queue.write();
    assert_eq!(queue.take(|_| true).unwrap().attempt, 1);
    let due = due_after_failure(&queue, 1, 1);
    // If the test itself was delayed for a second, this check proves nothing.
    assert!(
        queue.take(|_| true).is_none() || Instant::now() >= due,
        "it pauses, and the next one waits"
    );
    queue.write();
    // After a restart, it is tried at once.
    let queue = open(dir.path());
    assert_eq!(queue.take(|_| true).unwrap().attempt, 2);
    queue.fail(1, "still broken", 1);
    assert_eq!(
        states(&queue),
        [(1, HookEntryState::SetAside, 2), (2, HookEntryState::Waiting, 0)]
    );
    assert_eq!(names(&queue), ["removed"], "the next one goes on");
    let stats = queue.stats();
    assert_eq!((stats.failures, stats.waiting, stats.set_aside), (1, 1, 1));
    queue.write();
    let queue = open(dir.path());
    assert_eq!(queue.list()[0].error.as_deref(), Some("still broken"));
    assert_eq!(states(&queue)[0], (1, HookEntryState::SetAside, 2));
    let one = HookSelection::Entries(vec![1]);
    assert_eq!(queue.act(HookAction::Retry, &one).unwrap(), 1);
    queue.write();
    let queue = open(dir.path());
    assert_eq!(names(&queue), ["removed"], "what is retried comes last");
    queue.finish(2);
    assert_eq!(names(&queue), ["uploaded"]);
    let error = queue.act(HookAction::Drop, &one).unwrap_err().to_string();
    assert!(error.contains("no entry 1 that waits"), "{error}");
    queue.set_aside(1, "gone");
    assert_eq!(
        queue.act(HookAction::Drop, &HookSelection::AllSetAside).unwrap(),
        1
    );
    queue.write();
    assert!(open(dir.path()).list().is_empty());
}

#[test]
fn pauses_grow_to_four_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("uploaded", &["s"]), None);
    queue.write();
    assert!(queue.take(|_| true).is_some());
    for expected in [1, 4, 16, 60, 240, 240] {
        due_after_failure(&queue, 100, expected);
        // As if the pause were over.
        queue.state().start_at_once(1);
        assert!(queue.take(|_| true).is_some());
    }
}

#[test]
fn a_full_queue_drops_new_events_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let limits = QueueLimits {
        entries: 4,
        ..QueueLimits::default()
    };
    let queue = HookQueue::open(dir.path(), limits).unwrap();
    let unsaved = Arc::new(crate::session::events::UnsavedEvents::default());
    for _ in 0..3 {
        queue.push(draft("uploaded", &["s"]), Some(unsaved.add()));
    }
    for user in ["tom", "susie", "moe"] {
        let user = Some(user.to_owned());
        queue.push(
            EntryDraft {
                user,
                ..draft("uploaded", &["s"])
            },
            None,
        );
    }
    let line = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    queue.push(
        EntryDraft {
            line,
            ..draft("admin", &["s"])
        },
        None,
    );
    queue.write();
    assert!(unsaved.is_empty(), "nobody waits for what was dropped");
    assert_eq!(queue.list().len(), 4);
    let mut dropped: Vec<(String, DropReason, u64)> = queue
        .take_dropped()
        .into_iter()
        .map(|dropped| (dropped.event, dropped.reason, dropped.count))
        .collect();
    dropped.sort_by_key(|(_, reason, _)| reason.sentence());
    let expected = [
        ("admin".to_owned(), DropReason::TooLarge, 1),
        ("uploaded".to_owned(), DropReason::UserShare, 1),
        ("uploaded".to_owned(), DropReason::Full, 1),
    ];
    assert_eq!(dropped, expected);
    assert_eq!(queue.stats().dropped, 3);
    assert!(queue.take_dropped().is_empty());
}

#[test]
fn a_disk_that_takes_nothing_drops_events_and_goes_on_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("opened", &["s"]), None);
    queue.write();
    queue.journal.lock().fail_from_now(true);
    let unsaved = Arc::new(crate::session::events::UnsavedEvents::default());
    queue.push(draft("uploaded", &["s"]), Some(unsaved.add()));
    queue.write();
    assert!(unsaved.is_empty());
    assert_eq!(queue.take_dropped()[0].reason, DropReason::NotWritten);
    queue.journal.lock().fail_from_now(false);
    queue.push(draft("removed", &["s"]), None);
    queue.write();
    let events: Vec<String> = open(dir.path())
        .list()
        .into_iter()
        .map(|entry| entry.event)
        .collect();
    assert_eq!(events, ["opened", "removed"]);
}

#[test]
fn an_attempt_that_ends_the_helper_each_time_counts_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    queue.push(draft("opened", &["s"]), None);
    queue.write();
    let interrupt = || {
        assert_eq!(queue.take(|_| true).unwrap().attempt, 1);
        queue.interrupt(1, 0);
        queue.list()[0].state
    };
    assert_eq!(interrupt(), HookEntryState::Waiting);
    assert_eq!(interrupt(), HookEntryState::Waiting);
    assert_eq!(interrupt(), HookEntryState::SetAside);
    assert!(
        queue.list()[0]
            .error
            .as_deref()
            .is_some_and(|error| error.contains("helper"))
    );
}

/// Whatever a crash leaves of the file, what was complete is there, and the file can be used.
#[test]
fn a_file_that_was_cut_anywhere_has_what_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    for event in ["opened", "closed", "uploaded"] {
        queue.push(draft(event, &["s"]), None);
        queue.write();
    }
    assert!(queue.take(|_| true).is_some());
    queue.finish(1);
    queue.write();
    drop(queue);
    let file = dir.path().join(FILE_NAME);
    let whole = std::fs::read(&file).unwrap();
    let ends: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(ends.len(), 4);
    for cut in 0..=whole.len() {
        std::fs::write(&file, &whole[..cut]).unwrap();
        // The new file of a replacement that did not end.
        std::fs::write(file.with_extension("new"), b"{\"next\":").unwrap();
        let queue = open(dir.path());
        let lines = ends.iter().filter(|end| **end <= cut).count();
        let expected: Vec<u64> = match lines {
            4 => vec![2, 3],
            lines => (1..=lines as u64).collect(),
        };
        let found: Vec<u64> = queue.list().iter().map(|entry| entry.id).collect();
        assert_eq!(found, expected, "cut at {cut}");
        assert!(!file.with_extension("new").exists());
        queue.push(draft("removed", &["s"]), None);
        queue.write();
        let again: Vec<u64> = open(dir.path()).list().iter().map(|entry| entry.id).collect();
        assert_eq!(again.len(), expected.len() + 1, "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_in_the_middle_loses_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    for event in ["opened", "closed", "uploaded"] {
        queue.push(draft(event, &["s"]), None);
    }
    queue.write();
    drop(queue);
    let file = dir.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second] = b'\xff';
    std::fs::write(&file, bytes).unwrap();
    let found: Vec<u64> = open(dir.path()).list().iter().map(|entry| entry.id).collect();
    assert_eq!(found, [1, 3]);
}

#[test]
fn a_file_that_is_mostly_about_the_past_is_replaced_and_numbers_are_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let file = dir.path().join(FILE_NAME);
    queue.push(draft("opened", &["kept"]), None);
    queue.write();
    let line = format!("{{\"a\":\"{}\"}}", "x".repeat(50_000));
    for id in 2..100 {
        let line = line.clone();
        queue.push(
            EntryDraft {
                line,
                ..draft("uploaded", &["s"])
            },
            None,
        );
        queue.write();
        while queue.take(|_| true).is_some() {}
        queue.finish(id);
        queue.write();
        assert!(file.metadata().unwrap().len() < 1_200_000);
    }
    drop(queue);
    let queue = open(dir.path());
    assert_eq!(queue.list().len(), 1);
    queue.push(draft("closed", &["kept"]), None);
    assert_eq!(queue.list()[1].id, 100);
}

#[test]
fn the_thread_writes_what_is_left_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Arc::new(open(dir.path()));
    queue.start().unwrap();
    let unsaved = Arc::new(crate::session::events::UnsavedEvents::default());
    for _ in 0..100 {
        queue.push(draft("uploaded", &["s"]), Some(unsaved.add()));
    }
    queue.close();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !unsaved.is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(open(dir.path()).list().len(), 100);
}
