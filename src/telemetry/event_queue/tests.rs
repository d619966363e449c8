use super::*;
use crate::domain::event::{
    Actor, AdminAct, AdminRecord, COMMAND_NOT_FOUND, FileEnd, FileUse, Operator, SessionId,
};
use crate::domain::path::VirtualPath;
use crate::session::events::MAX_WAIT;

const CAPACITY: QueueCapacity = QueueCapacity {
    events: 100,
    bytes: 1 << 20,
};

fn who(user: &str) -> Actor {
    Actor {
        session: SessionId(user.len() as u64),
        user: user.parse().unwrap(),
        peer: "127.0.0.1:1".parse().unwrap(),
        home: std::path::Path::new("/h").into(),
        folders: std::sync::Arc::default(),
        protocol: crate::domain::event::Protocol::Ssh,
        share: None,
    }
}

fn removed(user: &str, path: &str) -> Event {
    Event::Removed {
        who: who(user),
        path: VirtualPath::parse(path.as_bytes()).unwrap(),
    }
}

fn forbidden(user: &str, operation: &'static str, path: &str) -> Event {
    Event::Forbidden {
        who: who(user),
        operation,
        path: VirtualPath::parse(path.as_bytes()).unwrap(),
    }
}

fn closed(user: &str) -> Event {
    Event::Closed {
        who: who(user),
        path: VirtualPath::parse(b"f").unwrap(),
        file: FileUse {
            is_for_writing: false,
            bytes_read: 0,
            bytes_written: 0,
            duration: Duration::ZERO,
            end: FileEnd::Client,
            size: None,
        },
    }
}

/// Ignores whether an event was lost.
fn ignore(_first_lost: bool) {}

fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns how many events of a user are in a batch.
fn of(batch: &EventBatch, user: &str) -> usize {
    let theirs = |entry: &&QueuedEvent| entry.event.user().is_some_and(|name| name.as_str() == user);
    batch.entries.iter().filter(theirs).count()
}

#[test]
fn a_flood_of_one_user_costs_others_nothing() {
    let queue = EventQueue::new(CAPACITY);
    let mut told = 0;
    for _ in 0..10_000 {
        told += usize::from(queue.push(now(), &removed("flood", "x")));
    }
    // The loss is reported once, not ten thousand times.
    assert_eq!(told, 1);
    for user in ["alice", "bobby"] {
        for _ in 0..10 {
            assert!(!queue.push(now(), &removed(user, "y")));
        }
    }
    let batch = queue.take(1000);
    assert_eq!(
        (of(&batch, "flood"), of(&batch, "alice"), of(&batch, "bobby")),
        (50, 10, 10)
    );
    assert_eq!(batch.lost, 9950);
    // The user's part of the queue is free again.
    assert!(!queue.push(now(), &removed("flood", "x")));
}

#[test]
fn several_who_flood_leave_something_to_a_newcomer() {
    let queue = EventQueue::new(CAPACITY);
    for user in ["a", "b", "c"] {
        for _ in 0..1000 {
            queue.push(now(), &removed(user, "x"));
        }
    }
    assert!((0..6).all(|_| !queue.push(now(), &removed("honest", "y"))));
    let batch = queue.take(1000);
    assert_eq!(of(&batch, "honest"), 6);
}

#[test]
fn ends_have_room_of_their_own() {
    let queue = EventQueue::new(CAPACITY);
    (0..1000).for_each(|_| ignore(queue.push(now(), &removed("flood", "x"))));
    (0..12).for_each(|_| ignore(queue.push(now(), &closed("flood"))));
    let batch = queue.take(1000);
    let ends = batch
        .entries
        .iter()
        .filter(|entry| entry.event.is_closing())
        .count();
    assert_eq!((ends, batch.lost), (12, 950));
}

#[test]
fn what_operators_do_has_room_in_a_flood_of_strangers() {
    let queue = EventQueue::new(CAPACITY);
    let refused = Event::Refused {
        peer: "127.0.0.1:1".parse().unwrap(),
        code: "not_ssh",
        reason: "x".to_owned(),
        count: 1,
    };
    (0..1000).for_each(|_| ignore(queue.push(now(), &refused)));
    let admin = Event::Admin(Box::new(AdminRecord {
        by: Operator {
            uid: 0,
            sudo_user: None,
            web_user: None,
        },
        act: AdminAct {
            what: "user disable".to_owned(),
            name: "calvin".to_owned(),
            before: Vec::new(),
            after: Vec::new(),
        },
    }));
    (0..12).for_each(|_| ignore(queue.push(now(), &admin)));
    let batch = queue.take(1000);
    let is_admin = |entry: &&QueuedEvent| matches!(entry.event, Event::Admin(_));
    assert_eq!(batch.entries.iter().filter(is_admin).count(), 12);
}

#[test]
fn bytes_are_bounded_as_well_and_long_texts_are_cut_first() {
    let queue = EventQueue::new(QueueCapacity {
        events: 1_000_000,
        bytes: 1 << 20,
    });
    for _ in 0..2_000 {
        let event = Event::Command {
            who: who("flood"),
            command: vec![b'x'; 60_000],
            exit_status: Some(0),
        };
        queue.push(now(), &event);
    }
    let batch = queue.take(usize::MAX);
    let bytes: usize = batch
        .entries
        .iter()
        .map(|entry| size_of::<QueuedEvent>() + entry.event.heap_bytes())
        .sum();
    assert!(
        batch.entries.len() > 200 && bytes <= 1 << 19,
        "{} in {bytes}",
        batch.entries.len()
    );
    for entry in &batch.entries {
        let Event::Command { command, .. } = &entry.event else {
            panic!()
        };
        assert!(command.len() <= 2048 && command.capacity() <= 2048);
    }
}

#[test]
fn no_event_is_larger_than_two_paths() {
    let long = "\u{10ffff}".repeat(100_000);
    let events = [
        Event::Denied {
            peer: "127.0.0.1:1".parse().unwrap(),
            user: long.clone(),
            method: "password",
            code: "unknown_user",
            reason: long.clone(),
        },
        Event::SignedIn {
            who: who("alice"),
            method: "publickey".to_owned(),
            client: long.clone(),
            algorithms: Box::default(),
            certificate: None,
            recovery_codes_left: None,
        },
        Event::Linked {
            who: who("alice"),
            target: long.clone().into_bytes(),
            link: VirtualPath::parse(&[b'x'; 4095]).unwrap(),
        },
        Event::OverQuota {
            who: who("alice"),
            path: VirtualPath::parse(&[b'x'; 4095]).unwrap(),
            sentence: long,
        },
    ];
    for event in events {
        let bytes = event.for_later().heap_bytes();
        assert!(bytes <= 2 * 4096 + 64, "{bytes}");
    }
}

#[test]
fn the_same_refusal_is_one_event_a_second() {
    let queue = EventQueue::new(CAPACITY);
    // The test uses its own clock, which is so far ahead that no second of it ends by itself during the test.
    let ahead = Instant::now() + Duration::from_secs(3600);
    let push = |event: &Event| ignore(queue.push_at(ahead, now(), event));
    let second_later = |seconds: u32| {
        queue.state().put_sums(CAPACITY, ahead + seconds * SUM_FOR);
        queue.wake();
        let batch = queue.take(1000);
        assert_eq!(batch.lost, 0);
        batch.entries
    };
    let counts = |entries: &[QueuedEvent]| entries.iter().map(|entry| entry.count).collect::<Vec<_>>();
    for n in 0..5000 {
        push(&forbidden("flood", "remove", &format!("x{n}")));
        push(&forbidden("flood", "rename", "y"));
    }
    push(&forbidden("bob", "remove", "z"));
    // The first ones are reported at once and separately; the rest follow when the second is over.
    assert_eq!(counts(&second_later(0)), [1, 1, 1]);
    let rest = second_later(1);
    assert_eq!(counts(&rest), [4999, 4999]);
    let Event::Forbidden { path, .. } = &rest[0].event else {
        panic!()
    };
    assert_eq!(path.absolute(), b"/x4999");
    // No summary follows, and a later event is reported at once again.
    assert!(second_later(2).is_empty());
    push(&forbidden("flood", "remove", "x"));
    assert_eq!(counts(&second_later(2)), [1]);
}

/// This uses the machine's clock, and no other event wakes the subscriber.
#[test]
fn summaries_are_reported_when_their_second_is_over() {
    let queue = EventQueue::new(CAPACITY);
    (0..2).for_each(|_| ignore(queue.push(now(), &forbidden("flood", "remove", "x"))));
    let mut counts = Vec::new();
    while counts.len() < 2 {
        let batch = queue.take(1000);
        counts.extend(batch.entries.iter().map(|entry| entry.count));
    }
    assert_eq!(counts, [1, 1]);
}

#[test]
fn commands_that_there_are_not_are_summed_up_and_others_are_not() {
    let queue = EventQueue::new(CAPACITY);
    let command = |exit_status| Event::Command {
        who: who("flood"),
        command: b"whoami".to_vec(),
        exit_status,
    };
    for _ in 0..10 {
        ignore(queue.push(now(), &command(Some(COMMAND_NOT_FOUND))));
        ignore(queue.push(now(), &command(Some(0))));
        ignore(queue.push(now(), &command(None)));
    }
    queue.close();
    let refused = |entry: &QueuedEvent| {
        matches!(
            entry.event,
            Event::Command {
                exit_status: Some(COMMAND_NOT_FOUND),
                ..
            }
        )
    };
    let (refused, others): (Vec<QueuedEvent>, Vec<QueuedEvent>) =
        queue.take(1000).entries.into_iter().partition(refused);
    let counts: Vec<u64> = refused.iter().map(|entry| entry.count).collect();
    assert_eq!((counts, others.len()), (vec![1, 9], 20));
}

#[test]
fn what_is_summed_up_is_not_lost_at_the_end() {
    let queue = EventQueue::new(CAPACITY);
    (0..7).for_each(|_| ignore(queue.push(now(), &forbidden("flood", "remove", "x"))));
    queue.close();
    let batch = queue.take(1000);
    let counts: Vec<u64> = batch.entries.iter().map(|entry| entry.count).collect();
    assert_eq!((counts, batch.ended), (vec![1, 6], true));
}

#[tokio::test]
async fn who_fills_their_part_waits_once_and_no_longer_than_two_seconds() {
    let queue = EventQueue::new(CAPACITY);
    let (flood, bob) = (
        queue.backpressure(&"flood".parse().unwrap()),
        queue.backpressure(&"bob".parse().unwrap()),
    );
    (0..30).for_each(|_| ignore(queue.push(now(), &removed("flood", "x"))));
    assert!(!flood.is_applied());
    (0..10).for_each(|_| ignore(queue.push(now(), &removed("flood", "x"))));
    assert!(flood.is_applied() && !bob.is_applied());
    let mut waiting = Box::pin(flood.wait());
    let at_once = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
    assert!(at_once.is_err(), "it does not wait");
    // Without a limit, the wait would never end.
    tokio::time::timeout(50 * MAX_WAIT, &mut waiting).await.unwrap();
    drop(waiting);
    // From here on, sessions continue even if events are lost.
    assert!(!flood.is_applied());
    (0..100).for_each(|_| ignore(queue.push(now(), &removed("flood", "x"))));
    assert!(!flood.is_applied());
    // The disk works again.
    assert_eq!(queue.take(1000).lost, 90);
    (0..40).for_each(|_| ignore(queue.push(now(), &removed("flood", "x"))));
    assert!(flood.is_applied());
    let waiting = tokio::spawn(async move { flood.wait().await });
    // There is one thread, so a task that is woken runs when the others yield.
    let others = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    queue.take(10);
    others().await;
    assert!(!waiting.is_finished());
    queue.take(20);
    others().await;
    assert!(waiting.is_finished());
}

#[test]
fn users_who_hold_nothing_are_forgotten() {
    let queue = EventQueue::new(CAPACITY);
    for n in 0..3 * REMEMBERED {
        drop(queue.backpressure(&format!("user{n}").parse().unwrap()));
    }
    assert!(queue.state().owners.len() <= REMEMBERED + 1);
}
