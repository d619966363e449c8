//! The account of one home: its use, its limits, and what is recorded about it in the store.
//!
//! There are three numbers for bytes and three for files, all of them atomics: *used* never passes *limit*, and never
//! passes *ceiling*, which is at most the number in the store. So after a crash the store's number is never below the
//! true use.
//!
//! An account is in one of these states:
//! - *clean*: the store has the exact use, marked as exact. The mark is removed before anything changes.
//! - *open*: the store has a ceiling; the use is exact in memory.
//! - *loaded at its ceiling*: after a crash the ceiling counts as the use until the home has been measured. Growth
//!   that fits under the limit even so is allowed; other growth waits for the measurement.
//! - *unknown*: the home was never measured. If there is a limit, nothing may grow before the measurement.
//! - *unmeasurable*: the home cannot be walked. If there is a limit, only growth that fits under a ceiling known
//!   before is allowed.
//!
//! Growth that does not fit is refused only after the home was measured again (`account/measurements.rs`), since the
//! host's own programs truncate, move and delete files in homes too.
//!
//! Locks are taken in this order: names, then the size of one inode, then the records (`inodes`). No lock is held
//! while waiting for the store or for a measurement, which needs all of them: an attempt that does not fit is given
//! up as a whole, and [`Account::retry_until`] tries it again. A change holds a [`Change`] all the time, which keeps
//! the account from becoming clean in the middle of it.

mod change_tracker;
mod counters;
mod measurements;
mod meter;
mod names;
mod progress;
mod schedule;
mod storage_state;
mod usage;

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::user::Quota;
use crate::storage::backend::Sum;
use crate::storage::location::Location;
use crate::storage::{Error, InodeId, Result, Wait};
use crate::store::UsageRecord;

pub use self::change_tracker::Change;
use self::change_tracker::ChangeTracker;
use self::counters::{Counters, Resource};
use self::measurements::Measurements;
use self::names::Names;
pub(super) use self::names::NamesGuard;
use self::progress::{MAX_WAIT, Progress};
pub use self::schedule::RetryLimits;
use self::storage_state::StorageState;
pub use self::usage::{Usage, UsageAccuracy};
use super::disk::Disk;
use super::id::{AccountId, AccountSpec};
use super::inode::{InodeOwner, Inodes};

/// The account of one home.
pub struct Account {
    id: AccountId,
    location: Location,
    /// The use when it was loaded.
    pub at_load: Option<Usage>,
    counters: Counters,
    pub(super) changes: ChangeTracker,
    pub(super) measurements: Measurements,
    pub(super) storage: StorageState,
    pub(super) names: Names,
    inodes: Mutex<Inodes>,
    progress: Progress,
    /// Cancelled when the server shuts down.
    quit: CancellationToken,
}

/// Wakes the tasks that work for accounts.
#[derive(Clone)]
pub(super) struct Helpers {
    /// Wakes the keeper, which writes to the store.
    pub(super) keeper: Arc<Notify>,
    /// Wakes the task that starts measurements.
    pub(super) measurer: Arc<Notify>,
    /// Cancelled when the server shuts down.
    pub(super) quit: CancellationToken,
}

impl Account {
    /// Creates an account from its record in the store. Without a record, the home has to be measured before anything
    /// may grow up to a limit.
    pub(super) fn load(spec: &AccountSpec, record: Option<&UsageRecord>, helpers: &Helpers) -> Self {
        let measured_at = record.and_then(|record| record.measured_at);
        Self {
            id: spec.id.clone(),
            location: spec.location.clone(),
            at_load: Usage::at_load(record, spec.quota),
            counters: Counters::load(spec.quota, record),
            changes: ChangeTracker::new(Arc::clone(&helpers.keeper)),
            measurements: Measurements::new(measured_at, Arc::clone(&helpers.measurer)),
            storage: StorageState::default(),
            names: Names::default(),
            inodes: Mutex::default(),
            progress: Progress::default(),
            quit: helpers.quit.clone(),
        }
    }

    /// Returns the id of the account.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// Returns the place that is charged to the account.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the current use, limits and accuracy.
    pub fn usage(&self) -> Usage {
        self.counters.usage()
    }

    pub(super) fn accuracy(&self) -> UsageAccuracy {
        self.counters.accuracy()
    }

    /// Applies new limits at once. Limits below the use stop growth, and nothing else.
    pub fn set_quota(&self, quota: Quota) {
        self.counters.set_quota(quota);
        self.progress.notify();
    }

    /// Waits until all growth that an earlier limit allowed is written. May block on the disk.
    pub fn wait_for_growth(&self) {
        // A call that reserves holds the lock of the file or of the names until the write is done.
        let open = self.lock_inodes().open();
        for inode in &open {
            drop(inode.lock(Wait::Allowed));
        }
        drop(self.names.lock_unchanged_blocking());
    }

    /// Begins a change, after which the store's number counts only as a ceiling.
    ///
    /// # Errors
    /// Returns `NotRecorded` until the keeper has recorded a ceiling. Use this inside [`Account::retry_until`].
    pub fn begin(&self) -> Result<Change<'_>> {
        self.changes.begin()
    }

    /// Charges bytes before they are written.
    ///
    /// # Errors
    /// Fails as [`Account::begin`] does, with `Measuring`, or with the reason why there is no room.
    pub fn reserve_bytes(&self, _change: &Change<'_>, amount: u64) -> Result<()> {
        self.reserve(Resource::Bytes, amount)
    }

    /// Charges a file, directory or link before it is made.
    ///
    /// # Errors
    /// Fails as [`Account::reserve_bytes`] does.
    pub fn reserve_file(&self, _change: &Change<'_>) -> Result<()> {
        self.reserve(Resource::Files, 1)
    }

    fn reserve(&self, what: Resource, amount: u64) -> Result<()> {
        self.storage.may_grow()?;
        let added = self.counters.add(what, amount);
        let needs_ceiling = match added {
            Ok(()) => self.counters.runs_low(what),
            Err(reason) => reason == Error::NotRecorded,
        };
        if needs_ceiling {
            self.changes.request_ceiling();
        }
        added
    }

    /// Releases bytes that are not used any more.
    pub fn release_bytes(&self, _change: &Change<'_>, amount: u64) {
        self.release(Resource::Bytes, amount);
    }

    /// Releases a file, directory or link that was removed or was not made.
    pub fn release_file(&self, _change: &Change<'_>) {
        self.release(Resource::Files, 1);
    }

    fn release(&self, what: Resource, amount: u64) {
        if !self.counters.subtract(what, amount) {
            // More was removed than was counted, so other programs have put files into the home.
            self.invalidate();
        }
    }

    /// Runs a change that may find no room until the keeper has written to the store or until the home was measured.
    /// It is then tried again from the start, and no lock is held meanwhile. `attempt` must have no effect if it
    /// fails for want of room, of a ceiling or of a measurement. The client gets that error when the time is over.
    ///
    /// # Errors
    /// Fails as `attempt` does; returns `WouldBlock` instead of waiting unless it has [`Wait::Allowed`].
    pub fn retry_until<T>(
        &self,
        limits: impl Into<RetryLimits>,
        attempt: impl Fn() -> Result<T>,
    ) -> Result<T> {
        let limits = limits.into();
        let mut deadline = None;
        // The number of the first measurement that covers the state at the first refusal.
        let mut decisive = None;
        loop {
            // Read this before the attempt, so that no change between the two is missed.
            let seen = self.progress.seen();
            match attempt() {
                Err(reason @ (Error::NotRecorded | Error::Measuring)) => {
                    if limits.wait != Wait::Allowed {
                        return Err(Error::WouldBlock);
                    }
                    if reason == Error::Measuring {
                        self.measurements.ask_now();
                    }
                    let end = *deadline.get_or_insert_with(|| Instant::now() + MAX_WAIT);
                    if !self.progress.wait(seen, end) {
                        return Err(reason);
                    }
                }
                Err(refusal @ (Error::OverBytes { .. } | Error::OverFiles { .. } | Error::Unmeasurable)) => {
                    let decisive = *decisive.get_or_insert_with(|| self.measurements.begun() + 1);
                    let decided = self.measurements.ended() >= decisive;
                    if decided || !self.measurements.wait_for_next(&self.progress, limits)? {
                        return Err(refusal);
                    }
                }
                Err(error @ (Error::DiskFull | Error::DiskQuota)) => {
                    self.storage.no_space(&self.location, error);
                    return Err(error);
                }
                result => return result,
            }
        }
    }

    /// Waits for a measurement in progress, so that the reported use is exact. If that takes too long, the ceiling is
    /// reported instead, which is never below the use.
    ///
    /// # Errors
    /// Returns `WouldBlock` instead of waiting unless it has [`Wait::Allowed`].
    pub fn wait_until_measured(&self, wait: Wait) -> Result<()> {
        let measured = self.retry_until(wait, || match self.counters.awaits_measurement() {
            true => Err(Error::Measuring),
            false => Ok(()),
        });
        match measured {
            Err(Error::Measuring) => Ok(()),
            measured => measured,
        }
    }

    /// Sets the use to what was measured. The caller blocks all changes.
    pub(super) fn measured(&self, sum: &Sum) {
        self.counters.set_measured(sum);
        self.measurements.set_measured_at(Timestamp::now());
        self.changes.note_activity();
        // The store's number may be too low now, if the operator has put files into the home.
        self.changes.request_ceiling();
        self.progress.notify();
    }

    /// Marks the account as not measurable, unless its number was exact.
    pub(super) fn cannot_be_measured(&self) {
        self.counters.set_unmeasurable();
        self.progress.notify();
    }

    /// Notes that a measurement has ended, with or without success.
    pub(super) fn measure_ended(&self, begun: Instant, found_room: bool) {
        self.measurements.end(begun, found_room);
        self.progress.notify();
    }

    /// Returns the record to write so that changes can continue; `None` if no record is wanted.
    pub(super) fn wanted_record(&self) -> Option<UsageRecord> {
        self.changes.take_wanted().then(|| UsageRecord {
            bytes: self.counters.next_ceiling(Resource::Bytes),
            files: self.counters.next_ceiling(Resource::Files),
            exact: false,
            ..self.exact_record()
        })
    }

    fn exact_record(&self) -> UsageRecord {
        let used = self.usage();
        UsageRecord {
            home: self.id.store_key().to_owned(),
            bytes: used.bytes,
            files: used.files,
            exact: true,
            measured_at: self.measurements.measured_at(),
        }
    }

    /// Notes that a ceiling is on the disk, and lets changes continue.
    pub(super) fn ceiling_written(&self, record: &UsageRecord) {
        self.counters.set_ceilings(record);
        self.reopen();
    }

    /// Blocks changes so that the exact use can be recorded. Returns `None` if changes are in progress, or if the use
    /// is not exact.
    ///
    /// Changes that come now wait until the mark is removed again by [`Account::ceiling_written`].
    pub(super) fn close_for_exact(&self) -> Option<UsageRecord> {
        let is_exact = self.accuracy() == UsageAccuracy::Exact && !self.measurements.is_invalidated();
        if !is_exact || !self.changes.close() {
            return None;
        }
        if !self.changes.is_at_rest() {
            self.reopen();
            return None;
        }
        Some(self.exact_record())
    }

    /// Lets changes continue: the store has a ceiling, also because the exact use could not be recorded.
    pub(super) fn reopen(&self) {
        self.changes.open();
        self.progress.notify();
    }

    /// Notes that the exact use is on the disk. A ceiling must be recorded before anything grows.
    pub(super) fn exact_written(&self, record: &UsageRecord) {
        self.counters.set_ceilings(record);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.quit.is_cancelled()
    }

    /// Handles the loss of an inode's last name. Its charge is released now, or when its last handle is closed.
    /// `size` is called only if no handle has the inode open, so that its size cannot change.
    pub(super) fn name_gone(&self, change: &Change<'_>, id: InodeId, size: impl FnOnce() -> u64) {
        // Dropping a record takes the lock again, so the record must outlive the guard.
        let open = self.lock_inodes().get(id);
        match open {
            Some(inode) if !inode.is_removed() => inode.set_removed(),
            old => {
                drop(old);
                self.lock_inodes().name_gone();
                self.release_bytes(change, size());
                self.release_file(change);
            }
        }
    }

    /// Records whether the storage has this server's marker. Without the marker growth stops, and nothing else.
    pub fn set_owned(&self, owned: bool) {
        self.storage.foreign.store(!owned, Ordering::Relaxed);
    }

    /// Records the disk that the home lies on.
    pub fn set_disk(&self, disk: Arc<Disk>) {
        // The disk stays the same while the server runs. If it does change, the only effect is a line in the log.
        let _ = self.storage.disk.set(disk);
    }
}

impl InodeOwner for Account {
    fn lock_inodes(&self) -> MutexGuard<'_, Inodes> {
        self.inodes.lock()
    }

    fn invalidate(&self) {
        self.measurements.invalidate();
    }

    fn orphaned(&self) {
        self.changes.orphan_made();
    }

    fn orphan_gone(&self, bytes: u64) {
        self.release(Resource::Bytes, bytes);
        self.release(Resource::Files, 1);
        self.changes.note_activity();
        // This comes last: an account with an orphan does not become clean.
        self.changes.orphan_gone();
    }

    fn stray_found(&self) {
        self.changes.orphan_gone();
    }

    fn stray_gone(&self) {
        self.invalidate();
        self.changes.orphan_gone();
    }
}
