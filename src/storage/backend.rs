//! One kind of storage as the server itself uses it, without a session: homes are measured and brought to the disk.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::location::{Location, Volume};
use super::types::InodeId;

/// Measures and syncs homes. All calls but [`Backend::volumes`] may block on the disk.
pub trait Backend: Send + Sync {
    /// Adds up what lies in a home, while it may be in use. A home that does not exist holds nothing.
    ///
    /// # Errors
    /// When a directory cannot be read, and when `open_files` says that the measure is cancelled.
    fn measure(
        &self,
        home: &Location,
        open_files: &dyn OpenFiles,
    ) -> std::result::Result<Measurement, MeasureError>;
    /// Brings everything that was written in these homes to the disk. A home that does not exist has nothing to lose.
    fn sync_all(&self, homes: &[Location]) -> Result<()>;
    /// Returns the volume of each home, in the same order. Never waits for a disk.
    fn volumes(&self, homes: &[&Location]) -> Vec<Volume>;
}

/// What a measure has to know of the files that are open meanwhile.
pub trait OpenFiles {
    /// Returns whether somebody else counts the size of this inode, because it is open.
    fn counts(&self, inode: InodeId) -> bool;
    /// Returns whether nobody needs the measure any more.
    fn is_cancelled(&self) -> bool;
}

/// A home that nobody uses while it is measured.
pub struct NotInUse;

impl OpenFiles for NotInUse {
    fn counts(&self, _inode: InodeId) -> bool {
        false
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// The result of one pass over a home.
#[derive(Debug, Default)]
pub struct Measurement {
    /// What was counted.
    pub sum: Sum,
    /// The open files that were met, and whose size was left out.
    pub skipped: HashSet<InodeId>,
    /// A directory was moved away during the pass, so that the sum is not complete.
    pub interrupted: bool,
}

/// What lies in a home.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The sum of file sizes, each inode once.
    pub bytes: u64,
    /// The number of files, directories and symbolic links below the home.
    pub files: u64,
    /// The entries that could not be looked into.
    pub unreadable: Unreadable,
}

/// Directories that could not be entered, and files that could not be looked at; each counts as one entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Option<PathBuf>,
}

/// Why a home could not be measured.
#[derive(Debug)]
pub struct MeasureError {
    /// The directory below the home that could not be read, for operators; `None` if it is the home.
    pub at: Option<PathBuf>,
    /// The reason.
    pub error: Error,
}
