//! The effect of a measurement on an account, and the requests for one.

use parking_lot::MutexGuard;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::Account;
use super::usage::{AT_CEILING, EXACT, STAYS_AT_CEILING, UNKNOWN, UNMEASURABLE};
use crate::storage::backend::Unreadable;

impl Account {
    pub(crate) fn lock_measuring(&self) -> MutexGuard<'_, ()> {
        self.measuring.lock()
    }

    /// Returns whether a measurement is due that was not requested yet, and clears the flag.
    pub(crate) fn take_invalidation(&self) -> bool {
        self.invalidated.swap(false, Ordering::SeqCst)
    }

    pub(super) fn ask_for_measure(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.helpers.measurer.notify_one();
    }

    /// Returns whether a change waits for a measurement that has not begun, and clears the flag.
    pub(crate) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// Returns whether a measurement is due.
    pub(crate) fn is_invalidated(&self) -> bool {
        self.invalidated.load(Ordering::SeqCst)
    }

    /// Returns the entries that the last measurement could not read.
    pub fn unreadable(&self) -> Unreadable {
        self.unreadable.lock().clone()
    }

    /// Sets the entries that a measurement could not read. Returns whether they were the same before.
    pub(crate) fn set_unreadable(&self, unreadable: &Unreadable) -> bool {
        let mut known = self.unreadable.lock();
        let same = *known == *unreadable;
        known.clone_from(unreadable);
        same
    }

    /// Sets the use to what was measured. The caller blocks all changes.
    pub(crate) fn measured(&self, bytes: u64, files: u64) {
        self.bytes.used.store(bytes, Ordering::Release);
        self.files.used.store(files, Ordering::Release);
        *self.measured_at() = Some(Timestamp::now());
        self.activity.fetch_add(1, Ordering::Relaxed);
        self.accuracy.store(EXACT, Ordering::Release);
        // The store's number may be too low now, if the operator has put files into the home.
        self.request_ceiling();
        self.notify_progress();
    }

    pub(crate) fn measured_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.measured_at.lock()
    }

    /// Marks the account as not measurable, unless its number was exact.
    pub(crate) fn cannot_be_measured(&self) {
        for (from, to) in [(AT_CEILING, STAYS_AT_CEILING), (UNKNOWN, UNMEASURABLE)] {
            let _ = self
                .accuracy
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        }
        self.notify_progress();
    }
}
