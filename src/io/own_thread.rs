//! Notes which thread serves sessions alone or together, apart from the event loop. A call on a file system there needs
//! no slot of the event loop; the watchdog observes the call in a slot that belongs to the thread.

use std::cell::Cell;

/// The slot of a thread that serves sessions.
#[derive(Debug, Clone, Copy)]
pub struct OwnSlot {
    /// The number of the slot, which no other thread has.
    pub number: usize,
    /// Whether the thread serves one session alone, so that nobody else waits for it.
    pub alone: bool,
}

thread_local! {
    /// The slot of this thread, while it polls a session.
    static SLOT: Cell<Option<OwnSlot>> = const { Cell::new(None) };
}

/// Until it is dropped, calls on file systems by this thread take the thread's own slot.
pub struct OwnSlotGuard(());

/// Lets this thread take its own slot for its calls.
pub fn enter(slot: OwnSlot) -> OwnSlotGuard {
    SLOT.set(Some(slot));
    OwnSlotGuard(())
}

impl Drop for OwnSlotGuard {
    fn drop(&mut self) {
        SLOT.set(None);
    }
}

/// Returns the slot of this thread, if it has one now.
pub(super) fn slot() -> Option<OwnSlot> {
    SLOT.get()
}
