//! Notes which thread serves one session alone. A call on a file system there needs no slot of the event loop, since
//! nobody else waits for the thread; the watchdog observes the call in a slot that belongs to the thread.

use std::cell::Cell;

thread_local! {
    /// The slot of this thread, while it polls a session that it serves alone.
    static SLOT: Cell<Option<usize>> = const { Cell::new(None) };
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
