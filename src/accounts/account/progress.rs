//! Waiting for an account to move on: for the keeper to write to the store, or for a measure.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A client waits this long, then it hears why nothing happens.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Wakes those who wait on threads of the blocking pool.
#[derive(Default)]
pub(super) struct Progress {
    /// Moves with `lock` held, so that nobody falls asleep over it.
    count: AtomicU64,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Progress {
    /// How far it has come.
    pub(super) fn seen(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// It may be worth trying again.
    pub(super) fn moved(&self) {
        let lock = self.lock.lock();
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(lock);
        self.moved.notify_all();
    }

    /// Waits until it has come further than `seen`; `false`: not before `end`.
    pub(super) fn wait(&self, seen: u64, end: Instant) -> bool {
        let mut lock = self.lock.lock();
        while self.seen() == seen {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.moved.wait_for(&mut lock, left);
        }
        true
    }
}
