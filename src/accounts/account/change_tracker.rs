//! The changes of a home. They begin only while the store has a ceiling, since an exact use would be wrong after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::storage::{Error, Result};

/// Counts the changes of a home, and lets them begin only after the keeper has recorded a ceiling.
pub(crate) struct ChangeTracker {
    /// Whether changes have to wait for a ceiling: since the account was loaded, or since it was closed to record its
    /// exact use.
    closed: AtomicBool,
    /// The number of times that the account was closed.
    closings: AtomicU64,
    /// The number of changes in progress.
    changing: AtomicUsize,
    /// The number of changes so far, so that the keeper sees when there were none for a while.
    activity: AtomicU64,
    /// The number of removed files that are still open: they are counted, but are not in any directory.
    orphans: AtomicUsize,
    /// Whether a change waits for a new ceiling.
    wanted: AtomicBool,
    /// Wakes the keeper.
    keeper: Arc<Notify>,
}

/// A change in progress. Reserving and releasing need one.
pub struct Change<'a>(&'a ChangeTracker);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.note_activity();
        self.0.changing.fetch_sub(1, Ordering::Release);
    }
}

impl ChangeTracker {
    /// Creates the tracker of an account that is closed to changes.
    pub(super) fn new(keeper: Arc<Notify>) -> Self {
        Self {
            closed: AtomicBool::new(true),
            closings: AtomicU64::new(0),
            changing: AtomicUsize::new(0),
            activity: AtomicU64::new(0),
            orphans: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            keeper,
        }
    }

    /// Begins a change.
    ///
    /// # Errors
    /// Returns `NotRecorded` if the account is closed, and has the keeper open it.
    pub(super) fn begin(&self) -> Result<Change<'_>> {
        self.changing.fetch_add(1, Ordering::SeqCst);
        let change = Change(self);
        if self.closed.load(Ordering::SeqCst) {
            self.request_ceiling();
            return Err(Error::NotRecorded);
        }
        Ok(change)
    }

    /// Has the keeper record a new ceiling.
    pub(super) fn request_ceiling(&self) {
        if !self.wanted.swap(true, Ordering::SeqCst) {
            self.keeper.notify_one();
        }
    }

    /// Returns whether a new ceiling is wanted, and clears the flag.
    pub(super) fn take_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::SeqCst)
    }

    /// Notes that the store could not be written: the ceiling is still wanted, and waiting changes may wait on.
    pub(crate) fn not_written(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Lets changes begin.
    pub(super) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    /// Stops changes that come now. Returns `false` if they were stopped before.
    pub(super) fn close(&self) -> bool {
        let was_open = !self.closed.swap(true, Ordering::SeqCst);
        if was_open {
            self.closings.fetch_add(1, Ordering::Relaxed);
        }
        was_open
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Returns the number of times that the account was closed.
    pub(crate) fn closings(&self) -> u64 {
        self.closings.load(Ordering::Relaxed)
    }

    /// Returns whether no change is in progress, and no removed file is open.
    pub(super) fn is_at_rest(&self) -> bool {
        self.changing.load(Ordering::SeqCst) == 0 && self.orphans.load(Ordering::SeqCst) == 0
    }

    /// Returns a number that is different after each change.
    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    /// Notes that the account has changed.
    pub(super) fn note_activity(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a file is open that is not in any directory.
    pub(super) fn orphan_made(&self) {
        self.orphans.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that such a file was closed, or found again.
    pub(super) fn orphan_gone(&self) {
        self.orphans.fetch_sub(1, Ordering::SeqCst);
    }
}
