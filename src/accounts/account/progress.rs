//! Waits for an account to make progress: for the keeper to write to the store, or for a measurement.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest time that a client waits before it gets an error.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(5);

/// Wakes the calls that wait on threads of the blocking pool.
#[derive(Default)]
pub(super) struct Progress {
    /// Changes with `lock` held, so that no waiting thread misses it.
    count: AtomicU64,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Progress {
    /// Returns the current count of progress.
    pub(super) fn seen(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Wakes the waiting calls, because trying again may succeed now.
    pub(super) fn notify(&self) {
        let lock = self.lock.lock();
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(lock);
        self.moved.notify_all();
    }

    /// Waits until the count has passed `seen`. Returns `false` if that did not happen before `end`.
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
