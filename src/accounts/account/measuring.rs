//! What a measure does to an account, and who asks for one.

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

    /// Is a measure due that nobody has asked for yet? Says so once.
    pub(crate) fn take_invalidation(&self) -> bool {
        self.invalidated.swap(false, Ordering::SeqCst)
    }

    pub(super) fn ask_for_measure(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.helpers.measurer.notify_one();
    }

    /// Does somebody wait for a measure that was not begun? Says so once.
    pub(crate) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// Is a measure due, whoever will ask for it?
    pub(crate) fn is_invalidated(&self) -> bool {
        self.invalidated.load(Ordering::SeqCst)
    }

    /// What the last measure could not look into.
    pub fn unreadable(&self) -> Unreadable {
        self.unreadable.lock().clone()
    }

    /// What a measure could not look into; was that so before?
    pub(crate) fn set_unreadable(&self, unreadable: &Unreadable) -> bool {
        let mut known = self.unreadable.lock();
        let same = *known == *unreadable;
        known.clone_from(unreadable);
        same
    }

    /// The home was measured. The caller keeps all change out.
    pub(crate) fn measured(&self, bytes: u64, files: u64) {
        self.bytes.used.store(bytes, Ordering::Release);
        self.files.used.store(files, Ordering::Release);
        *self.measured_at() = Some(Timestamp::now());
        self.activity.fetch_add(1, Ordering::Relaxed);
        self.accuracy.store(EXACT, Ordering::Release);
        // What the store has may be lower now, where the operator has put files into the home.
        self.want();
        self.moved();
    }

    pub(crate) fn measured_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.measured_at.lock()
    }

    /// A number that was exact stays so.
    pub(crate) fn cannot_be_measured(&self) {
        for (from, to) in [(AT_CEILING, STAYS_AT_CEILING), (UNKNOWN, UNMEASURABLE)] {
            let _ = self
                .accuracy
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        }
        self.moved();
    }
}
