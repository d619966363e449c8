//! A directory that a command lists, a few entries at a time.

use crate::io::HomeIo;
use crate::storage::{DirEntry, DirStream, Result};
use base::glob::Pattern;

/// The entries of a directory that are read in one call.
const ENTRIES_AT_ONCE: usize = 50;

/// A directory that is being listed.
pub struct NameListing {
    stream: Box<dyn DirStream>,
    /// The access of the directory to its file system; `None` if that is the home's.
    io: Option<HomeIo>,
}

/// The names in a directory that match a pattern, as far as the directory was read.
pub struct Matches {
    /// The unread part of the directory; `None` if all of it was read.
    pub rest: Option<NameListing>,
    /// The names in the directory that match the pattern.
    pub names: Vec<Vec<u8>>,
    /// The number of names that were examined.
    pub examined: usize,
}

impl NameListing {
    /// Creates the listing of a directory that was just opened; `io` is its access to its file system, if that is not the
    /// home's.
    pub(super) fn new(stream: Box<dyn DirStream>, io: Option<HomeIo>) -> Self {
        Self { stream, io }
    }

    /// Returns the access of the directory to its file system; `None` if that is the home's.
    pub(super) fn io(&self) -> Option<&HomeIo> {
        self.io.as_ref()
    }

    /// Returns the next entries without `.` and `..`; none at the end.
    pub(super) fn entries(&mut self) -> Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        while entries.len() < ENTRIES_AT_ONCE {
            match self.stream.next()? {
                Some(entry) if entry.name == b"." || entry.name == b".." => {}
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(entries)
    }

    /// Examines the next names.
    pub(super) fn matches(mut self, wanted: &Pattern) -> Matches {
        let (mut names, mut examined, mut ended) = (Vec::new(), 0, false);
        while examined < ENTRIES_AT_ONCE && !ended {
            match self.stream.next() {
                Ok(Some(entry)) => {
                    examined += 1;
                    let itself = entry.name == b"." || entry.name == b"..";
                    if !itself && wanted.matches(&entry.name) {
                        names.push(entry.name);
                    }
                }
                Ok(None) | Err(_) => ended = true,
            }
        }
        Matches {
            rest: (!ended).then_some(self),
            names,
            examined,
        }
    }
}
