//! What an account knows of the storage that its home lies in: whose it is, and whether its disk is full.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::super::disk::Disk;
use super::Account;
use super::meter::Short;
use crate::storage::Error;

/// What is known.
#[derive(Default)]
pub(super) struct Storage {
    /// It does not carry this server's marker: nothing may grow.
    foreign: AtomicBool,
    /// Somebody is looking at the marker.
    looking: AtomicBool,
    /// The disk that the home was first mounted on.
    disk: OnceLock<Arc<Disk>>,
}

impl Storage {
    /// May anything grow? Asked at each growth: two loads.
    pub(super) fn may_grow(&self) -> Result<(), Short> {
        if self.foreign.load(Ordering::Relaxed) {
            return Err(Short::NotOwned);
        }
        match self.disk.get() {
            Some(disk) if disk.is_full() => Err(Short::NoSpace),
            _ => Ok(()),
        }
    }

    /// A call in the home ran out of space, with this error.
    pub(super) fn no_space(&self, home: &Path, error: Error) {
        if let Some(disk) = self.disk.get() {
            disk.no_space(home, error);
        }
    }
}

impl Account {
    /// Says whether the storage carries this server's marker. Where it does not, growth stops, and nothing else does.
    pub fn set_owned(&self, owned: bool) {
        self.storage.foreign.store(!owned, Ordering::Relaxed);
    }

    /// Says which disk the home lies on.
    pub fn set_disk(&self, disk: Arc<Disk>) {
        // It stays the same while the server runs, or is another one by then, which costs a line in the log.
        let _ = self.storage.disk.set(disk);
    }

    /// Is nobody looking at the marker of the storage? Then the caller is, until [`Account::end_look`].
    pub(in crate::accounts) fn begin_look(&self) -> bool {
        !self.storage.looking.swap(true, Ordering::SeqCst)
    }

    pub(in crate::accounts) fn end_look(&self) {
        self.storage.looking.store(false, Ordering::SeqCst);
    }
}
