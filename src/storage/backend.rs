//! One kind of storage as the server itself uses it, without a session: it measures homes and flushes them to the
//! disk.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::location::{Location, Volume};
use super::types::InodeId;

/// Measures and flushes homes. All calls but [`Backend::volumes`] may block on the disk.
pub trait Backend: Send + Sync {
    /// Adds up the files in a home, which may be in use meanwhile. A home that does not exist is empty.
    ///
    /// # Errors
    /// Fails when a directory cannot be read, or when `open_files` says that the measurement is cancelled.
    fn measure(
        &self,
        home: &Location,
        open_files: &dyn OpenFiles,
    ) -> std::result::Result<Measurement, MeasureError>;
    /// Flushes everything that was written in these homes to the disk. A home that does not exist is skipped.
    fn sync_all(&self, homes: &[Location]) -> Result<()>;
    /// Returns the volume of each home, in the same order. Never waits for a disk.
    fn volumes(&self, homes: &[&Location]) -> Vec<Volume>;
}

/// What a measurement has to know about files that are open meanwhile.
pub trait OpenFiles {
    /// Returns whether the size of this inode is counted elsewhere, because it is open.
    fn is_counted(&self, inode: InodeId) -> bool;
    /// Returns whether the measurement is not needed any more.
    fn is_cancelled(&self) -> bool;
}

/// The open files of a home that is not used while it is measured: none.
pub struct NoOpenFiles;

impl OpenFiles for NoOpenFiles {
    fn is_counted(&self, _inode: InodeId) -> bool {
        false
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// The result of one pass over a home.
#[derive(Debug, Default)]
pub struct Measurement {
    /// The files and bytes that were counted.
    pub sum: Sum,
    /// The open files that were seen, and whose sizes were left out.
    pub skipped: HashSet<InodeId>,
    /// Whether a directory was moved away during the pass, so that the sum is not complete.
    pub interrupted: bool,
}

/// The total of the files in a home.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The sum of file sizes in bytes; each inode counts once.
    pub bytes: u64,
    /// The number of files, directories and symbolic links below the home.
    pub files: u64,
    /// The entries that could not be read.
    pub unreadable: Unreadable,
}

/// Directories that could not be entered, and files whose attributes could not be read. Each counts as one entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The number of such entries.
    pub count: u64,
    /// The path of the first such entry.
    pub first: Option<PathBuf>,
}

/// Why a home could not be measured.
#[derive(Debug)]
pub struct MeasureError {
    /// The directory that could not be read, for operators; `None` if it is the home itself.
    pub at: Option<PathBuf>,
    /// The error that the storage returned.
    pub error: Error,
}
