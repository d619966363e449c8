//! The keeper's side of an account.

use std::sync::atomic::Ordering;

use super::usage::UsageAccuracy;
use super::{AHEAD_BYTES, AHEAD_FILES, Account};
use crate::store::UsageRecord;

/// What the keeper does with an account: it alone writes to the store.
impl Account {
    /// What is to be written down so that changes can go on; `None`: nothing is wanted.
    pub(crate) fn wanted_record(&self) -> Option<UsageRecord> {
        self.wanted
            .swap(false, Ordering::SeqCst)
            .then(|| self.ceiling_record())
    }

    fn ceiling_record(&self) -> UsageRecord {
        UsageRecord {
            home: self.id.store_key().to_owned(),
            bytes: self.bytes.next_ceiling(AHEAD_BYTES),
            files: self.files.next_ceiling(AHEAD_FILES),
            exact: false,
            measured_at: *self.measured_at(),
        }
    }

    /// A ceiling is on the disk.
    pub(crate) fn ceiling_written(&self, record: &UsageRecord) {
        self.bytes.ceiling.store(record.bytes, Ordering::Release);
        self.files.ceiling.store(record.files, Ordering::Release);
        self.clean.store(false, Ordering::SeqCst);
        self.moved();
    }

    /// The store could not be written; those who wait may wait on, and somebody wants it still.
    pub(crate) fn not_written(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.clean.load(Ordering::SeqCst)
    }

    /// Keeps changes out, to write the use down exactly; `None` while there are any, or where it is not exact.
    ///
    /// Changes that come now wait until the mark is taken away again: by [`Account::ceiling_written`].
    pub(crate) fn close_for_exact(&self) -> Option<UsageRecord> {
        if self.accuracy() != UsageAccuracy::Exact
            || self.invalidated.load(Ordering::SeqCst)
            || self.clean.swap(true, Ordering::SeqCst)
        {
            return None;
        }
        if self.changing.load(Ordering::SeqCst) != 0 || self.orphans.load(Ordering::SeqCst) != 0 {
            self.reopen();
            return None;
        }
        self.closings.fetch_add(1, Ordering::Relaxed);
        let (bytes, files) = (self.bytes.used(), self.files.used());
        let measured_at = *self.measured_at();
        Some(UsageRecord {
            home: self.id.store_key().to_owned(),
            bytes,
            files,
            exact: true,
            measured_at,
        })
    }

    /// How often changes were kept out.
    pub(crate) fn closings(&self) -> u64 {
        self.closings.load(Ordering::Relaxed)
    }

    /// The exact use could not be written down: what the store has is still a ceiling.
    pub(crate) fn reopen(&self) {
        self.clean.store(false, Ordering::SeqCst);
        self.moved();
    }

    /// The exact use is on the disk: a ceiling must be written before anything grows.
    pub(crate) fn exact_written(&self, record: &UsageRecord) {
        self.bytes.ceiling.store(record.bytes, Ordering::Release);
        self.files.ceiling.store(record.files, Ordering::Release);
    }
}
