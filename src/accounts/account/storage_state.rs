//! What an account knows of the storage that its home lies in: whose it is, and whether its disk is full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::meter::Short;
use crate::accounts::disk::Disk;
use crate::storage::Error;
use crate::storage::location::Location;

/// What is known.
#[derive(Default)]
pub(super) struct StorageState {
    /// It does not carry this server's marker: nothing may grow.
    pub(super) foreign: AtomicBool,
    /// Somebody is looking at the marker.
    pub(super) looking: AtomicBool,
    /// The disk that the home was first mounted on.
    pub(super) disk: OnceLock<Arc<Disk>>,
}

impl StorageState {
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
    pub(super) fn no_space(&self, home: &Location, error: Error) {
        if let Some(disk) = self.disk.get() {
            disk.no_space(home, error);
        }
    }
}
