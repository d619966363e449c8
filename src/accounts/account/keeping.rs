//! The part of an account that the keeper uses.

use std::sync::atomic::Ordering;

use super::usage::UsageAccuracy;
use super::{AHEAD_BYTES, AHEAD_FILES, Account};
use crate::store::UsageRecord;

/// The keeper's operations on an account. Only the keeper writes to the store.
impl Account {
    /// Returns the record to write so that changes can continue; `None` if no record is wanted.
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

    /// Notes that a ceiling is on the disk.
    pub(crate) fn ceiling_written(&self, record: &UsageRecord) {
        self.bytes.ceiling.store(record.bytes, Ordering::Release);
        self.files.ceiling.store(record.files, Ordering::Release);
        self.needs_ceiling.store(false, Ordering::SeqCst);
        self.notify_progress();
    }

    /// Notes that the store could not be written: the record is still wanted, and waiting changes may wait on.
    pub(crate) fn not_written(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    pub(crate) fn needs_ceiling(&self) -> bool {
        self.needs_ceiling.load(Ordering::SeqCst)
    }

    /// Blocks changes so that the exact use can be recorded. Returns `None` if changes are in progress, or if the use
    /// is not exact.
    ///
    /// Changes that come now wait until the mark is removed again by [`Account::ceiling_written`].
    pub(crate) fn close_for_exact(&self) -> Option<UsageRecord> {
        if self.accuracy() != UsageAccuracy::Exact
            || self.invalidated.load(Ordering::SeqCst)
            || self.needs_ceiling.swap(true, Ordering::SeqCst)
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

    /// Returns how many times changes were blocked.
    pub(crate) fn closings(&self) -> u64 {
        self.closings.load(Ordering::Relaxed)
    }

    /// Notes that the exact use could not be recorded, so the store's number is still a ceiling.
    pub(crate) fn reopen(&self) {
        self.needs_ceiling.store(false, Ordering::SeqCst);
        self.notify_progress();
    }

    /// Notes that the exact use is on the disk. A ceiling must be recorded before anything grows.
    pub(crate) fn exact_written(&self, record: &UsageRecord) {
        self.bytes.ceiling.store(record.bytes, Ordering::Release);
        self.files.ceiling.store(record.files, Ordering::Release);
    }
}
