//! Measures a home while it is used, exactly.
//!
//! The walk adds up what stands in the directories. Sizes change meanwhile, but only of inodes that have a record, and
//! all records are kept (*pinned*) until the end. What has a record when the walk meets it is skipped and counted by
//! its record at the end; of what is opened after the walk has met it, the difference is added. If names have
//! changed meanwhile, the walk may have missed or counted twice: it is done again, the third time with the names
//! locked. At the end names, records and sizes are locked together for a moment, and the sum becomes the use.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::error::{Clause, Error, Result};
use crate::vfs::{InodeId, Wait};

use super::account::{Account, NamesGuard, Standing};
use super::inode::Pinned;

/// Walks with the names free before they are locked.
const FREE_WALKS: u32 = 2;
/// One read of a directory: some 800 names.
const DIRECTORY_BUFFER: usize = 32 * 1024;
/// Directories kept open on the way down; further up they are found again by `..`. So a tree of any depth costs
/// descriptors that all users share by the dozen only.
const OPEN_AT_ONCE: usize = 32;
/// Walks that somebody on the server's own machine may spoil by moving directories.
const OUTSIDERS: u32 = 3;

/// What a walk has found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Sum of file sizes, each inode once.
    pub bytes: u64,
    /// Files, directories and symbolic links below the home.
    pub files: u64,
}

/// Did a walk come everywhere?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walked {
    Whole,
    /// A directory was moved away while we were in it.
    Moved,
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
    account.take_doubt();
    let measured = try_measure(account);
    if let Err(error) = &measured
        && !account.is_stopping()
    {
        account.cannot_be_measured();
        match account.standing() {
            Standing::Exact => tracing::error!(%error, "what was known of the home before goes on counting"),
            _ => tracing::error!(%error, "nothing may grow in the home up to a limit"),
        }
    }
    unpin(account);
    measured
}

/// Begins to keep all records.
fn pin(account: &Account) {
    loop {
        unpin(account);
        if account.lock_inodes().pin() {
            return;
        }
        // A record that is just ending gives back what it held in a moment, and must do so before we count.
        std::thread::yield_now();
    }
}

fn unpin(account: &Account) {
    // Dropped after the lock is gone: the end of a record takes it again.
    let pinned = account.lock_inodes().unpin();
    drop(pinned);
}

fn try_measure(account: &Arc<Account>) -> Result<Sum> {
    let mut walks: u32 = 0;
    loop {
        pin(account);
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
            return Ok(settle(account, &walk, names));
        }
        walks += 1;
        if walks > FREE_WALKS + OUTSIDERS {
            return Err(moved_by_others(account.home()));
        }
    }
}

/// Corrects the account, with everything that could change it locked.
fn settle(account: &Account, walk: &Walk<'_>, _names: NamesGuard<'_>) -> Sum {
    loop {
        let records = account.lock_inodes().pinned();
        // Each is at work for one call of the file system at most; nobody else locks two.
        let mut sizes = Vec::with_capacity(records.len());
        for record in &records {
            // Always granted with leave to wait.
            if let Ok(mut size) = record.inode.lock(Wait::Allowed) {
                if let Some(actual) = record.inode.look_again() {
                    *size = actual;
                }
                sizes.push((record, size));
            }
        }
        let inodes = account.lock_inodes();
        if inodes.pinned_count() != records.len() {
            // Somebody has opened a file meanwhile, and may be writing to it.
            continue;
        }
        let mut sum = walk.sum.clone();
        for (Pinned { inode, opened_at }, size) in &sizes {
            if inode.is_removed() {
                // In no directory, and counted all the same.
                sum.files = sum.files.saturating_add(1);
                sum.bytes = sum.bytes.saturating_add(**size);
            } else if walk.skipped.contains(&inode.id()) {
                sum.bytes = sum.bytes.saturating_add(**size);
            } else if let Some(opened_at) = opened_at {
                sum.bytes = sum.bytes.saturating_add(**size).saturating_sub(*opened_at);
            }
        }
        account.measured(sum.bytes, sum.files);
        drop(inodes);
        return sum;
    }
}

struct Walk<'a> {
    account: Option<&'a Arc<Account>>,
    sum: Sum,
    /// Files with several names that were met already.
    linked: HashSet<InodeId>,
    /// Files that were open when they were met: their records tell.
    skipped: HashSet<InodeId>,
    /// The directory that could not be read, for people.
    unreadable: Option<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(account: Option<&'a Arc<Account>>) -> Self {
        Self {
            account,
            sum: Sum::default(),
            linked: HashSet::new(),
            skipped: HashSet::new(),
            unreadable: None,
        }
    }

    fn home(&mut self, home: &Path) -> Result<Walked> {
        let what = || Error::new(format!("cannot measure the home {home:?}"));
        let cannot = |errno: Errno| what().because(std::io::Error::from(errno));
        match rustix::fs::openat(CWD, home, DIRECTORY, Mode::empty()) {
            Ok(root) => self.tree(root).map_err(|errno| match self.unreadable.take() {
                Some(path) => what().because(format!("{path:?}: {}", Clause(&std::io::Error::from(errno)))),
                None => cannot(errno),
            }),
            // It is made at the first sign-in.
            Err(Errno::NOENT) => Ok(Walked::Whole),
            Err(errno) => Err(cannot(errno)),
        }
    }

    /// With a stack of our own: a deep tree must not use up the thread's.
    fn tree(&mut self, root: OwnedFd) -> std::result::Result<Walked, Errno> {
        let mut stack = vec![self.level(root)?];
        while let Some(level) = stack.last_mut() {
            let (Some(dir), Some(name)) = (&level.dir, level.below.pop()) else {
                let done = stack.pop();
                if !climb(done, stack.last_mut())? {
                    return Ok(Walked::Moved);
                }
                continue;
            };
            let next = match rustix::fs::openat(dir, name.as_slice(), DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                // Renamed or removed meanwhile, and perhaps something else now: the count of changes tells.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => {
                    let above = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()));
                    self.unreadable = above.ok().map(|above| above.join(OsStr::from_bytes(&name)));
                    return Err(errno);
                }
            };
            let next = self.level(next)?;
            stack.push(next);
            let far_up = stack.len().checked_sub(OPEN_AT_ONCE + 1);
            if let Some(level) = far_up.and_then(|index| stack.get_mut(index)) {
                level.dir = None;
            }
        }
        Ok(Walked::Whole)
    }

    fn level(&mut self, dir: OwnedFd) -> std::result::Result<Level, Errno> {
        let id = id_of(&rustix::fs::fstat(&dir)?);
        let below = self.directory(&dir)?;
        Ok(Level {
            dir: Some(dir),
            id,
            below,
        })
    }

    /// Counts what stands in one directory; returns the names of the directories in it.
    fn directory(&mut self, dir: &OwnedFd) -> std::result::Result<Vec<Vec<u8>>, Errno> {
        if self.account.is_some_and(|account| account.is_stopping()) {
            return Err(Errno::CANCELED);
        }
        let mut below = Vec::new();
        let mut buffer = Vec::with_capacity(DIRECTORY_BUFFER);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // Removed while we were in it.
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match entry.file_type() {
                FileType::Directory => {
                    self.sum.files += 1;
                    below.push(name.to_bytes().to_vec());
                }
                _ => {
                    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => stat,
                        Err(Errno::NOENT) => continue,
                        Err(errno) => return Err(errno),
                    };
                    let kind = FileType::from_raw_mode(stat.st_mode);
                    if kind == FileType::Directory {
                        // A file system that does not tell the kind in its directories.
                        self.sum.files += 1;
                        below.push(name.to_bytes().to_vec());
                        continue;
                    }
                    self.file(id_of(&stat), &stat, kind == FileType::RegularFile);
                }
            }
        }
        Ok(below)
    }

    fn file(&mut self, id: InodeId, stat: &rustix::fs::Stat, regular: bool) {
        if stat.st_nlink > 1 && !self.linked.insert(id) {
            return;
        }
        self.sum.files += 1;
        if !regular {
            return;
        }
        let is_open = self.account.is_some_and(|account| {
            let open = account.lock_inodes().get(id);
            open.is_some_and(|inode| !inode.is_removed())
        });
        if is_open {
            self.skipped.insert(id);
        } else {
            self.sum.bytes = self
                .sum
                .bytes
                .saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
}

/// A directory on the way down.
struct Level {
    /// Closed while the walk is far below.
    dir: Option<OwnedFd>,
    id: InodeId,
    /// Names of directories in it that are still to be visited.
    below: Vec<Vec<u8>>,
}

/// Goes back up from a directory that is done; `false` if `..` is not where we came from.
fn climb(done: Option<Level>, up: Option<&mut Level>) -> std::result::Result<bool, Errno> {
    let (Some(Level { dir: Some(done), .. }), Some(up)) = (done, up) else {
        return Ok(true);
    };
    if up.dir.is_some() {
        return Ok(true);
    }
    let parent = match rustix::fs::openat(&done, c"..", DIRECTORY, Mode::empty()) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    let same = id_of(&rustix::fs::fstat(&parent)?) == up.id;
    up.dir = Some(parent);
    Ok(same)
}

fn id_of(stat: &rustix::fs::Stat) -> InodeId {
    InodeId {
        device: stat.st_dev,
        number: stat.st_ino,
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
