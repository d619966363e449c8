//! Joins a home and folders to one tree: `/NAME` is the folder with this name, and everything else is the home. This
//! decorator knows names, but neither disks nor permissions: each storage below it has its own guard, account and
//! scheduler.
//!
//! A path is *as the client sent it* until the router has taken `..` away. Then it is *plain*, and belongs to exactly one
//! storage: to a folder if its first name is a folder's, otherwise to the home. Only plain paths go to a storage, relative
//! to its root, so that its guard and the kernel decide about the same text. Rules:
//!
//! - **`..`** is taken away only behind a prefix that is proven to be a directory without a symbolic link
//!   ([`Storage::prove_directory`]), so `missing/../d` fails. A prefix that is a link is replaced by the path that its
//!   storage follows it to; from there, `..` leads nowhere but within that storage. A storage that follows no links
//!   refuses such a path. What is moved between the proof and the call can make the call fail, or hit what has the plain
//!   name then; either is decided by the guard on that plain name.
//! - **`/NAME` itself** is made up: the attributes of a directory, so that nobody who does not enter the folder waits for
//!   its disk. It cannot be made, removed, renamed, changed or linked: [`Error::IsFolder`].
//! - **A home entry of that name** is hidden: it is in no listing of `/`, and no path that a client sends leads to it.
//!   A link in the home may still: its target never leaves its own storage.
//! - **Nothing crosses storages** but bytes: renames and hard links between them are refused with
//!   [`Error::CrossesFolders`].
//!
//! A folder is *unmounted*, *mounted* or *failed* ([`folders::FolderMount`]). It is mounted when a call first enters it,
//! by the caller and before the call ([`call_io::SlowWay`]), since that takes the store, an account and a disk that
//! may hang. The router itself never waits for it.
#![deny(clippy::missing_trait_methods)]

pub mod call_io;
pub mod folders;
mod plain_path;
mod root_listing;
mod routes;

use std::borrow::Cow;
use std::sync::Arc;

use self::folders::Folders;
use self::plain_path::{not_a_path, without_up};
use self::root_listing::RootListing;
use self::routes::{JoinedStorages, Route};
use super::{
    Capabilities, DirStream, Error, FileSystemId, Links, Metadata, OpenFile, OpenHow, PinnedInode, Renaming,
    Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

/// A home and folders as one tree.
pub struct Router {
    joined: JoinedStorages,
}

impl Router {
    /// Joins a home and folders. Without folders, the router only takes `..` away.
    pub fn new(home: Arc<dyn Storage>, folders: Arc<Folders>) -> Self {
        Self {
            joined: JoinedStorages { home, folders },
        }
    }

    /// Returns the route of a path as the client sent it.
    fn route<'a>(&'a self, path: &'a VirtualPath) -> Result<Route<'a>> {
        match path.has_up() {
            false => Ok(self.joined.route_of_plain(Cow::Borrowed(path))),
            true => {
                let plain = without_up(&self.joined, path)?;
                Ok(self.joined.route_of_plain(Cow::Owned(plain)))
            }
        }
    }

    /// Makes a call on what a path stands for.
    fn on<T>(
        &self,
        path: &VirtualPath,
        call: impl FnOnce(&dyn Storage, &VirtualPath) -> Result<T>,
    ) -> Result<T> {
        let route = self.route(path)?;
        let called = call(&*self.joined.storage(route.folder)?, &route.path);
        called.map_err(|error| route.explained(error))
    }

    /// Makes a call that changes a name, which must not be a folder's.
    fn on_name<T>(
        &self,
        path: &VirtualPath,
        call: impl FnOnce(&dyn Storage, &VirtualPath) -> Result<T>,
    ) -> Result<T> {
        let route = self.route(path)?;
        if route.is_folder_itself() {
            return Err(Error::IsFolder);
        }
        let called = call(&*self.joined.storage(route.folder)?, &route.path);
        called.map_err(|error| route.explained(error))
    }

    /// Makes a call that changes two names, which must lie in the same storage.
    fn on_names(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        call: impl FnOnce(&dyn Storage, &VirtualPath, &VirtualPath) -> Result<()>,
    ) -> Result<()> {
        let (from, to) = (self.route(from)?, self.route(to)?);
        if from.is_folder_itself() || to.is_folder_itself() {
            return Err(Error::IsFolder);
        }
        let is_same = match (from.folder, to.folder) {
            (None, None) => true,
            (Some(from), Some(to)) => Arc::ptr_eq(from, to),
            (None, Some(_)) | (Some(_), None) => false,
        };
        match is_same {
            true => {
                let called = call(&*self.joined.storage(from.folder)?, &from.path, &to.path);
                called.map_err(|error| from.explained(error))
            }
            false => Err(Error::CrossesFolders),
        }
    }
}

impl Storage for Router {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        self.on(path, |storage, path| storage.open(path, how, wait))
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        let route = self.route(path)?;
        // A directory that was removed can still be listed, and is empty.
        if route.is_folder_itself() && route.is_gone() {
            return Err(Error::FolderMissing);
        }
        let opened = self.joined.storage(route.folder)?.open_dir(&route.path);
        let stream = opened.map_err(|error| route.explained(error))?;
        Ok(match route.folder.is_none() && route.path.is_root() {
            true => Box::new(RootListing::new(stream, Arc::clone(&self.joined.folders))),
            false => stream,
        })
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        let route = self.route(path)?;
        match route.folder {
            Some(folder) if route.path.is_root() => Ok(folder.metadata()),
            folder => {
                let found = self.joined.storage(folder)?.stat(&route.path, links);
                found.map_err(|error| route.explained(error))
            }
        }
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.on_name(path, |storage, path| storage.set_attrs(path, attrs, links))
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.on_name(path, |storage, path| storage.remove(path, wait))
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.on_name(path, |storage, path| storage.mkdir(path, mode, wait))
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        if path.components().rfind(|name| !name.is_empty()) == Some(b"..") {
            // The directory that `..` leads out of is in it. This is rmdir(2)'s error.
            self.route(path)?;
            return Err(Error::NotEmpty);
        }
        self.on_name(path, |storage, path| storage.rmdir(path, wait))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.on_names(from, to, |storage, from, to| storage.rename(from, to, how))
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        let route = self.route(path)?;
        match route.is_folder_itself() {
            true => Err(Error::Invalid),
            false => self.joined.storage(route.folder)?.read_link(&route.path),
        }
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.on_name(link, |storage, link| storage.symlink(target, link, wait))
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.on_names(from, to, |storage, from, to| storage.hard_link(from, to, wait))
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.on(path, |storage, path| storage.pin(path, links))
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        let route = self.route(path)?;
        match route.is_folder_itself() {
            true => Ok(()),
            false => self.joined.storage(route.folder)?.prove_directory(&route.path),
        }
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let route = self.route(path)?;
        let Some(folder) = route.folder else {
            let real = self.joined.home.real_path(&route.path)?;
            // A link may lead to a home entry that a folder hides: then the link's own name is the only one.
            let is_hidden = real
                .split_first()
                .is_some_and(|(name, _)| self.joined.folders.named(name).is_some());
            return Ok(match is_hidden {
                true => route.path.without_tail(),
                false => real,
            });
        };
        let real = match route.path.is_root() {
            true => VirtualPath::root(),
            false => folder.storage()?.real_path(&route.path)?,
        };
        real.below(folder.name()).map_err(not_a_path)
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.on(path, |storage, path| storage.space(path, wait))
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        let route = self.route(path)?;
        match route.is_folder_itself() {
            // The name is not on any disk.
            true => Ok(()),
            false => self.joined.storage(route.folder)?.sync_name(&route.path),
        }
    }

    /// Returns the file system of the home.
    fn identity(&self) -> Result<FileSystemId> {
        self.joined.home.identity()
    }

    /// Returns what the home supports.
    fn capabilities(&self) -> Capabilities {
        self.joined.home.capabilities()
    }

    /// Returns the home's access: a call on a folder takes that of [`call_io::SessionIo::of_call`].
    fn scheduler(&self) -> &HomeIo {
        self.joined.home.scheduler()
    }
}

#[cfg(test)]
mod tests;
