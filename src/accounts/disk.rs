//! Disks that are full: what is told of them, and the one that the store lies on.
//!
//! A call that ran out of space says so to its client; here it becomes one line in the log a minute for each disk. On
//! the disk of the data directory more depends on it: what is left there is the store's (see `store/reserve.rs`), so
//! from the first call that fails no home on it grows, until the server finds that the reserve is whole again.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::storage::Error;
use crate::storage::location::Location;
use base::error::Clause;

/// Clients that try again and again must not fill the log as well.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// One file system with homes.
#[derive(Default)]
pub struct Disk {
    /// Nothing may grow on it.
    full: AtomicBool,
    /// A quota of the file system has refused something.
    suspected: AtomicBool,
    /// Does the store lie on it?
    has_store: AtomicBool,
    warned: Mutex<Option<Instant>>,
}

impl Disk {
    /// Is nothing to grow here?
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Says whether anything may grow here.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Is there a reason to look whether anything may grow here, since the last time that somebody asked?
    pub fn take_suspicion(&self) -> bool {
        self.suspected.swap(false, Ordering::Relaxed)
    }

    /// A call in this home ran out of space: that of the disk, or a quota of the file system (`EDQUOT`), which may be for
    /// all that our user has, or for this home alone.
    pub(super) fn no_space(&self, home: &Location, error: Error) {
        if self.has_store.load(Ordering::Relaxed) {
            match error {
                Error::DiskQuota => self.suspected.store(true, Ordering::Relaxed),
                _ => self.set_full(true),
            }
        }
        let mut warned = self.warned.lock();
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            tracing::warn!(home = ?home, cause = %Clause(&error), "no space left on the disk: what users upload there is refused");
        }
    }
}

/// The disks that homes lie on, by their device numbers.
#[derive(Default)]
pub struct Disks(Mutex<HashMap<u64, Arc<Disk>>>);

impl Disks {
    /// The disk with this device number.
    pub fn of(&self, device: u64) -> Arc<Disk> {
        // As many as file systems are mounted.
        let mut disks = self.0.lock();
        Arc::clone(disks.entry(device).or_default())
    }

    /// The disk that the store lies on.
    pub fn with_store(&self, device: u64) -> Arc<Disk> {
        let disk = self.of(device);
        disk.has_store.store(true, Ordering::Relaxed);
        disk
    }
}
