//! What an account knows about the storage of its home: whether it has this server's marker, and whether its disk is
//! full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::accounts::disk::Disk;
use crate::storage::location::Location;
use crate::storage::{Error, Result};

/// The state of the storage, as far as the account knows it.
#[derive(Default)]
pub(crate) struct StorageState {
    /// Whether the storage lacks this server's marker, so that nothing may grow.
    pub(super) foreign: AtomicBool,
    /// Whether a task is checking the marker.
    checking_marker: AtomicBool,
    /// The disk that the home was on when it was first mounted.
    pub(super) disk: OnceLock<Arc<Disk>>,
}

impl StorageState {
    /// Checks that growth is allowed. This runs at each growth, and costs two atomic loads.
    ///
    /// # Errors
    /// Returns `NotOwned` or `DiskFull` if it is not.
    pub(super) fn may_grow(&self) -> Result<()> {
        if self.foreign.load(Ordering::Relaxed) {
            return Err(Error::NotOwned);
        }
        match self.disk.get() {
            Some(disk) if disk.is_full() => Err(Error::DiskFull),
            _ => Ok(()),
        }
    }

    /// Notes that a call in the home ran out of space with this error.
    pub(super) fn no_space(&self, home: &Location, error: Error) {
        if let Some(disk) = self.disk.get() {
            disk.no_space(home, error);
        }
    }

    /// Returns whether no other task was checking the marker of the storage. If so, the caller checks it, until
    /// [`StorageState::end_marker_check`].
    pub(crate) fn begin_marker_check(&self) -> bool {
        !self.checking_marker.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn end_marker_check(&self) {
        self.checking_marker.store(false, Ordering::SeqCst);
    }
}
