//! Measures a home exactly while it is in use.
//!
//! The walk adds up the entries of the directories. Sizes change meanwhile, but only those of inodes that have a
//! record, and all records are *retained* until the end. If an inode has a record when the walk finds it, it is
//! skipped and counted by its record at the end. If it is opened after the walk has found it, the difference is
//! added. If names have changed meanwhile, the walk may have missed entries or counted them twice: it is repeated,
//! the third time with the names locked. At the end names, records and sizes are locked together for a moment, and
//! the sum becomes the use.
//!
//! The host's own programs change homes too, and their changes are not counted as they happen:
//! - An open file has the size that fstat(2) returns. An open file that was not found in any directory was deleted or
//!   moved away: it counts until its record ends.
//! - A directory that the server cannot enter counts as one entry, and so does a file whose attributes it cannot
//!   read: nothing there can grow through the server. These entries are reported ([`Unreadable`]).
//! - If the disk cannot read a directory (EIO), its contents are unknown, so the measurement fails, and the numbers
//!   from before stay in use.

use parking_lot::MutexGuard;
use std::collections::HashSet;
use std::sync::Arc;

use crate::storage::backend::{Backend, MeasureError, Measurement, NoOpenFiles, OpenFiles};
pub use crate::storage::backend::{Sum, Unreadable};
use crate::storage::location::Location;
use crate::storage::{InodeId, Wait};
use base::error::{Clause, Error, Result};

use super::account::{Account, NamesGuard, UsageAccuracy};
use super::inode::{InodeOwner as _, RetainedRecord};

/// The number of walks without locked names, before the names are locked.
const FREE_WALKS: u32 = 2;
/// The number of walks that may be spoiled by other programs on the host that move directories.
const SPOILED_WALKS: u32 = 3;

fn changed_by_others(home: &Location) -> Error {
    Error::new(format!("cannot measure the {} {home:?}", home.kind()))
        .because("directories in it are moved constantly, and not through this server".to_owned())
}

fn cannot_measure(home: &Location, failure: MeasureError) -> Error {
    let what = Error::new(format!("cannot measure the {} {home:?}", home.kind()));
    match failure.at {
        Some(path) => what.because(format!("{path:?}: {}", Clause(&failure.error))),
        None => what.because(failure.error),
    }
}

/// Measures a home that is not in use, as the command line does when no server runs.
///
/// # Errors
/// Fails when a directory cannot be read.
pub fn measure_unused(backend: &dyn Backend, home: &Location) -> Result<Sum> {
    for _ in 0..SPOILED_WALKS {
        let measured = backend
            .measure(home, &NoOpenFiles)
            .map_err(|failure| cannot_measure(home, failure))?;
        if !measured.interrupted {
            return Ok(measured.sum);
        }
    }
    Err(changed_by_others(home))
}

/// Measures the home of an account, and corrects the account.
///
/// # Errors
/// Fails when a directory cannot be read. Unless the account's number was exact, growth up to a limit is restricted
/// then.
pub fn measure(account: &Arc<Account>, backend: &dyn Backend) -> Result<Sum> {
    let _alone = account.measurements.lock();
    let begun = account.measurements.begin();
    account.measurements.take_invalidation();
    let used = account.usage();
    let measured = try_measure(account, backend);
    if let Err(error) = &measured
        && !account.is_stopping()
    {
        account.cannot_be_measured();
        match account.accuracy() {
            UsageAccuracy::Exact => {
                tracing::error!(%error, "the use that was known before still counts")
            }
            _ => {
                let kind = account.location().kind();
                tracing::error!(%error, "nothing may grow in the {kind} up to a limit");
            }
        }
    }
    release_records(account);
    let found_room = measured
        .as_ref()
        .is_ok_and(|sum| sum.bytes < used.bytes || sum.files < used.files);
    account.measure_ended(begun, found_room);
    if let Ok(sum) = &measured
        && !account.measurements.set_unreadable(&sum.unreadable)
        && let Some(first) = &sum.unreadable.first
    {
        tracing::warn!(
            home = ?account.location(),
            count = sum.unreadable.count,
            ?first,
            "each entry that the server cannot read counts as one file in the quota, whatever it contains"
        );
    }
    measured
}

/// Begins to retain all records.
fn retain_records(account: &Account) {
    loop {
        release_records(account);
        if account.lock_inodes().retain() {
            return;
        }
        // A record that is just ending releases its charge in a moment, which must happen before the counting begins.
        std::thread::yield_now();
    }
}

fn release_records(account: &Account) {
    // Drop the records after the lock is released, because the end of a record takes it again.
    let retained = account.lock_inodes().release();
    drop(retained);
}

fn try_measure(account: &Account, backend: &dyn Backend) -> Result<Sum> {
    let mut walks: u32 = 0;
    loop {
        retain_records(account);
        // A call that is changing a name now has counted the change, but has perhaps not made it yet.
        let mut locked = Some(account.names.lock_unchanged_blocking());
        let before = account.names.changes();
        if walks < FREE_WALKS {
            locked = None;
        }
        let measured = backend
            .measure(account.location(), &OpenInodes(account))
            .map_err(|failure| cannot_measure(account.location(), failure))?;
        let names = match locked {
            Some(names) => names,
            None => account.names.lock_unchanged_blocking(),
        };
        if !measured.interrupted && account.names.changes() == before {
            return Ok(reconcile(account, &measured, names));
        }
        walks += 1;
        if walks > FREE_WALKS + SPOILED_WALKS {
            return Err(changed_by_others(account.location()));
        }
    }
}

/// The inodes of an account that have a record.
struct OpenInodes<'a>(&'a Account);

impl OpenFiles for OpenInodes<'_> {
    fn is_counted(&self, inode: InodeId) -> bool {
        let open = self.0.lock_inodes().get(inode);
        open.is_some_and(|inode| !inode.is_removed())
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_stopping()
    }
}

/// Corrects the account, with everything that could change it locked.
fn reconcile(account: &Account, walk: &Measurement, _names: NamesGuard<'_>) -> Sum {
    loop {
        let records = account.lock_inodes().retained();
        // Each size is locked elsewhere for one file system call at most, and no other code locks two of them.
        let mut sizes = Vec::with_capacity(records.len());
        for record in &records {
            // Locking always succeeds if it may wait.
            if let Ok(mut size) = record.inode.lock(Wait::Allowed) {
                let seen = record.inode.current_metadata();
                if let Some(meta) = &seen {
                    *size = meta.size;
                }
                let nameless = seen.is_some_and(|meta| meta.links == 0);
                sizes.push(Counted {
                    record,
                    size,
                    nameless,
                });
            }
        }
        let inodes = account.lock_inodes();
        if inodes.retained_count() != records.len() {
            // A file was opened meanwhile, and may be written to.
            continue;
        }
        let mut sum = walk.sum.clone();
        for counted in &sizes {
            counted.add_to(&mut sum, &walk.skipped);
        }
        account.measured(&sum);
        drop(inodes);
        return sum;
    }
}

/// A record at the end of a measurement, with its size locked.
struct Counted<'a> {
    record: &'a RetainedRecord,
    size: MutexGuard<'a, u64>,
    /// Whether the file system reports that its last name is gone.
    nameless: bool,
}

impl Counted<'_> {
    fn add_to(&self, sum: &mut Sum, skipped: &HashSet<InodeId>) {
        let RetainedRecord { inode, opened_at } = self.record;
        let met = skipped.contains(&inode.id());
        match opened_at {
            _ if inode.is_removed() => {}
            _ if met => {
                inode.set_stray(false);
                sum.bytes = sum.bytes.saturating_add(*self.size);
                return;
            }
            Some(opened_at) => {
                sum.bytes = sum.bytes.saturating_add(*self.size).saturating_sub(*opened_at);
                return;
            }
            // Other programs have deleted it, or moved it out of the home or into a directory that cannot be entered.
            None if self.nameless => {
                inode.set_stray(false);
                inode.set_removed();
            }
            None => inode.set_stray(true),
        }
        // It is not in any directory, and it is counted anyway.
        sum.files = sum.files.saturating_add(1);
        sum.bytes = sum.bytes.saturating_add(*self.size);
    }
}
