//! Lists the root of the tree: the home, without what folders hide, and then the folders.

use std::sync::Arc;

use super::folders::Folders;
use crate::storage::{DirEntry, DirStream, Result};

/// A listing of `/`.
pub(super) struct RootListing {
    /// The entries of the home; `None` at their end.
    home: Option<Box<dyn DirStream>>,
    folders: Arc<Folders>,
    /// How many folders were listed.
    listed: usize,
}

impl RootListing {
    pub(super) fn new(home: Box<dyn DirStream>, folders: Arc<Folders>) -> Self {
        Self {
            home: Some(home),
            folders,
            listed: 0,
        }
    }
}

impl DirStream for RootListing {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        while let Some(home) = &mut self.home {
            match home.next()? {
                Some(entry) if self.folders.named(&entry.name).is_some() => {}
                Some(entry) => return Ok(Some(entry)),
                None => self.home = None,
            }
        }
        let folder = self.folders.all().get(self.listed);
        self.listed += 1;
        Ok(folder.map(|folder| DirEntry {
            name: folder.name().to_vec(),
            meta: folder.metadata(),
        }))
    }
}
