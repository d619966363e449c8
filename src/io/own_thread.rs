//! Threads that serve one session alone. A call on a file system there needs no slot of the event loop, since nobody else
//! waits for the thread; the watchdog observes the call in a slot that belongs to the thread.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{STUCK, Shared, micros};

thread_local! {
    /// The slot of this thread, while it polls a session that it serves alone.
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The slots of the threads that serve sessions, numbered from 0.
#[derive(Clone)]
pub struct ThreadSlots(pub(super) Arc<Shared>);

impl ThreadSlots {
    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.0.thread_slots.len()
    }

    /// Returns whether the thread with this slot hangs in a file system.
    pub fn is_stuck(&self, number: usize) -> bool {
        let since = self
            .0
            .thread_slots
            .get(number)
            .map_or(0, |slot| slot.since.load(Ordering::Acquire));
        since != 0 && self.0.now().saturating_sub(since - 1) >= micros(STUCK)
    }
}

/// Until it is dropped, calls on file systems by this thread take the thread's own slot.
pub struct OwnSlotGuard(());

/// Lets this thread take slot `number` for its calls, or a slot of the event loop if that is `None`.
pub fn enter(number: Option<usize>) -> OwnSlotGuard {
    SLOT.set(number);
    OwnSlotGuard(())
}

impl Drop for OwnSlotGuard {
    fn drop(&mut self) {
        SLOT.set(None);
    }
}

/// Returns the slot of this thread, if it has one now.
pub(super) fn slot() -> Option<usize> {
    SLOT.get()
}
