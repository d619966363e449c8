use std::time::Instant;

use super::*;
use own_thread::OwnSlot;

/// The slot of the first thread that serves sessions, which serves one alone.
const ALONE: OwnSlot = OwnSlot {
    number: 0,
    alone: true,
};

#[tokio::test]
async fn slots_bound_who_is_inside() {
    let scheduler = IoScheduler::new(2, 1, Handle::current()).unwrap();
    let filesystem = scheduler.of_device(1);
    let first = filesystem.enter().unwrap();
    let second = filesystem.enter().unwrap();
    assert!(filesystem.enter().is_none());
    drop(first);
    assert!(filesystem.enter().is_some());
    drop(second);
}

/// A value whose drop blocks until the barrier opens.
struct Sticky(Arc<std::sync::Barrier>, Arc<AtomicU64>);

impl Drop for Sticky {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.wait();
    }
}

#[tokio::test]
async fn closing_files_that_hang_takes_few_threads() {
    let scheduler = IoScheduler::new(2, 1, Handle::current()).unwrap();
    let filesystem = scheduler.of_device(1);
    let begun = Arc::<AtomicU64>::default();
    // The barrier opens once all closing threads and the test have reached it.
    let barrier = Arc::new(std::sync::Barrier::new(CLOSING_AT_ONCE + 1));
    for _ in 0..3 * CLOSING_AT_ONCE {
        filesystem.close(Sticky(Arc::clone(&barrier), Arc::clone(&begun)));
    }
    for round in 1..=3 {
        while filesystem.closing.available_permits() > 0 || begun.load(Ordering::SeqCst) < round * 16 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), round * CLOSING_AT_ONCE as u64);
        let barrier = Arc::clone(&barrier);
        tokio::task::spawn_blocking(move || barrier.wait()).await.unwrap();
    }
}

#[tokio::test]
async fn a_stuck_file_system_becomes_slow_and_others_do_not() {
    let scheduler = IoScheduler::new(2, 1, Handle::current()).unwrap();
    let (stuck, well) = (scheduler.of_device(1), scheduler.of_device(2));
    let permit = stuck.enter().unwrap();
    let began = Instant::now();
    while stuck.enter().is_some() {
        assert!(began.elapsed() < Duration::from_secs(100), "the watchdog sleeps");
        std::thread::sleep(TICK);
    }
    drop(permit);
    let slow = stuck.enter().is_none();
    // If the test itself was delayed for that long, this check proves nothing.
    assert!(slow || began.elapsed() >= SLOW_FOR, "slow for a while after");
    assert!(well.enter().is_some());
}

#[tokio::test]
async fn a_thread_of_its_own_needs_no_slot() {
    let scheduler = IoScheduler::new(1, 1, Handle::current()).unwrap();
    let slots = scheduler.thread_slots();
    let filesystem = scheduler.of_device(1);
    let shared = filesystem.enter().unwrap();
    assert!(filesystem.enter().is_none(), "the only slot is taken");
    let own = {
        let _own = own_thread::enter(ALONE);
        filesystem.enter().unwrap()
    };
    assert!(
        filesystem.enter().is_none(),
        "only while the thread polls a session of its own"
    );
    while !slots.is_stuck(0) {
        std::thread::sleep(TICK);
    }
    drop(own);
    assert!(!slots.is_stuck(0) && !slots.is_stuck(1));
    drop(shared);
}

#[tokio::test]
async fn a_thread_of_its_own_goes_the_slow_way_only_while_its_file_system_hangs() {
    let scheduler = IoScheduler::new(1, 1, Handle::current()).unwrap();
    let filesystem = scheduler.of_device(1);
    let _inside = filesystem.enter().unwrap();
    let began = Instant::now();
    let mut slow_before_hung = false;
    loop {
        let now = filesystem.shared.now();
        let slow = now < filesystem.slow_until.load(Ordering::Relaxed);
        let _own = own_thread::enter(ALONE);
        match filesystem.enter() {
            Some(permit) => drop(permit),
            None => break,
        }
        slow_before_hung |= slow;
        assert!(began.elapsed() < Duration::from_secs(100), "the watchdog sleeps");
        std::thread::sleep(TICK);
    }
    assert!(began.elapsed() >= HUNG && slow_before_hung);
}

#[tokio::test]
async fn sessions_that_share_a_thread_do_not_wait_and_its_hang_is_seen() {
    let scheduler = IoScheduler::new(0, 1, Handle::current()).unwrap();
    let slots = scheduler.thread_slots();
    let filesystem = scheduler.of_device(1);
    let _own = own_thread::enter(OwnSlot {
        alone: false,
        ..ALONE
    });
    let permit = filesystem.enter().unwrap();
    assert!(!permit.is_alone());
    while !slots.is_stuck(0) || filesystem.slow_until.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(TICK);
    }
    drop(permit);
    let slow = filesystem.enter().is_none();
    let until = filesystem.slow_until.load(Ordering::Relaxed);
    // If the test itself was delayed for that long, this check proves nothing.
    assert!(slow || filesystem.shared.now() >= until);
}

#[tokio::test]
async fn each_call_has_its_own_time() {
    let scheduler = IoScheduler::new(0, 1, Handle::current()).unwrap();
    let filesystem = scheduler.of_device(1);
    let _own = own_thread::enter(ALONE);
    let permit = filesystem.enter().unwrap();
    let age = || {
        let now = filesystem.shared.now();
        filesystem.shared.thread_slots.age_of(0, now).unwrap()
    };
    std::thread::sleep(TICK);
    let before = age();
    let called = filesystem.shared.now();
    permit.next_call();
    assert!(before >= micros(TICK));
    assert!(age() <= filesystem.shared.now() - called);
}
