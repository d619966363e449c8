//! Where a home lies, and which file system that is: values that only a storage looks into.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a home. Only the storage that it belongs to knows what it means: for local disks it is an absolute path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(PathBuf);

impl Location {
    /// The location of a home on a local disk.
    pub fn of_directory(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory on a local disk. The configuration, the store and the local storage use it, and nobody between.
    pub fn directory(&self) -> &Path {
        &self.0
    }
}

/// Shows what an operator would write.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies a file system among those that are in use now. It may change when a disk is mounted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileSystemId(u64);

impl FileSystemId {
    /// The file system with this device number.
    pub fn of_device(device: u64) -> Self {
        Self(device)
    }

    /// A number that is different for each file system.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A group of homes that a hang of one disk affects together. Found without asking the disk, which may hang.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Volume(pub(in crate::storage) PathBuf);
