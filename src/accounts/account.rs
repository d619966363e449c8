//! One home's account: what it holds, what it may hold, and what is written down about it.
//!
//! Three numbers for bytes and three for files, all atomics: *used* never passes *limit*, and never passes *ceiling*,
//! which is what the store says at least. So after a crash the store's number is never below the truth.
//!
//! UsageAccuracy of an account:
//! - *clean*: the store has the use itself, marked exact. Before anything changes, the mark is taken away.
//! - *open*: the store has a ceiling; the use is exact in memory.
//! - *loaded at its ceiling*: after a crash the ceiling counts as the use, until the home has been measured. What
//!   fits under the limit that way goes on; what does not waits for the measure.
//! - *unknown*: the home was never measured. Under a limit nothing grows before it has been.
//! - *unmeasurable*: the home cannot be walked. Under a limit nothing grows, but for what fits under a ceiling that
//!   was known before.
//!
//! What does not fit is refused after the home was measured again (`account/retry.rs`), since the host's own programs cut, move
//! and delete files in homes too.
//!
//! Order of locks: names, then the size of one inode, then the records (`inodes`). Nobody holds any of them while he
//! waits for the store or for a measure, which needs them all: what does not fit is given up as a whole, and
//! [`Account::retry_until`] tries it again. A change holds a [`Change`] all the while, which keeps the account from
//! becoming clean in the middle of it.

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

use self::meter::{Meter, NO_LIMIT, Short};
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

/// The store's ceiling stands this much above the use, so that it moves rarely.
const AHEAD_BYTES: u64 = 64 << 20;
const AHEAD_FILES: u64 = 10_000;

/// One home's account.
pub struct Account {
    id: AccountId,
    location: Location,
    bytes: Meter,
    files: Meter,
    accuracy: AtomicU8,
    /// The store says that its number is exact: to be changed before anything else is.
    clean: AtomicBool,
    /// Counts how often the account was closed, to have its exact use written down.
    closings: AtomicU64,
    /// Changes under way.
    changing: AtomicUsize,
    /// Counts changes, so that the keeper sees when there were none for a while.
    activity: AtomicU64,
    /// Removed files that are still open: counted, but not in any directory.
    orphans: AtomicUsize,
    /// Somebody waits for a new ceiling, or for the mark "clean" to be taken away.
    wanted: AtomicBool,
    /// The file system did not say what became of a change: the home is to be measured again.
    invalidated: AtomicBool,
    storage: StorageState,
    /// One measure at a time.
    measuring: Mutex<()>,
    measured_at: Mutex<Option<Timestamp>>,
    pub(super) names: Names,
    inodes: Mutex<Inodes>,
    progress: Progress,
    schedule: MeasureSchedule,
    /// Somebody waits for a measure.
    asked: AtomicBool,
    /// What the last measure could not look into.
    unreadable: Mutex<Unreadable>,
    helpers: Helpers,
}

/// How an account calls those who work for it.
#[derive(Clone)]
pub(super) struct Helpers {
    /// Writes to the store.
    pub(super) keeper: Arc<Notify>,
    /// Starts measures.
    pub(super) measurer: Arc<Notify>,
    /// The end of the server.
    pub(super) quit: CancellationToken,
}

/// A change under way: whoever holds one may reserve and give back.
pub struct Change<'a>(&'a Account);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.activity.fetch_add(1, Ordering::Relaxed);
        self.0.changing.fetch_sub(1, Ordering::Release);
    }
}

impl Account {
    /// An account as the store has it; without a record the home has to be measured before anything may grow up to a
    /// limit.
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
            clean: AtomicBool::new(true),
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

    /// What identifies the account.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// The place that is charged to the account.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The numbers as they are now.
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

    /// New limits, in force at once. Below the use, growth stops, and nothing else does.
    pub fn set_quota(&self, quota: Quota) {
        self.bytes
            .limit
            .store(quota.bytes.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        self.files
            .limit
            .store(quota.files.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        self.moved();
    }

    /// Waits until everything that grows by what an earlier limit allowed is written. May block on the disk.
    pub fn wait_for_growth(&self) {
        // Whoever reserves holds the lock of the file or of the names until it is written.
        let open = self.lock_inodes().open();
        for inode in &open {
            drop(inode.lock(Wait::Allowed));
        }
        drop(self.names.at_rest());
    }

    /// Begins a change: from here on the store says that its number is no more than a ceiling.
    ///
    /// # Errors
    /// `NotRecorded`: it does not yet. To be used inside [`Account::retry_until`].
    pub fn begin(&self) -> Result<Change<'_>> {
        self.changing.fetch_add(1, Ordering::SeqCst);
        let change = Change(self);
        if self.clean.load(Ordering::SeqCst) {
            self.want();
            return Err(Error::NotRecorded);
        }
        Ok(change)
    }

    /// Charges bytes before they are written.
    ///
    /// # Errors
    /// As [`Account::begin`]; `Measuring`; and where there is no room.
    pub fn reserve_bytes(&self, _change: &Change<'_>, amount: u64) -> Result<()> {
        self.reserve(&self.bytes, amount, AHEAD_BYTES)
            .map_err(|short| match short {
                Short::Limit => Error::OverBytes {
                    used: self.bytes.used(),
                    limit: self.bytes.limit().unwrap_or(NO_LIMIT),
                },
                other => other.reason(),
            })
    }

    /// Charges a file, directory or link before it is made.
    ///
    /// # Errors
    /// As [`Account::reserve_bytes`].
    pub fn reserve_file(&self, _change: &Change<'_>) -> Result<()> {
        self.reserve(&self.files, 1, AHEAD_FILES)
            .map_err(|short| match short {
                Short::Limit => Error::OverFiles {
                    used: self.files.used(),
                    limit: self.files.limit().unwrap_or(NO_LIMIT),
                },
                other => other.reason(),
            })
    }

    fn reserve(&self, meter: &Meter, amount: u64, ahead: u64) -> std::result::Result<(), Short> {
        self.storage.may_grow()?;
        let accuracy = self.accuracy.load(Ordering::Acquire);
        if meter.limit().is_some() {
            match accuracy {
                UNKNOWN => return Err(Short::Measure),
                UNMEASURABLE => return Err(Short::Unmeasurable),
                _ => {}
            }
        }
        match meter.add(amount) {
            Ok(()) => {
                if meter.runs_low(ahead) {
                    self.want();
                }
                Ok(())
            }
            Err(Short::Limit) if accuracy == STAYS_AT_CEILING => Err(Short::Unmeasurable),
            Err(Short::Limit) if accuracy != EXACT => Err(Short::Measure),
            Err(Short::Ceiling) => {
                self.want();
                Err(Short::Ceiling)
            }
            Err(short) => Err(short),
        }
    }

    /// Gives bytes back.
    pub fn release_bytes(&self, _change: &Change<'_>, amount: u64) {
        self.give_back(&self.bytes, amount);
    }

    /// Gives a file, directory or link back.
    pub fn release_file(&self, _change: &Change<'_>) {
        self.give_back(&self.files, 1);
    }

    fn give_back(&self, meter: &Meter, amount: u64) {
        if !meter.take(amount) {
            // More has gone than was counted: there is what others have put into the home.
            self.invalidate();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.helpers.quit.is_cancelled()
    }

    fn want(&self) {
        if !self.wanted.swap(true, Ordering::SeqCst) {
            self.helpers.keeper.notify_one();
        }
    }

    pub(super) fn moved(&self) {
        self.progress.moved();
    }

    /// The last name of an inode is gone. What it held is given back now, or when its last handle is closed. `size` is
    /// asked for where nobody has it open, and so nobody changes it.
    pub(super) fn name_gone(&self, change: &Change<'_>, id: InodeId, size: impl FnOnce() -> u64) {
        // The end of a record takes the lock again, so the record must outlive the guard.
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

    /// Says whether the storage carries this server's marker. Where it does not, growth stops, and nothing else does.
    pub fn set_owned(&self, owned: bool) {
        self.storage.foreign.store(!owned, Ordering::Relaxed);
    }

    /// Says which disk the home lies on.
    pub fn set_disk(&self, disk: Arc<Disk>) {
        // It stays the same while the server runs, or is another one by then, which costs a line in the log.
        let _ = self.storage.disk.set(disk);
    }

    /// Returns whether nobody was looking at the marker of the storage. Then the caller is, until
    /// [`Account::end_look`].
    pub(super) fn begin_look(&self) -> bool {
        !self.storage.looking.swap(true, Ordering::SeqCst)
    }

    pub(super) fn end_look(&self) {
        self.storage.looking.store(false, Ordering::SeqCst);
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
        self.give_back(&self.bytes, bytes);
        self.give_back(&self.files, 1);
        self.activity.fetch_add(1, Ordering::Relaxed);
        // Last: an account with an orphan does not become clean.
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
