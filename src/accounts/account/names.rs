//! The lock that serialises changes of names in a home.

use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::{Result, Wait};

/// The lock on the names of a home.
#[derive(Default)]
pub(crate) struct Names {
    lock: Mutex<()>,
    /// The number of changes, so that a measurement notices changed directories.
    changes: AtomicU64,
}

/// The right to change names, or to keep them unchanged.
pub(crate) struct NamesGuard<'a>(#[allow(dead_code, reason = "held, not used")] MutexGuard<'a, ()>);

impl Names {
    /// Locks the names to change one. Fails with `WouldBlock` if they are locked for longer than the call may wait.
    pub(crate) fn lock_to_change(&self, wait: Wait) -> Result<NamesGuard<'_>> {
        let guard = self.lock_unchanged(wait)?;
        self.changes.fetch_add(1, Ordering::Relaxed);
        Ok(guard)
    }

    /// Locks the names to keep them unchanged. Fails with `WouldBlock` if they are locked for longer than the call may
    /// wait.
    pub(crate) fn lock_unchanged(&self, wait: Wait) -> Result<NamesGuard<'_>> {
        Ok(NamesGuard(wait.lock(&self.lock)?))
    }

    /// Locks the names to keep them unchanged, once no other call changes them.
    pub(crate) fn lock_unchanged_blocking(&self) -> NamesGuard<'_> {
        NamesGuard(self.lock.lock())
    }

    /// Returns the number of times that names were changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}
