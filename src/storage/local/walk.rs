//! Walks a home and adds up the entries of its directories, with few descriptors and without recursion.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::storage::InodeId;
use crate::storage::backend::{MeasureError, Measurement, OpenFiles};

/// The size of one read of a directory in bytes: about 800 names.
const DIRECTORY_BUFFER: usize = 32 * 1024;
/// The number of directories kept open on the way down. Those further up are found again by `..`, so a tree of any
/// depth uses only a few dozen of the descriptors that all users share.
const OPEN_AT_ONCE: usize = 32;

/// Adds up the files in a home. A home that does not exist is empty: it is made at the first sign-in.
///
/// # Errors
/// Fails when a directory cannot be read, or when the measurement is cancelled.
pub(super) fn measure(
    home: &Path,
    open_files: &dyn OpenFiles,
) -> std::result::Result<Measurement, MeasureError> {
    let mut walk = Walk {
        open_files,
        found: Measurement::default(),
        linked: HashSet::new(),
        failed_at: None,
    };
    let walked = match rustix::fs::openat(CWD, home, DIRECTORY, Mode::empty()) {
        Ok(root) => walk.tree(root),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    };
    match walked {
        Ok(()) => Ok(walk.found),
        Err(errno) => Err(MeasureError {
            at: walk.failed_at,
            error: errno.into(),
        }),
    }
}

/// The state of one walk through a home.
struct Walk<'a> {
    open_files: &'a dyn OpenFiles,
    found: Measurement,
    /// The files with several names that were seen already.
    linked: HashSet<InodeId>,
    /// The directory that could not be read.
    failed_at: Option<PathBuf>,
}

impl Walk<'_> {
    /// Walks a tree with an explicit stack, because a deep tree would overflow the thread's stack.
    fn tree(&mut self, root: OwnedFd) -> std::result::Result<(), Errno> {
        let mut stack = vec![self.level(root)?];
        while let Some(level) = stack.last_mut() {
            let (Some(dir), Some(name)) = (&level.dir, level.below.pop()) else {
                let done = stack.pop();
                if !ascend(done, stack.last_mut())? {
                    self.found.interrupted = true;
                    return Ok(());
                }
                continue;
            };
            let next = match rustix::fs::openat(dir, name.as_slice(), DIRECTORY, Mode::empty()) {
                Ok(next) => self.level(next),
                // The directory was removed meanwhile.
                Err(Errno::NOENT) => {
                    self.found.sum.files = self.found.sum.files.saturating_sub(1);
                    continue;
                }
                // The name is something else now. If it was changed through the server, the count of changes shows
                // it.
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
        Ok(())
    }

    fn level(&mut self, dir: OwnedFd) -> std::result::Result<Level, Errno> {
        // A lookup of `.` needs the right to enter the directory; without it, none of its entries could be read.
        let id = id_of(&rustix::fs::statat(&dir, c".", AtFlags::SYMLINK_NOFOLLOW)?);
        let below = self.directory(&dir)?;
        Ok(Level {
            dir: Some(dir),
            id,
            below,
        })
    }

    /// Counts the entries of one directory, and returns the names of the directories in it.
    fn directory(&mut self, dir: &OwnedFd) -> std::result::Result<Vec<Vec<u8>>, Errno> {
        if self.open_files.is_cancelled() {
            return Err(Errno::CANCELED);
        }
        let mut below = Vec::new();
        let mut buffer = Vec::with_capacity(DIRECTORY_BUFFER);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory was removed during the walk.
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match entry.file_type() {
                FileType::Directory => {
                    self.found.sum.files += 1;
                    below.push(name.to_bytes().to_vec());
                }
                _ => {
                    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => stat,
                        Err(Errno::NOENT) => continue,
                        Err(errno) if is_closed_to_us(errno) => {
                            self.found.sum.files += 1;
                            self.hide(dir, name.to_bytes());
                            continue;
                        }
                        Err(errno) => return Err(errno),
                    };
                    let kind = FileType::from_raw_mode(stat.st_mode);
                    if kind == FileType::Directory {
                        // The file system does not report the kind of entries in its directories.
                        self.found.sum.files += 1;
                        below.push(name.to_bytes().to_vec());
                        continue;
                    }
                    self.file(id_of(&stat), &stat, kind == FileType::RegularFile);
                }
            }
        }
        Ok(below)
    }

    /// Counts something as one entry that could not be read.
    fn hide(&mut self, dir: &OwnedFd, name: &[u8]) {
        self.found.sum.unreadable.count += 1;
        if self.found.sum.unreadable.first.is_none() {
            self.found.sum.unreadable.first = Some(path_of(dir, name));
        }
    }

    fn file(&mut self, id: InodeId, stat: &rustix::fs::Stat, regular: bool) {
        if stat.st_nlink > 1 && !self.linked.insert(id) {
            return;
        }
        self.found.sum.files += 1;
        if !regular {
            return;
        }
        if self.open_files.is_counted(id) {
            self.found.skipped.insert(id);
        } else {
            self.found.sum.bytes = self
                .found
                .sum
                .bytes
                .saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
}

/// A directory on the current path of the walk.
struct Level {
    /// The descriptor, which is closed while the walk is far below.
    dir: Option<OwnedFd>,
    id: InodeId,
    /// The names of the directories in it that are still to be visited.
    below: Vec<Vec<u8>>,
}

/// Goes back up from a directory that is done. Returns `false` if `..` is not the directory that the walk came from.
fn ascend(done: Option<Level>, up: Option<&mut Level>) -> std::result::Result<bool, Errno> {
    let (Some(Level { dir: Some(done), .. }), Some(up)) = (done, up) else {
        return Ok(true);
    };
    if up.dir.is_some() {
        return Ok(true);
    }
    let parent = match rustix::fs::openat(&done, c"..", DIRECTORY, Mode::empty()) {
        Ok(parent) => parent,
        // The directory was removed, or made inaccessible, meanwhile.
        Err(Errno::NOENT | Errno::ACCESS) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    let same = id_of(&rustix::fs::fstat(&parent)?) == up.id;
    up.dir = Some(parent);
    Ok(same)
}

/// Returns whether the error means that the host denies access to the server's user, or that a mounted file system is
/// gone.
fn is_closed_to_us(errno: Errno) -> bool {
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::NOTCONN | Errno::STALE)
}

/// Returns the path of an entry, for messages.
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
