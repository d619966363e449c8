//! Walks a home and adds up what stands in its directories, with few descriptors and a stack of its own.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::storage::InodeId;
use base::error::{Clause, Error, Result};

use super::account::Account;
use super::measure::Sum;

/// One read of a directory: some 800 names.
const DIRECTORY_BUFFER: usize = 32 * 1024;
/// Directories kept open on the way down; further up they are found again by `..`. So a tree of any depth costs
/// descriptors that all users share by the dozen only.
const OPEN_AT_ONCE: usize = 32;
/// Did a walk come everywhere?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    Whole,
    /// A directory was moved away while we were in it.
    Moved,
}

/// One walk through a home.
pub(super) struct Walk<'a> {
    account: Option<&'a Arc<Account>>,
    pub(super) sum: Sum,
    /// Files with several names that were met already.
    linked: HashSet<InodeId>,
    /// Files that were open when they were met: their records tell.
    pub(super) skipped: HashSet<InodeId>,
    /// The directory that could not be read, for people.
    failed_at: Option<PathBuf>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(account: Option<&'a Arc<Account>>) -> Self {
        Self {
            account,
            sum: Sum::default(),
            linked: HashSet::new(),
            skipped: HashSet::new(),
            failed_at: None,
        }
    }

    pub(super) fn home(&mut self, home: &Path) -> Result<Walked> {
        let what = || Error::new(format!("cannot measure the home {home:?}"));
        let cannot = |errno: Errno| what().because(std::io::Error::from(errno));
        match rustix::fs::openat(CWD, home, DIRECTORY, Mode::empty()) {
            Ok(root) => self.tree(root).map_err(|errno| match self.failed_at.take() {
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
                Ok(next) => self.level(next),
                // Removed meanwhile.
                Err(Errno::NOENT) => {
                    self.sum.files = self.sum.files.saturating_sub(1);
                    continue;
                }
                // Something else now: the count of changes tells, if it was changed through us.
                Err(Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => Err(errno),
            };
            match next {
                Ok(next) => stack.push(next),
                Err(errno) if is_closed_to_us(errno) => self.hide(dir, &name),
                Err(errno) => {
                    self.failed_at = Some(path_of(dir, &name));
                    return Err(errno);
                }
            }
            let far_up = stack.len().checked_sub(OPEN_AT_ONCE + 1);
            if let Some(level) = far_up.and_then(|index| stack.get_mut(index)) {
                level.dir = None;
            }
        }
        Ok(Walked::Whole)
    }

    fn level(&mut self, dir: OwnedFd) -> std::result::Result<Level, Errno> {
        // By its own name: that needs the right to enter it, without which nothing in it could be looked at.
        let id = id_of(&rustix::fs::statat(&dir, c".", AtFlags::SYMLINK_NOFOLLOW)?);
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
                        Err(errno) if is_closed_to_us(errno) => {
                            self.sum.files += 1;
                            self.hide(dir, name.to_bytes());
                            continue;
                        }
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

    /// Something that is counted as one entry, and no more is known of it.
    fn hide(&mut self, dir: &OwnedFd, name: &[u8]) {
        self.sum.unreadable.count += 1;
        if self.sum.unreadable.first.is_none() {
            self.sum.unreadable.first = Some(path_of(dir, name));
        }
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
        // Or closed to us meanwhile.
        Err(Errno::NOENT | Errno::ACCESS) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    let same = id_of(&rustix::fs::fstat(&parent)?) == up.id;
    up.dir = Some(parent);
    Ok(same)
}

/// Does the host keep it from the server's user, or has what is mounted there gone?
fn is_closed_to_us(errno: Errno) -> bool {
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::NOTCONN | Errno::STALE)
}

/// Where something is, for people.
fn path_of(dir: &OwnedFd, name: &[u8]) -> PathBuf {
    let above = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).unwrap_or_default();
    above.join(OsStr::from_bytes(name))
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
