//! Charges every change of a home to its account: a decorator of the storage, and the only way to the account.
//!
//! Growth is reserved before anything is written. If the write fails, the charge is corrected to what the file system
//! then reports. Sizes change under the lock of the inode's record, and names under that of the account. A call that
//! may have to wait, but must not, returns [`Error::WouldBlock`] before it has done anything.
#![deny(clippy::missing_trait_methods)]

pub mod between;
mod file;
mod room;

use std::sync::Arc;

use crate::accounts::account::{Account, Change};
use crate::accounts::inode::{Inode, InodeOwner as _};
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;
use crate::storage::{
    Capabilities, DirStream, Error, FileKind, FileSystemId, IfExists, InodeId, Links, Metadata, OpenFile,
    OpenHow, PinnedInode, Renaming, Result, SetAttrs, Space, Storage, Wait,
};

use self::file::{Handle, OpenEffect, QuotaFile, Uncharged, lower_charge};
use self::room::within_quota;

/// A storage whose growth is charged to an account.
pub struct QuotaStorage {
    inner: Arc<dyn Storage>,
    account: Arc<Account>,
}

impl QuotaStorage {
    /// Charges the changes in `inner` to `account`.
    pub fn new(inner: Arc<dyn Storage>, account: Arc<Account>) -> Self {
        Self { inner, account }
    }

    #[cfg(test)]
    fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Wraps a file that was opened. If it may be written, the caller has frozen the names since before it was
    /// opened.
    fn wrap(&self, inner: Arc<dyn OpenFile>, how: OpenHow) -> Result<Arc<dyn OpenFile>> {
        let meta = inner.stat()?;
        let inode = match meta.kind {
            FileKind::File => Inode::of(&self.account, || inner.stat())?,
            FileKind::Directory | FileKind::Symlink | FileKind::Special => None,
        };
        Ok(match inode {
            Some(inode) => {
                let handle = Handle::new(inode, how, OpenEffect::Nothing).with_size(meta.size);
                Arc::new(QuotaFile::new(Arc::clone(&self.account), inner, handle))
            }
            None => Arc::new(Uncharged {
                inner,
                account: Arc::clone(&self.account),
            }),
        })
    }

    /// Opens a file in a way that may create or truncate it.
    fn open_for_change(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let change = self.account.begin()?;
        let _names = self.account.names.lock_to_change(wait)?;
        if how.create && how.exclusive {
            return self.create_new(&change, path, how, wait);
        }
        let existing = OpenHow { create: false, ..how };
        match self.inner.stat(path, Links::Follow) {
            // With O_CREAT or O_TRUNC a directory cannot be opened: open(2) returns EISDIR.
            Ok(meta) if meta.kind == FileKind::Directory => self.inner.open(path, how, wait),
            Ok(meta) if how.truncate && meta.kind == FileKind::File => {
                self.open_and_cut(&change, path, existing, wait)
            }
            Ok(_) => {
                let file = self.inner.open(path, existing, wait)?;
                self.wrap(file, how)
            }
            Err(Error::NotFound) if how.create => self.create_new(&change, path, how, wait),
            // The storage itself reports what is wrong with the path.
            Err(_) => {
                let file = self.inner.open(path, how, wait)?;
                // Another program has repaired the path at this very moment, so it is unknown what was created or
                // truncated.
                self.account.invalidate();
                self.wrap(file, how)
            }
        }
    }

    /// Creates a file that is missing, or must be: then the storage itself finds out whether it is. The names are locked.
    fn create_new(
        &self,
        change: &Change<'_>,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<Arc<dyn OpenFile>> {
        self.reserve_name(change, path, how.exclusive)?;
        let made = self.inner.open(path, how, wait);
        let made = made.inspect_err(|_| self.account.release_file(change))?;
        // If its attributes cannot be read, the file exists, and is counted.
        let inode = Inode::of_new(&self.account, &made.stat()?);
        let handle = Handle::new(inode, how, OpenEffect::Created);
        Ok(Arc::new(QuotaFile::new(Arc::clone(&self.account), made, handle)))
    }

    /// Opens an existing file and truncates it to zero bytes, with its record locked throughout.
    fn open_and_cut(
        &self,
        change: &Change<'_>,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<Arc<dyn OpenFile>> {
        let Some(inode) = Inode::of(&self.account, || self.inner.stat(path, Links::Follow))? else {
            return Err(Error::NotFound);
        };
        let mut size = inode.lock(wait)?;
        let opened = self.inner.open(path, how, wait);
        let now = match &opened {
            Ok(inner) => inner.stat(),
            // The file may have been truncated even so.
            Err(_) => self.inner.stat(path, Links::Follow),
        };
        match now {
            Ok(meta) if meta.inode != inode.id() => {
                // Another program has replaced the file.
                drop(size);
                return self.wrap(opened?, how);
            }
            // The size is locked, so this is certain, even if the file system returns cached attributes.
            Ok(_) if opened.is_ok() => lower_charge(&self.account, change, &mut size, 0),
            Ok(meta) => lower_charge(&self.account, change, &mut size, meta.size),
            Err(_) => match &opened {
                Ok(inner) => inode.invalidate(inner),
                Err(_) => self.account.invalidate(),
            },
        }
        drop(size);
        now?;
        let handle = Handle::new(inode, how, OpenEffect::Truncated);
        Ok(Arc::new(QuotaFile::new(
            Arc::clone(&self.account),
            opened?,
            handle,
        )))
    }

    /// Charges a new name. If the name exists, that is the error, even if the home is full.
    fn reserve_name(&self, change: &Change<'_>, path: &VirtualPath, must_be_new: bool) -> Result<()> {
        let reserved = self.account.reserve_file(change);
        if reserved.is_err() && must_be_new && self.inner.stat(path, Links::NoFollow).is_ok() {
            return Err(Error::AlreadyExists);
        }
        reserved
    }

    /// Pins what a name stands for; `None` if it does not exist or cannot be removed.
    fn victim(&self, path: &VirtualPath) -> Result<Option<Box<dyn PinnedInode>>> {
        match self.inner.pin(path, Links::NoFollow) {
            Ok(victim) => Ok(Some(victim)),
            // Without the pinned inode, a removal could not be released.
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Releases the charge of a removed name if it was the last one. The names are locked, so one link before means
    /// none now. The file system is not asked, because GlusterFS reports 1 after a rename onto the file. A directory
    /// has only one name.
    fn release_name(&self, change: &Change<'_>, victim: &dyn PinnedInode, was: &Metadata) {
        match was.kind {
            FileKind::Directory => self.account.release_file(change),
            FileKind::File | FileKind::Symlink | FileKind::Special if was.links > 1 => {
                let one_fewer = victim.stat().is_ok_and(|now| now.links == was.links - 1);
                if !one_fewer {
                    self.account.invalidate();
                }
            }
            FileKind::Symlink | FileKind::Special => self.account.release_file(change),
            FileKind::File => {
                let size = || victim.stat().map_or(was.size, |now| now.size);
                self.account.name_gone(change, was.inode, size);
            }
        }
    }

    /// Makes something that counts as one file.
    fn make(&self, path: &VirtualPath, wait: Wait, make: impl Fn() -> Result<()>) -> Result<()> {
        self.account.retry_until(wait, || {
            let change = self.account.begin()?;
            let _names = self.account.names.lock_to_change(wait)?;
            self.reserve_name(&change, path, true)?;
            make().inspect_err(|_| self.account.release_file(&change))
        })
    }

    fn try_remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        let change = self.account.begin()?;
        let _names = self.account.names.lock_to_change(wait)?;
        let Some(victim) = self.victim(path)? else {
            return self.inner.remove(path, wait);
        };
        let was = victim.stat()?;
        self.inner.remove(path, wait)?;
        self.release_name(&change, &*victim, &was);
        Ok(())
    }

    fn try_rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        let change = self.account.begin()?;
        let _names = self.account.names.lock_to_change(how.wait)?;
        self.rename_locked(&change, from, to, how)
    }

    /// Renames with the names locked.
    fn rename_locked(
        &self,
        change: &Change<'_>,
        from: &VirtualPath,
        to: &VirtualPath,
        how: Renaming,
    ) -> Result<()> {
        let victim = self.victim(to)?;
        let was = victim.as_ref().map(|victim| victim.stat()).transpose()?;
        let source = self.inner.stat(from, Links::NoFollow);
        self.inner.rename(from, to, how)?;
        match (victim, was) {
            // A rename onto another name of the same file does nothing, or removes one name; the file stays.
            (Some(victim), Some(was)) if !source.is_ok_and(|source| source.inode == was.inode) => {
                self.release_name(change, &*victim, &was);
            }
            _ => {}
        }
        Ok(())
    }

    /// Renames a file, and replaces what has the new name, if no handle may write the file and `is_unchanged` says so. Until
    /// that is done, no session can open it for writing or change a name in the home. Returns whether it was renamed.
    ///
    /// # Errors
    /// Fails as a rename does, or as `is_unchanged` does.
    pub fn rename_unwritten(
        &self,
        inode: InodeId,
        from: &VirtualPath,
        to: &VirtualPath,
        is_unchanged: impl Fn() -> Result<bool>,
    ) -> Result<bool> {
        let how = Renaming {
            if_exists: IfExists::Replace,
            only_files: false,
            wait: Wait::Allowed,
        };
        self.account.retry_until(how.wait, || {
            let change = self.account.begin()?;
            let _names = self.account.names.lock_to_change(how.wait)?;
            // Dropping a record takes the lock of the records, so it must outlive the guard.
            let open = self.account.lock_inodes().get(inode);
            if open.is_some_and(|open| open.has_writers()) || !is_unchanged()? {
                return Ok(false);
            }
            self.rename_locked(&change, from, to, how)?;
            Ok(true)
        })
    }
}

impl Storage for QuotaStorage {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        if how.create || how.truncate {
            let open = || self.open_for_change(path, how, wait);
            return self.account.retry_until(wait, open);
        }
        // A file that can be written must not lose its last name before it has a record.
        let _names = match how.may_write() {
            true => Some(self.account.names.lock_unchanged(wait)?),
            false => None,
        };
        let file = self.inner.open(path, how, wait)?;
        self.wrap(file, how)
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.inner.open_dir(path)
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.inner.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        let mut rest = *attrs;
        let Some(size) = rest.size.take() else {
            return self.inner.set_attrs(path, attrs, links);
        };
        if links == Links::NoFollow {
            return Err(Error::Invalid);
        }
        let write = OpenHow {
            write: true,
            ..OpenHow::default()
        };
        let cut = match self.open(path, write, Wait::Allowed) {
            // For a size that is not possible for any file, truncate(2) fails before it looks at the file.
            _ if i64::try_from(size).is_err() => Err(Error::Invalid),
            Ok(file) => file.set_attrs(&SetAttrs {
                size: Some(size),
                ..SetAttrs::default()
            }),
            // For a FIFO or a socket, truncate(2) returns this error.
            Err(Error::NotAFile) => Err(Error::Invalid),
            Err(error) => Err(error),
        };
        if rest == SetAttrs::default() {
            return cut;
        }
        self.inner.set_attrs(path, &rest, links).and(cut)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.account.retry_until(wait, || self.try_remove(path, wait))
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.make(path, wait, || self.inner.mkdir(path, mode, wait))
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.account.retry_until(wait, || {
            let change = self.account.begin()?;
            let _names = self.account.names.lock_to_change(wait)?;
            self.inner.rmdir(path, wait)?;
            self.account.release_file(&change);
            Ok(())
        })
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.account
            .retry_until(how.wait, || self.try_rename(from, to, how))
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.make(link, wait, || self.inner.symlink(target, link, wait))
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        // A hard link is another name for a file that is counted already, but measurements must notice the change of
        // names.
        self.account.retry_until(wait, || {
            let _change = self.account.begin()?;
            let _names = self.account.names.lock_to_change(wait)?;
            self.inner.hard_link(from, to, wait)
        })
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.inner.pin(path, links)
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.inner.prove_directory(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        self.inner.real_path(path)
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.account.wait_until_measured(wait)?;
        Ok(within_quota(self.inner.space(path, wait)?, &self.account))
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.inner.sync_name(path)
    }

    fn identity(&self) -> Result<FileSystemId> {
        self.inner.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

#[cfg(test)]
mod tests;
