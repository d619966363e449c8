//! One file to transfer, and the names under which it may be stored.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sftp_wire::Attributes;

use super::part_file;
use super::temporary_names::temporary_name;
use crate::plan::ExistingEntry;
use base::visible::printable;

/// Files below this size are small: they are sent in one piece.
pub const SMALL_BYTES: u64 = 64 << 10;
/// How many names are tried for a file whose own is taken.
const MAX_RENAMES: u32 = 1000;

/// The endings that are tried for a name that is taken.
pub fn endings() -> impl Iterator<Item = String> {
    (1..MAX_RENAMES).map(|number| format!(".{number}"))
}

/// The direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The file goes to the server.
    Up,
    /// The file comes from the server.
    Down,
}

/// One file that is to be transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The direction of the transfer.
    pub direction: Direction,
    /// The file on this machine.
    pub local: PathBuf,
    /// The file on the server.
    pub remote: Vec<u8>,
    /// The size of the file when it was found, in bytes.
    pub size: u64,
    /// What exists at the target of an upload, if that was just looked up.
    pub destination: Option<ExistingEntry>,
    /// The attributes of the source of a download, if they were just received.
    pub known: Option<Attributes>,
}

impl Job {
    /// The path of the target, on the server or on this machine.
    pub(super) fn target(&self) -> &Path {
        match self.direction {
            Direction::Up => Path::new(OsStr::from_bytes(&self.remote)),
            Direction::Down => &self.local,
        }
    }

    /// The same job, to be stored with `ending` behind the name.
    pub(super) fn renamed(&self, ending: &str) -> Self {
        let mut job = self.clone();
        match self.direction {
            Direction::Up => job.remote.extend_from_slice(ending.as_bytes()),
            Direction::Down => job.local = part_file::with_ending(&self.local, ending),
        }
        job.destination = None;
        job
    }

    /// The same upload to another path.
    pub(super) fn with_remote(&self, remote: Vec<u8>) -> Self {
        Self {
            remote,
            destination: None,
            ..self.clone()
        }
    }

    /// The path on the server under which an upload grows that goes to a temporary name.
    pub(super) fn temporary_path(&self) -> Vec<u8> {
        temporary_name(&self.remote)
    }

    /// The name for messages, which is that of the source.
    pub fn name(&self) -> String {
        match self.direction {
            // Standard input has no name.
            Direction::Up if self.local == Path::new("-") => printable(&self.remote),
            Direction::Up => printable(self.local.as_os_str().as_bytes()),
            Direction::Down => printable(&self.remote),
        }
    }
}
