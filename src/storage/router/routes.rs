//! Finds the storage that a plain path belongs to.

use std::borrow::Cow;
use std::sync::Arc;

use super::folders::{FolderMount, Folders};
use crate::domain::path::VirtualPath;
use crate::storage::{Error, Result, Storage};

/// The storages of one tree: a home, and the folders by their names.
pub(super) struct JoinedStorages {
    pub(super) home: Arc<dyn Storage>,
    pub(super) folders: Arc<Folders>,
}

/// The storage that a plain path belongs to, and the path in it.
pub(super) struct Route<'a> {
    /// The folder; `None` for the home.
    pub(super) folder: Option<&'a Arc<FolderMount>>,
    pub(super) path: Cow<'a, VirtualPath>,
}

impl Route<'_> {
    pub(super) fn is_folder_itself(&self) -> bool {
        self.folder.is_some() && self.path.is_root()
    }

    /// Whether the route is that of a folder whose directory was removed after it had been mounted.
    pub(super) fn is_gone(&self) -> bool {
        self.folder.is_some_and(|folder| folder.is_gone())
    }

    /// Returns the error of a call on the route: that the whole folder is gone, if that is why a name is not found.
    pub(super) fn explained(&self, error: Error) -> Error {
        match error {
            Error::NotFound if self.is_gone() => Error::FolderMissing,
            _ => error,
        }
    }
}

impl JoinedStorages {
    /// Returns the route of a path that has no `..`.
    pub(super) fn route_of_plain<'a>(&'a self, path: Cow<'a, VirtualPath>) -> Route<'a> {
        let split = path
            .split_first()
            .and_then(|(name, below)| Some((self.folders.named(name)?, below)));
        match split {
            Some((folder, below)) => Route {
                folder: Some(folder),
                path: Cow::Owned(below),
            },
            None => Route { folder: None, path },
        }
    }

    /// Returns the storage of a route: that of a folder, or the home.
    pub(super) fn storage(&self, folder: Option<&Arc<FolderMount>>) -> Result<Arc<dyn Storage>> {
        match folder {
            None => Ok(Arc::clone(&self.home)),
            Some(folder) => folder.storage(),
        }
    }
}
