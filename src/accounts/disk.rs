//! Handles disks that are full: logs them, and protects the disk of the store.
//!
//! A call that ran out of space reports this to its client. Here it also becomes a line in the log, at most one a
//! minute for each disk. The disk of the data directory needs more: its last free space is reserved for the store
//! (see `store/reserve.rs`). So after the first call that fails, no home on that disk may grow until the server finds
//! the reserve complete again.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::storage::Error;
use crate::storage::location::Location;
use base::error::Clause;
use base::report_interval::ReportInterval;

/// The shortest time between two warnings, because clients that retry must not fill the log as well.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// One file system that holds homes.
pub struct Disk {
    /// Whether nothing may grow on it.
    full: AtomicBool,
    /// Whether a quota of the file system has refused a call.
    quota_refused: AtomicBool,
    /// Whether the store lies on it.
    has_store: AtomicBool,
    warnings: ReportInterval,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            full: AtomicBool::new(false),
            quota_refused: AtomicBool::new(false),
            has_store: AtomicBool::new(false),
            warnings: ReportInterval::new(WARN_EVERY),
        }
    }
}

impl Disk {
    /// Returns whether nothing may grow on this disk.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Sets whether nothing may grow on this disk.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Returns whether the file system's quota has refused a call since the last time that this was asked.
    pub fn take_quota_refusal(&self) -> bool {
        self.quota_refused.swap(false, Ordering::Relaxed)
    }

    /// Notes that a call in this home ran out of space: on the disk, or in a quota of the file system (`EDQUOT`).
    /// That quota may apply to everything that the server's user owns, or to this home alone.
    pub(super) fn no_space(&self, home: &Location, error: Error) {
        if self.has_store.load(Ordering::Relaxed) {
            match error {
                Error::DiskQuota => self.quota_refused.store(true, Ordering::Relaxed),
                _ => self.set_full(true),
            }
        }
        if self.warnings.is_due() {
            tracing::warn!(home = ?home, cause = %Clause(&error), "no space left on the disk: uploads to it are refused");
        }
    }
}

/// The disks that homes lie on, by their device numbers.
#[derive(Default)]
pub struct Disks(Mutex<HashMap<u64, Arc<Disk>>>);

impl Disks {
    /// Returns the disk with this device number.
    pub fn of(&self, device: u64) -> Arc<Disk> {
        // There are at most as many entries as file systems were mounted.
        let mut disks = self.0.lock();
        Arc::clone(disks.entry(device).or_default())
    }

    /// Returns the disk with this device number, marked as the one that holds the store.
    pub fn with_store(&self, device: u64) -> Arc<Disk> {
        let disk = self.of(device);
        disk.has_store.store(true, Ordering::Relaxed);
        disk
    }
}
