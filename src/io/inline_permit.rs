//! The permission to be inside a file system on a thread of the event loop, or on one that serves sessions.

use super::clock::Clock;
use super::slots::Slot;

/// The permission to be inside the file system on a thread of the event loop.
pub struct InlinePermit<'a> {
    slot: &'a Slot,
    clock: &'a Clock,
    alone: bool,
}

impl<'a> InlinePermit<'a> {
    /// Creates the permission for a slot that was taken. `alone` says whether the thread serves one session alone.
    pub(super) fn new(slot: &'a Slot, clock: &'a Clock, alone: bool) -> Self {
        Self { slot, clock, alone }
    }

    /// Returns whether the thread serves one session alone, so that nobody else waits while it is inside.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Notes that another call begins with this permit, which may wait as long as one call may.
    pub fn next_call(&self) {
        if self.alone {
            self.slot.take_again(self.clock.now());
        }
    }
}

impl Drop for InlinePermit<'_> {
    fn drop(&mut self) {
        self.slot.release();
    }
}
