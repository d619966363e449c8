//! Files that are passed to other programs, and what shows whether they were changed since.

use std::os::fd::OwnedFd;

use rustix::fs::Stat;

use super::attrs;
use crate::storage::{FileKind, InodeId};

/// A regular file that is open for reading.
#[derive(Debug)]
pub struct ReadableFile {
    /// The descriptor, which cannot be written to.
    pub descriptor: OwnedFd,
    /// The state of the file when it was opened.
    pub state: FileState,
}

/// What changes when a file is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// The identity of the file.
    pub inode: InodeId,
    /// The size in bytes.
    pub size: u64,
    /// The number of names.
    pub links: u64,
    /// When the content was changed last, as the file says (`st_mtim`).
    modified: FileTime,
    /// When content, attributes or names were changed last, which no program can set (`st_ctim`).
    pub changed: FileTime,
}

/// A time of a file since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileTime {
    /// The whole seconds.
    pub seconds: i64,
    /// The rest in nanoseconds.
    pub nanoseconds: u32,
}

impl FileTime {
    #[allow(
        clippy::useless_conversion,
        reason = "the types of the fields differ between architectures"
    )]
    fn new(seconds: i64, nanoseconds: impl TryInto<u32>) -> Self {
        Self {
            seconds,
            nanoseconds: nanoseconds.try_into().unwrap_or(0),
        }
    }
}

impl FileState {
    /// Returns the state of a regular file; `None` for anything else.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        let meta = attrs::metadata(stat);
        (meta.kind == FileKind::File).then(|| Self {
            inode: meta.inode,
            size: meta.size,
            links: meta.links,
            modified: FileTime::new(stat.st_mtime, stat.st_mtime_nsec),
            changed: FileTime::new(stat.st_ctime, stat.st_ctime_nsec),
        })
    }
}
