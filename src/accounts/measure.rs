//! Measures a home while it is used, exactly.
//!
//! The walk adds up what stands in the directories. Sizes change meanwhile, but only of inodes that have a record, and
//! all records are kept (*retained*) until the end. What has a record when the walk meets it is skipped and counted by
//! its record at the end; of what is opened after the walk has met it, the difference is added. If names have
//! changed meanwhile, the walk may have missed or counted twice: it is done again, the third time with the names
//! locked. At the end names, records and sizes are locked together for a moment, and the sum becomes the use.
//!
//! The host's own programs change homes too, and nobody counts what they do:
//! - What is open has the size that fstat(2) says. What is open and was met in no directory was deleted or moved away:
//!   it counts until its record ends.
//! - A directory that the server cannot enter counts as one entry, and so does a file that it cannot look at: nothing
//!   there can grow through the server. They are told ([`Unreadable`]).
//! - A directory that the disk cannot read (EIO) is another matter: nobody knows what is in it, so the measure fails,
//!   and
//!   what was known before goes on counting.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use crate::storage::{InodeId, Wait};
use base::error::{Error, Result};

use super::account::{Account, NamesGuard, UsageAccuracy};
use super::inode::RetainedRecord;
use super::walk::{Walk, Walked};

/// Walks with the names free before they are locked.
const FREE_WALKS: u32 = 2;
/// Walks that somebody on the server's own machine may spoil by moving directories.
const OUTSIDERS: u32 = 3;

/// What a walk has found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Sum of file sizes, each inode once.
    pub bytes: u64,
    /// Files, directories and symbolic links below the home.
    pub files: u64,
    /// What could not be looked into.
    pub unreadable: Unreadable,
}

/// Directories that could not be entered, and files that could not be looked at; each counts as one entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Option<PathBuf>,
}

fn moved_by_others(home: &Path) -> Error {
    Error::new(format!("cannot measure the home {home:?}"))
        .because("directories in it are moved all the time, and not through this server".to_owned())
}

/// Measures a home that nobody uses, as the command line does where no server runs.
///
/// # Errors
/// When a directory cannot be read.
pub fn measure_unused(home: &Path) -> Result<Sum> {
    for _ in 0..OUTSIDERS {
        let mut walk = Walk::new(None);
        if walk.home(home)? == Walked::Whole {
            return Ok(walk.sum);
        }
    }
    Err(moved_by_others(home))
}

/// Measures the home of an account, and corrects the account.
///
/// # Errors
/// When a directory cannot be read: then nothing may grow in the home any more.
pub fn measure(account: &Arc<Account>) -> Result<Sum> {
    let _alone = account.lock_measuring();
    let begun = account.measure_begins();
    account.take_invalidation();
    let used = account.usage();
    let measured = try_measure(account);
    if let Err(error) = &measured
        && !account.is_stopping()
    {
        account.cannot_be_measured();
        match account.accuracy() {
            UsageAccuracy::Exact => {
                tracing::error!(%error, "what was known of the home before goes on counting")
            }
            _ => tracing::error!(%error, "nothing may grow in the home up to a limit"),
        }
    }
    release_records(account);
    let found_room = measured
        .as_ref()
        .is_ok_and(|sum| sum.bytes < used.bytes || sum.files < used.files);
    account.measure_ended(begun, found_room);
    if let Ok(sum) = &measured
        && !account.set_unreadable(&sum.unreadable)
        && let Some(first) = &sum.unreadable.first
    {
        tracing::warn!(
            home = ?account.home(),
            count = sum.unreadable.count,
            ?first,
            "what the server cannot enter counts as one entry each in the quota, whatever is in it"
        );
    }
    measured
}

/// Begins to keep all records.
fn retain_records(account: &Account) {
    loop {
        release_records(account);
        if account.lock_inodes().retain() {
            return;
        }
        // A record that is just ending gives back what it held in a moment, and must do so before we count.
        std::thread::yield_now();
    }
}

fn release_records(account: &Account) {
    // Dropped after the lock is gone: the end of a record takes it again.
    let retained = account.lock_inodes().release();
    drop(retained);
}

fn try_measure(account: &Arc<Account>) -> Result<Sum> {
    let mut walks: u32 = 0;
    loop {
        retain_records(account);
        // Whoever is changing a name now has counted it, but perhaps not done it.
        let mut locked = Some(account.names_at_rest());
        let before = account.name_changes();
        if walks < FREE_WALKS {
            locked = None;
        }
        let mut walk = Walk::new(Some(account));
        let walked = walk.home(account.home())?;
        let names = match locked {
            Some(names) => names,
            None => account.names_at_rest(),
        };
        if walked == Walked::Whole && account.name_changes() == before {
            return Ok(reconcile(account, &walk, names));
        }
        walks += 1;
        if walks > FREE_WALKS + OUTSIDERS {
            return Err(moved_by_others(account.home()));
        }
    }
}

/// Corrects the account, with everything that could change it locked.
fn reconcile(account: &Account, walk: &Walk<'_>, _names: NamesGuard<'_>) -> Sum {
    loop {
        let records = account.lock_inodes().retained();
        // Each is at work for one call of the file system at most; nobody else locks two.
        let mut sizes = Vec::with_capacity(records.len());
        for record in &records {
            // Always granted with leave to wait.
            if let Ok(mut size) = record.inode.lock(Wait::Allowed) {
                let seen = record.inode.look_again();
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
            // Somebody has opened a file meanwhile, and may be writing to it.
            continue;
        }
        let mut sum = walk.sum.clone();
        for counted in &sizes {
            counted.add_to(&mut sum, &walk.skipped);
        }
        account.measured(sum.bytes, sum.files);
        drop(inodes);
        return sum;
    }
}

/// A record at the end of a measure, with its size locked.
struct Counted<'a> {
    record: &'a RetainedRecord,
    size: MutexGuard<'a, u64>,
    /// The file system says that its last name is gone.
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
            // Deleted by others, or moved out of the home, or into what cannot be entered.
            None if self.nameless => {
                inode.set_stray(false);
                inode.set_removed();
            }
            None => inode.set_stray(true),
        }
        // In no directory, and counted all the same.
        sum.files = sum.files.saturating_add(1);
        sum.bytes = sum.bytes.saturating_add(*self.size);
    }
}
