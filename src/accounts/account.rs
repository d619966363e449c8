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
//! Growth that does not fit is refused only after the home was measured again (`account/retry.rs`), since the host's
//! own programs truncate, move and delete files in homes too.
//!
//! Locks are taken in this order: names, then the size of one inode, then the records (`inodes`). No lock is held
//! while waiting for the store or for a measurement, which needs all of them: an attempt that does not fit is given
//! up as a whole, and [`Account::retry_until`] tries it again. A change holds a [`Change`] all the time, which keeps
//! the account from becoming clean in the middle of it.

mod keeping;
mod measuring;
mod meter;
mod names;
mod progress;
mod retry;
mod schedule;
mod storage_state;
mod usage;

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::user::Quota;
use crate::storage::backend::Unreadable;
use crate::storage::location::Location;
use crate::storage::{Error, InodeId, Result, Wait};
use crate::store::UsageRecord;

use self::meter::{Exceeded, Meter, NO_LIMIT};
use self::names::Names;
pub(super) use self::names::NamesGuard;
use self::progress::Progress;
use self::schedule::MeasureSchedule;
pub use self::schedule::RetryLimits;
use self::storage_state::StorageState;
use self::usage::{AT_CEILING, EXACT, STAYS_AT_CEILING, UNKNOWN, UNMEASURABLE};
pub use self::usage::{Usage, UsageAccuracy};
use super::disk::Disk;
use super::id::{AccountId, AccountSpec};
use super::inode::{InodeOwner, Inodes};

/// How far the store's ceiling is set above the use, so that it is rarely raised.
const AHEAD_BYTES: u64 = 64 << 20;
const AHEAD_FILES: u64 = 10_000;

/// The account of one home.
pub struct Account {
    id: AccountId,
    location: Location,
    bytes: Meter,
    files: Meter,
    accuracy: AtomicU8,
    /// Whether changes have to wait until the keeper has recorded a ceiling: since the account was loaded, or since it
    /// was closed to record its exact use.
    needs_ceiling: AtomicBool,
    /// The number of times that the account was closed to record its exact use.
    closings: AtomicU64,
    /// The number of changes in progress.
    changing: AtomicUsize,
    /// The number of changes so far, so that the keeper sees when there were none for a while.
    activity: AtomicU64,
    /// The number of removed files that are still open: they are counted, but are not in any directory.
    orphans: AtomicUsize,
    /// Whether a change waits for a new ceiling.
    wanted: AtomicBool,
    /// Whether the outcome of a change is unknown, so that the home has to be measured again.
    invalidated: AtomicBool,
    storage: StorageState,
    /// Locked during a measurement, so that there is only one at a time.
    measuring: Mutex<()>,
    measured_at: Mutex<Option<Timestamp>>,
    pub(super) names: Names,
    inodes: Mutex<Inodes>,
    progress: Progress,
    schedule: MeasureSchedule,
    /// Whether a change waits for a measurement.
    asked: AtomicBool,
    /// The entries that the last measurement could not read.
    unreadable: Mutex<Unreadable>,
    helpers: Helpers,
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

/// A change in progress. Reserving and releasing need one.
pub struct Change<'a>(&'a Account);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.activity.fetch_add(1, Ordering::Relaxed);
        self.0.changing.fetch_sub(1, Ordering::Release);
    }
}

impl Account {
    /// Creates an account from its record in the store. Without a record, the home has to be measured before anything
    /// may grow up to a limit.
    pub(super) fn load(spec: &AccountSpec, record: Option<&UsageRecord>, helpers: &Helpers) -> Self {
        let quota = spec.quota;
        let known = record.filter(|record| record.is_trusted());
        let unknown = (quota.bytes.unwrap_or(0), quota.files.unwrap_or(0));
        let (bytes, files) = known.map_or(unknown, |record| (record.bytes, record.files));
        let accuracy = match known {
            Some(record) if record.exact => EXACT,
            Some(_) => AT_CEILING,
            None => UNKNOWN,
        };
        Self {
            id: spec.id.clone(),
            location: spec.location.clone(),
            bytes: Meter::new(bytes, quota.bytes),
            files: Meter::new(files, quota.files),
            accuracy: AtomicU8::new(accuracy),
            needs_ceiling: AtomicBool::new(true),
            closings: AtomicU64::new(0),
            changing: AtomicUsize::new(0),
            activity: AtomicU64::new(0),
            orphans: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            invalidated: AtomicBool::new(false),
            storage: StorageState::default(),
            measuring: Mutex::new(()),
            measured_at: Mutex::new(record.and_then(|record| record.measured_at)),
            names: Names::default(),
            inodes: Mutex::default(),
            progress: Progress::default(),
            schedule: MeasureSchedule::default(),
            asked: AtomicBool::new(false),
            unreadable: Mutex::default(),
            helpers: helpers.clone(),
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
        Usage {
            bytes: self.bytes.used(),
            files: self.files.used(),
            quota: Quota {
                bytes: self.bytes.limit(),
                files: self.files.limit(),
            },
            accuracy: self.accuracy(),
        }
    }

    pub(super) fn accuracy(&self) -> UsageAccuracy {
        UsageAccuracy::of(self.accuracy.load(Ordering::Acquire))
    }

    /// Applies new limits at once. Limits below the use stop growth, and nothing else.
    pub fn set_quota(&self, quota: Quota) {
        self.bytes
            .limit
            .store(quota.bytes.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        self.files
            .limit
            .store(quota.files.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        self.notify_progress();
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
        self.changing.fetch_add(1, Ordering::SeqCst);
        let change = Change(self);
        if self.needs_ceiling.load(Ordering::SeqCst) {
            self.request_ceiling();
            return Err(Error::NotRecorded);
        }
        Ok(change)
    }

    /// Charges bytes before they are written.
    ///
    /// # Errors
    /// Fails as [`Account::begin`] does, with `Measuring`, or with the reason why there is no room.
    pub fn reserve_bytes(&self, _change: &Change<'_>, amount: u64) -> Result<()> {
        self.reserve(&self.bytes, amount, AHEAD_BYTES, |used, limit| Error::OverBytes {
            used,
            limit,
        })
    }

    /// Charges a file, directory or link before it is made.
    ///
    /// # Errors
    /// Fails as [`Account::reserve_bytes`] does.
    pub fn reserve_file(&self, _change: &Change<'_>) -> Result<()> {
        self.reserve(&self.files, 1, AHEAD_FILES, |used, limit| Error::OverFiles {
            used,
            limit,
        })
    }

    /// Adds the amount to one number. `over` makes the error for a sum above the limit, of the use and the limit.
    fn reserve(
        &self,
        meter: &Meter,
        amount: u64,
        ahead: u64,
        over: impl FnOnce(u64, u64) -> Error,
    ) -> Result<()> {
        self.storage.may_grow()?;
        let accuracy = self.accuracy.load(Ordering::Acquire);
        if meter.limit().is_some() {
            match accuracy {
                UNKNOWN => return Err(Error::Measuring),
                UNMEASURABLE => return Err(Error::Unmeasurable),
                _ => {}
            }
        }
        match meter.add(amount) {
            Ok(()) => {
                if meter.runs_low(ahead) {
                    self.request_ceiling();
                }
                Ok(())
            }
            Err(Exceeded::Limit) => Err(match accuracy {
                EXACT => over(meter.used(), meter.limit().unwrap_or(NO_LIMIT)),
                STAYS_AT_CEILING => Error::Unmeasurable,
                _ => Error::Measuring,
            }),
            Err(Exceeded::Ceiling) => {
                self.request_ceiling();
                Err(Error::NotRecorded)
            }
        }
    }

    /// Releases bytes that are not used any more.
    pub fn release_bytes(&self, _change: &Change<'_>, amount: u64) {
        self.release(&self.bytes, amount);
    }

    /// Releases a file, directory or link that was removed or was not made.
    pub fn release_file(&self, _change: &Change<'_>) {
        self.release(&self.files, 1);
    }

    fn release(&self, meter: &Meter, amount: u64) {
        if !meter.subtract(amount) {
            // More was removed than was counted, so other programs have put files into the home.
            self.invalidate();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.helpers.quit.is_cancelled()
    }

    fn request_ceiling(&self) {
        if !self.wanted.swap(true, Ordering::SeqCst) {
            self.helpers.keeper.notify_one();
        }
    }

    pub(super) fn notify_progress(&self) {
        self.progress.notify_progress();
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

    /// Returns whether no other task was checking the marker of the storage. If so, the caller checks it, until
    /// [`Account::end_marker_check`].
    pub(super) fn begin_marker_check(&self) -> bool {
        !self.storage.checking_marker.swap(true, Ordering::SeqCst)
    }

    pub(super) fn end_marker_check(&self) {
        self.storage.checking_marker.store(false, Ordering::SeqCst);
    }
}

impl InodeOwner for Account {
    fn lock_inodes(&self) -> MutexGuard<'_, Inodes> {
        self.inodes.lock()
    }

    fn invalidate(&self) {
        self.invalidated.store(true, Ordering::SeqCst);
    }

    fn orphaned(&self) {
        self.orphans.fetch_add(1, Ordering::SeqCst);
    }

    fn orphan_gone(&self, bytes: u64) {
        self.release(&self.bytes, bytes);
        self.release(&self.files, 1);
        self.activity.fetch_add(1, Ordering::Relaxed);
        // This comes last: an account with an orphan does not become clean.
        self.orphans.fetch_sub(1, Ordering::SeqCst);
    }

    fn stray_found(&self) {
        self.orphans.fetch_sub(1, Ordering::SeqCst);
    }

    fn stray_gone(&self) {
        self.invalidate();
        self.orphans.fetch_sub(1, Ordering::SeqCst);
    }
}
