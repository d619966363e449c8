//! Lists the root of the tree: the home, without what folders hide, and then the folders.

use std::sync::Arc;

use super::folders::{FolderMount, Folders};
use crate::storage::{DirEntry, DirStream, Result};

/// A listing of `/`.
pub(super) struct RootListing {
    home: Box<dyn DirStream>,
    /// Whether all entries of the home were listed.
    is_home_listed: bool,
    folders: Arc<Folders>,
    /// How many folders were listed.
    listed: usize,
}

impl RootListing {
    pub(super) fn new(home: Box<dyn DirStream>, folders: Arc<Folders>) -> Self {
        Self {
            home,
            is_home_listed: false,
            folders,
            listed: 0,
        }
    }
}

impl DirStream for RootListing {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        while !self.is_home_listed {
            match self.home.next()? {
                Some(entry) if self.folders.named(&entry.name).is_some() => {}
                Some(entry) => return Ok(Some(entry)),
                None => self.is_home_listed = true,
            }
        }
        let folder = self.folders.all().get(self.listed);
        self.listed += 1;
        Ok(folder.map(|folder| entry_of(folder)))
    }

    fn again(&mut self, name: &[u8]) -> Option<DirEntry> {
        match self.folders.named(name) {
            Some(folder) => Some(entry_of(folder)),
            None => self.home.again(name),
        }
    }
}

fn entry_of(folder: &FolderMount) -> DirEntry {
    DirEntry {
        name: folder.name().to_vec(),
        meta: folder.metadata(),
    }
}
