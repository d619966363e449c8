//! Charges every change of a home to its account: the one place where storage and ledger meet.
//!
//! Growth is reserved before anything is written and settled from what the file system says afterwards if it failed.
//! Sizes change under the lock of the inode's record, names under that of the account. Everything that may have to
//! wait says [`Error::WouldBlock`] before it has done anything, where waiting is not allowed.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use rustix::io::Errno;

use super::{
    DirStream, Error, FileKind, Held, Links, Metadata, OpenFile, OpenHow, Renaming, Result, SetAttrs, Space,
    Storage, Wait,
};
use crate::ledger::account::{Account, Change};
use crate::ledger::inode::Inode;
use crate::path::VirtualPath;

/// What one block of `df` is: bytes of the account, in units that every client can multiply.
const BLOCK: u64 = 4096;

/// A storage whose growth is charged.
pub struct Quota {
    inner: Arc<dyn Storage>,
    account: Arc<Account>,
}

impl Quota {
    /// Charges what happens in `inner` to `account`.
    pub fn new(inner: Arc<dyn Storage>, account: Arc<Account>) -> Self {
        Self { inner, account }
    }

    #[cfg(test)]
    fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Wraps what was opened. What may be written comes with names frozen since before it was opened.
    fn wrap(&self, inner: Arc<dyn OpenFile>, append: bool) -> Result<Arc<dyn OpenFile>> {
        let inode = match inner.stat()?.kind {
            FileKind::File => Inode::of(&self.account, || inner.stat())?,
            FileKind::Directory | FileKind::Symlink | FileKind::Special => None,
        };
        Ok(self.opened(inner, inode, append))
    }

    fn opened(&self, inner: Arc<dyn OpenFile>, inode: Option<Arc<Inode>>, append: bool) -> Arc<dyn OpenFile> {
        match inode {
            Some(inode) => Arc::new(QuotaFile { inner, inode, append }),
            None => Arc::new(Uncharged {
                inner,
                account: Arc::clone(&self.account),
            }),
        }
    }

    /// Opens what may make a file or cut one.
    fn open_for_change(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let change = self.account.begin()?;
        let _names = self.account.lock_names(wait)?;
        let existing = OpenHow { create: false, ..how };
        match self.inner.stat(path, Links::Follow) {
            Ok(_) if how.create && how.exclusive => Err(Errno::EXIST.into()),
            Ok(meta) if how.truncate && meta.kind == FileKind::File => {
                self.open_and_cut(&change, path, existing, wait)
            }
            Ok(_) => {
                let file = self.inner.open(path, existing, wait)?;
                self.wrap(file, how.append)
            }
            Err(Error::Os(Errno::NOENT)) if how.create => {
                self.reserve_name(&change, path, how.exclusive)?;
                let made = self.inner.open(path, how, wait);
                if made.is_err() {
                    self.account.release_file(&change);
                }
                let made = made?;
                match made.stat() {
                    Ok(meta) => {
                        let inode = Inode::of_new(&self.account, &meta);
                        Ok(self.opened(made, Some(inode), how.append))
                    }
                    // It is there, and counted.
                    Err(error) => Err(error),
                }
            }
            // What is wrong with the path, the storage says itself.
            Err(_) => {
                let harmless = OpenHow {
                    truncate: false,
                    ..existing
                };
                let file = self.inner.open(path, harmless, wait)?;
                self.wrap(file, how.append)
            }
        }
    }

    /// Opens an existing file and cuts it to nothing, with its record locked all the while.
    fn open_and_cut(
        &self,
        change: &Change<'_>,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<Arc<dyn OpenFile>> {
        let Some(inode) = Inode::of(&self.account, || self.inner.stat(path, Links::Follow))? else {
            return Err(Errno::NOENT.into());
        };
        let mut size = inode.lock(wait)?;
        let opened = self.inner.open(path, how, wait);
        let now = match &opened {
            Ok(inner) => inner.stat(),
            // It may be cut all the same.
            Err(_) => self.inner.stat(path, Links::Follow),
        };
        match now {
            Ok(meta) if meta.inode != inode.id() => {
                // Swapped by somebody who does not go through us.
                drop(size);
                return self.wrap(opened?, how.append);
            }
            Ok(meta) => settle(&inode, change, &mut size, meta.size),
            Err(_) => match &opened {
                Ok(inner) => inode.doubt(inner),
                Err(_) => self.account.doubt(),
            },
        }
        drop(size);
        now?;
        Ok(self.opened(opened?, Some(inode), how.append))
    }

    /// Charges a new name. Where it is taken, that is what is wrong, however full the home may be.
    fn reserve_name(&self, change: &Change<'_>, path: &VirtualPath, must_be_new: bool) -> Result<()> {
        let reserved = self.account.reserve_file(change);
        if reserved.is_err() && must_be_new && self.inner.stat(path, Links::NoFollow).is_ok() {
            return Err(Errno::EXIST.into());
        }
        reserved
    }

    /// Holds what a name stands for; `None` if there is nothing, or nothing that could be removed.
    fn victim(&self, path: &VirtualPath) -> Result<Option<Box<dyn Held>>> {
        match self.inner.hold(path, Links::NoFollow) {
            Ok(victim) => Ok(Some(victim)),
            // Without it a removal would not be given back.
            Err(error @ Error::Os(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Gives back what a name stood for, if that was its last one.
    fn settle_name(&self, change: &Change<'_>, victim: &dyn Held, was: &Metadata) {
        // With names locked, what it was tells as well, if it cannot be looked at any more.
        let now = victim.stat().unwrap_or(Metadata {
            links: was.links.saturating_sub(1),
            ..*was
        });
        match was.kind {
            // Not every file system counts a directory's links; its name was its only one.
            FileKind::Directory => self.account.release_file(change),
            FileKind::File if now.links == 0 => self.account.name_gone(change, &now),
            FileKind::Symlink | FileKind::Special if now.links == 0 => self.account.release_file(change),
            FileKind::File | FileKind::Symlink | FileKind::Special => {}
        }
    }

    /// Makes something that counts as one file.
    fn make(&self, path: &VirtualPath, wait: Wait, make: impl Fn() -> Result<()>) -> Result<()> {
        self.account.patiently(wait, || {
            let change = self.account.begin()?;
            let _names = self.account.lock_names(wait)?;
            self.reserve_name(&change, path, true)?;
            make().inspect_err(|_| self.account.release_file(&change))
        })
    }

    fn try_remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        let change = self.account.begin()?;
        let _names = self.account.lock_names(wait)?;
        let Some(victim) = self.victim(path)? else {
            return self.inner.remove(path, wait);
        };
        let was = victim.stat()?;
        self.inner.remove(path, wait)?;
        self.settle_name(&change, &*victim, &was);
        Ok(())
    }

    fn try_rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        let change = self.account.begin()?;
        let _names = self.account.lock_names(how.wait)?;
        let victim = self.victim(to)?;
        let was = victim.as_ref().map(|victim| victim.stat()).transpose()?;
        let source = self.inner.stat(from, Links::NoFollow);
        self.inner.rename(from, to, how)?;
        match (victim, was) {
            // A name moved onto another name of the same file: nothing happens, or one name fewer; the file stays.
            (Some(victim), Some(was)) if !source.is_ok_and(|source| source.inode == was.inode) => {
                self.settle_name(&change, &*victim, &was);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Brings the charge for an inode to the size that it has.
fn settle(inode: &Inode, change: &Change<'_>, charged: &mut u64, actual: u64) {
    // More than was charged is not ours: somebody writes who does not go through us, and a scan will find it. Giving
    // it back later would give back what was never taken.
    let kept = (*charged).min(actual);
    inode.account().release_bytes(change, *charged - kept);
    *charged = kept;
}

impl Storage for Quota {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        if how.create || how.truncate {
            let open = || self.open_for_change(path, how, wait);
            return self.account.patiently(wait, open);
        }
        // What can be written must not lose its last name before it has a record.
        let _names = match how.write || how.append {
            true => Some(self.account.freeze_names(wait)?),
            false => None,
        };
        let file = self.inner.open(path, how, wait)?;
        self.wrap(file, how.append)
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
            return Err(Errno::INVAL.into());
        }
        let write = OpenHow {
            write: true,
            ..OpenHow::default()
        };
        let cut = match self.open(path, write, Wait::Allowed) {
            Ok(file) => file.set_attrs(&SetAttrs {
                size: Some(size),
                ..SetAttrs::default()
            }),
            // A FIFO or a socket: what truncate(2) says.
            Err(Error::Os(Errno::NXIO)) => Err(Errno::INVAL.into()),
            Err(error) => Err(error),
        };
        if rest == SetAttrs::default() {
            return cut;
        }
        self.inner.set_attrs(path, &rest, links).and(cut)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.account.patiently(wait, || self.try_remove(path, wait))
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.make(path, wait, || self.inner.mkdir(path, mode, wait))
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.account.patiently(wait, || {
            let change = self.account.begin()?;
            let _names = self.account.lock_names(wait)?;
            self.inner.rmdir(path, wait)?;
            self.account.release_file(&change);
            Ok(())
        })
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.account
            .patiently(how.wait, || self.try_rename(from, to, how))
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.make(link, wait, || self.inner.symlink(target, link, wait))
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        // Another name for what is counted already; but names change, and a measure must know.
        self.account.patiently(wait, || {
            let _change = self.account.begin()?;
            let _names = self.account.lock_names(wait)?;
            self.inner.hard_link(from, to, wait)
        })
    }

    fn hold(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn Held>> {
        self.inner.hold(path, links)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        self.inner.real_path(path)
    }

    fn space(&self, path: &VirtualPath) -> Result<Space> {
        Ok(within_quota(self.inner.space(path)?, &self.account))
    }
}

/// An open file whose growth is charged. The file closes before its record ends: what is given back is free then.
struct QuotaFile {
    inner: Arc<dyn OpenFile>,
    inode: Arc<Inode>,
    append: bool,
}

impl QuotaFile {
    fn try_write(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        let account = self.inode.account();
        let change = account.begin()?;
        let mut size = self.inode.lock(wait)?;
        let start = if self.append { *size } else { offset };
        let end = if data.is_empty() {
            0
        } else {
            start.saturating_add(data.len() as u64)
        };
        if i64::try_from(end).is_err() && i64::try_from(start).is_err() {
            // No file reaches there: the storage says so, and nothing grows.
            return self.inner.write_at(data, offset, wait);
        }
        // What goes beyond the largest size is not written; what comes before it may be.
        let growth = end.min(i64::MAX as u64).saturating_sub(*size);
        if growth > 0 {
            account.reserve_bytes(&change, growth)?;
        }
        let written = self.inner.write_at(data, offset, wait);
        if written.is_ok() {
            *size = end.max(*size);
        } else {
            *size = size.saturating_add(growth);
            self.settle(&change, &mut size);
        }
        written
    }

    fn try_resize(&self, attrs: &SetAttrs, wanted: u64) -> Result<()> {
        let account = self.inode.account();
        let change = account.begin()?;
        let mut size = self.inode.lock(Wait::Allowed)?;
        let growth = match i64::try_from(wanted) {
            Ok(_) => wanted.saturating_sub(*size),
            // No file can be that large: the storage says so.
            Err(_) => 0,
        };
        if growth > 0 {
            account.reserve_bytes(&change, growth)?;
        }
        let result = self.inner.set_attrs(attrs);
        *size = size.saturating_add(growth);
        self.settle(&change, &mut size);
        result
    }

    /// If even looking fails, the charge stays: too much is safe, too little is not.
    fn settle(&self, change: &Change<'_>, charged: &mut u64) {
        match self.inner.stat() {
            Ok(meta) => settle(&self.inode, change, charged, meta.size),
            Err(_) => self.inode.doubt(&self.inner),
        }
    }
}

impl OpenFile for QuotaFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        self.inode
            .account()
            .patiently(wait, || self.try_write(data, offset, wait))
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        let Some(wanted) = attrs.size else {
            return self.inner.set_attrs(attrs);
        };
        let resize = || self.try_resize(attrs, wanted);
        self.inode.account().patiently(Wait::Allowed, resize)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn space(&self) -> Result<Space> {
        Ok(within_quota(self.inner.space()?, self.inode.account()))
    }
}

/// What costs no bytes: a directory opened as a file, or a file that was gone before it was open, for reading.
struct Uncharged {
    inner: Arc<dyn OpenFile>,
    account: Arc<Account>,
}

impl OpenFile for Uncharged {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, _data: &[u8], _offset: u64, _wait: Wait) -> Result<()> {
        Err(Errno::BADF.into())
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        if attrs.size.is_some() {
            return Err(Errno::INVAL.into());
        }
        self.inner.set_attrs(attrs)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn space(&self) -> Result<Space> {
        Ok(within_quota(self.inner.space()?, &self.account))
    }
}

/// What `df` shows: the account's numbers where they are tighter than the disk's.
///
/// total = max(use, min(quota, use + free on disk)); free = max(0, min(quota − use, free on disk)).
fn within_quota(disk: Space, account: &Account) -> Space {
    let usage = account.usage();
    let bytes = Room {
        used: usage.bytes,
        limit: usage.quota.bytes,
        on_disk: disk.blocks_available.saturating_mul(disk.fragment_size),
    };
    let files = Room {
        used: usage.files,
        limit: usage.quota.files,
        on_disk: disk.files_available,
    };
    Space {
        block_size: BLOCK,
        fragment_size: BLOCK,
        blocks: bytes.total() / BLOCK,
        blocks_free: bytes.free() / BLOCK,
        blocks_available: bytes.free() / BLOCK,
        files: files.total(),
        files_free: files.free(),
        files_available: files.free(),
        ..disk
    }
}

struct Room {
    used: u64,
    limit: Option<u64>,
    on_disk: u64,
}

impl Room {
    fn total(&self) -> u64 {
        let by_disk = self.used.saturating_add(self.on_disk);
        self.limit
            .map_or(by_disk, |limit| limit.min(by_disk))
            .max(self.used)
    }

    fn free(&self) -> u64 {
        self.limit.map_or(self.on_disk, |limit| {
            limit.saturating_sub(self.used).min(self.on_disk)
        })
    }
}

#[cfg(test)]
mod tests;
