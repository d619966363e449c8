//! Where a home or a folder lies, and on which file system. Only a storage looks into these values.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a home or a folder. Only the storage that it belongs to interprets it; for local disks it is an absolute
/// path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    path: PathBuf,
    kind: PlaceKind,
}

/// What lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceKind {
    /// The home of users.
    Home,
    /// A folder.
    Folder,
}

/// Displayed as the word that sentences have for it.
impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlaceKind::Home => "home",
            PlaceKind::Folder => "folder",
        })
    }
}

impl Location {
    /// Creates the location of a home on a local disk.
    pub fn of_directory(path: impl Into<PathBuf>) -> Self {
        Self::of(PlaceKind::Home, path)
    }

    /// Creates the location of a home or a folder on a local disk.
    pub fn of(kind: PlaceKind, path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind,
        }
    }

    /// Returns the directory on a local disk. Only the configuration, the store and the local storage use it.
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// Returns what lies there.
    pub fn kind(&self) -> PlaceKind {
        self.kind
    }
}

/// Shows the path as an operator would write it.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Identifies a file system among those that are in use now. The identity may change when a disk is mounted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileSystemId(u64);

impl FileSystemId {
    /// Returns the identity of the file system with this device number.
    pub fn of_device(device: u64) -> Self {
        Self(device)
    }

    /// Returns a number that is different for each file system.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A group of homes that one hanging disk affects together. It is found without a request to the disk, which may
/// hang.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Volume(pub(in crate::storage) PathBuf);
