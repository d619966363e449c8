//! Waits until changes are on the disk, as `[storage] fsync` says. This decorator does not know quotas or
//! permissions.
//!
//! - `close`: before the CLOSE of a handle is answered, the file that was written through it and the directory that
//!   holds its name are flushed to the disk. So are the directories in which a directory is made or a name is
//!   changed, before that request is answered, since many clients write to a temporary name, close the file and
//!   rename it. A session that ends without a CLOSE has no such promise.
//! - `always`: in addition, each WRITE and each change of size is flushed, and each name that is made or removed,
//!   before the request is answered.
//!
//! Changes of modes and times alone are not waited for: they are flushed with the next of these operations, or with
//! the CLOSE.
//!
//! All of these operations wait for the disk, so each of them begins with [`Wait::Allowed`] only.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use super::{
    Capabilities, DirStream, Error, FileFacts, FileSystemId, Links, Metadata, OpenFile, OpenHow, PinnedInode,
    Renaming, Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

/// Which changes are flushed to the disk before they are answered: `[storage] fsync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Flushes nothing: the kernel writes when it chooses to, as with OpenSSH's server.
    #[default]
    Never,
    /// Flushes a file when it is closed.
    Close,
    /// Flushes every write, and every name that is created or removed.
    Always,
}

/// A storage that flushes changes to the disk.
pub struct Durable {
    inner: Arc<dyn Storage>,
    always: bool,
}

impl Durable {
    /// Wraps a storage, unless `fsync` is [`Fsync::Never`].
    pub fn wrap(inner: Arc<dyn Storage>, fsync: Fsync) -> Arc<dyn Storage> {
        match fsync {
            Fsync::Never => inner,
            Fsync::Close | Fsync::Always => Arc::new(Durable {
                inner,
                always: fsync == Fsync::Always,
            }),
        }
    }

    /// Changes names, and flushes their directories.
    fn change(
        &self,
        names: &[&VirtualPath],
        wait: Wait,
        change: impl FnOnce(&dyn Storage) -> Result<()>,
    ) -> Result<()> {
        if wait != Wait::Allowed {
            return Err(Error::WouldBlock);
        }
        change(&*self.inner)?;
        names.iter().try_for_each(|name| self.inner.sync_name(name))
    }

    /// Changes a name, and flushes its directory only under [`Fsync::Always`].
    fn change_always(
        &self,
        name: &VirtualPath,
        wait: Wait,
        change: impl FnOnce(&dyn Storage) -> Result<()>,
    ) -> Result<()> {
        match self.always {
            true => self.change(&[name], wait, change),
            false => change(&*self.inner),
        }
    }
}

impl Storage for Durable {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let changes = self.always && (how.create || how.truncate);
        if changes && wait != Wait::Allowed {
            return Err(Error::WouldBlock);
        }
        let inner = self.inner.open(path, how, wait)?;
        let file = DurableFile {
            inner,
            storage: Arc::clone(&self.inner),
            path: path.clone(),
            always: self.always,
            // Creating or truncating a file is a change, even if nothing is written afterwards.
            changed: AtomicBool::new(how.create || how.truncate),
        };
        if changes {
            file.finish(Wait::Allowed)?;
        }
        Ok(Arc::new(file))
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.inner.open_dir(path)
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.inner.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.inner.set_attrs(path, attrs, links)?;
        if self.always && attrs.size.is_some() {
            let read = OpenHow {
                read: true,
                ..OpenHow::default()
            };
            self.inner.open(path, read, Wait::Allowed)?.sync()?;
        }
        Ok(())
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.change_always(path, wait, |inner| inner.remove(path, wait))
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.change(&[path], wait, |inner| inner.mkdir(path, mode, wait))
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.change_always(path, wait, |inner| inner.rmdir(path, wait))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        // Flush the new name first: until then the file has its old name on the disk.
        self.change(&[to, from], how.wait, |inner| inner.rename(from, to, how))
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.change_always(link, wait, |inner| inner.symlink(target, link, wait))
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.change_always(to, wait, |inner| inner.hard_link(from, to, wait))
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
        self.inner.space(path, wait)
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

struct DurableFile {
    inner: Arc<dyn OpenFile>,
    storage: Arc<dyn Storage>,
    path: VirtualPath,
    always: bool,
    /// Whether [`OpenFile::finish`] has anything to flush.
    changed: AtomicBool,
}

impl OpenFile for DurableFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        if self.always && wait != Wait::Allowed {
            return Err(Error::WouldBlock);
        }
        // Set this before the write, because a write that fails may have written a part.
        self.changed.store(true, Ordering::Relaxed);
        self.inner.write_at(data, offset, wait)?;
        match self.always {
            true => self.inner.sync(),
            false => Ok(()),
        }
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        self.changed.store(true, Ordering::Relaxed);
        self.inner.set_attrs(attrs)?;
        match self.always && attrs.size.is_some() {
            true => self.inner.sync(),
            false => Ok(()),
        }
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        if !self.changed.load(Ordering::Relaxed) {
            return self.inner.finish(wait);
        }
        if wait != Wait::Allowed {
            return Err(Error::WouldBlock);
        }
        self.inner.finish(wait)?;
        self.inner.sync()?;
        // The name was made where the link led to. If the file was renamed or removed since, its directory is not
        // flushed here.
        let synced = self
            .storage
            .real_path(&self.path)
            .and_then(|real| self.storage.sync_name(&real));
        match synced {
            Err(Error::NotFound | Error::NotADirectory | Error::LinkLoop) => {}
            synced => synced?,
        }
        self.changed.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        self.inner.space(wait)
    }

    /// A client that has not closed its file has no promise, so nothing is flushed.
    fn abandon(&self) {
        self.inner.abandon();
    }

    fn facts(&self) -> FileFacts {
        self.inner.facts()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}
