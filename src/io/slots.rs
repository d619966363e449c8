//! Slots for threads that are inside a file system: a watchdog sees since when each is taken, and for which file
//! system.

use std::sync::atomic::{AtomicU64, Ordering};

/// A fixed number of slots. Times are microseconds since a common start.
pub(super) struct Slots(Box<[Slot]>);

/// One slot. It is free again when [`Slot::release`] is called.
#[derive(Default)]
pub(super) struct Slot {
    /// 0 while the slot is free. Otherwise the time at which it was taken, plus one.
    since: AtomicU64,
    device: AtomicU64,
}

/// A slot that is taken, as the watchdog sees it.
pub(super) struct TakenSlot {
    /// The microseconds since it was taken.
    pub(super) age: u64,
    /// The `st_dev` of the file system.
    pub(super) device: u64,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Slot::default()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes any free slot for a call on a file system; `None` if all are taken.
    pub(super) fn take(&self, now: u64, device: u64) -> Option<&Slot> {
        self.0.iter().find(|slot| slot.take(now, device))
    }

    /// Takes slot `number`, if it is free.
    pub(super) fn take_nth(&self, number: usize, now: u64, device: u64) -> Option<&Slot> {
        self.0.get(number).filter(|slot| slot.take(now, device))
    }

    /// Returns the microseconds since slot `number` was taken, if it is.
    pub(super) fn age_of(&self, number: usize, now: u64) -> Option<u64> {
        self.0.get(number)?.taken(now).map(|taken| taken.age)
    }

    /// Returns the slots that are taken.
    pub(super) fn taken(&self, now: u64) -> impl Iterator<Item = TakenSlot> + '_ {
        self.0.iter().filter_map(move |slot| slot.taken(now))
    }
}

impl Slot {
    fn take(&self, now: u64, device: u64) -> bool {
        let taken = self
            .since
            .compare_exchange(0, now + 1, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.device.store(device, Ordering::Relaxed);
        }
        taken
    }

    /// Begins the time anew for a slot that is taken.
    pub(super) fn take_again(&self, now: u64) {
        self.since.store(now + 1, Ordering::Release);
    }

    fn taken(&self, now: u64) -> Option<TakenSlot> {
        let since = self.since.load(Ordering::Acquire).checked_sub(1)?;
        Some(TakenSlot {
            age: now.saturating_sub(since),
            device: self.device.load(Ordering::Relaxed),
        })
    }

    /// Makes the slot free for other calls.
    pub(super) fn release(&self) {
        self.since.store(0, Ordering::Release);
    }
}
