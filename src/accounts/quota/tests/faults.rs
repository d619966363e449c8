//! A storage whose disk fails on request.

use crate::storage::FileFacts;
use parking_lot::Mutex;

use super::*;

/// How the next call that changes something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done before the call fails.
    Before(Error),
    /// A write or a resize is done completely before the call fails.
    After(Error),
    /// Half of a write is done before the call fails.
    Half(Error),
    /// The call succeeds, but the attributes cannot be read afterwards.
    Blind,
    /// The call fails, and the attributes cannot be read afterwards.
    BeforeAndBlind,
}

/// The faults to inject into calls of the storage.
#[derive(Default)]
pub(super) struct Faults {
    next: Mutex<Option<Fault>>,
    blind: AtomicBool,
    /// Whether the file system caches numbers of links for too long, as GlusterFS does after a rename onto a file.
    pub(super) remembers: AtomicBool,
}

impl Faults {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.next.lock() = fault;
        self.blind.store(false, Ordering::Relaxed);
    }

    fn around<T>(&self, call: impl FnOnce() -> Result<T>, half: impl FnOnce()) -> Result<T> {
        let fault = self.next.lock().take();
        match fault {
            None => call(),
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => {
                let _ = call();
                Err(error)
            }
            Some(Fault::Half(error)) => {
                half();
                Err(error)
            }
            Some(Fault::Blind) => {
                self.blind.store(true, Ordering::Relaxed);
                call()
            }
            Some(Fault::BeforeAndBlind) => {
                self.blind.store(true, Ordering::Relaxed);
                Err(Error::DeviceFailed)
            }
        }
    }

    /// Makes a call that changes names. No disk changes a name in a call that fails, so that fault is not injected.
    fn around_name<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut next = self.next.lock();
        if matches!(*next, Some(Fault::After(_))) {
            *next = None;
        }
        drop(next);
        self.around(call, || ())
    }

    fn look<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.blind.load(Ordering::Relaxed) {
            true => Err(Error::DeviceFailed),
            false => call(),
        }
    }
}

/// A storage whose calls fail as [`Faults`] says.
pub(super) struct Faulty {
    pub(super) inner: LocalStorage,
    pub(super) faults: Arc<Faults>,
}

impl Storage for Faulty {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let open = || self.inner.open(path, how, wait);
        let inner = match how.create || how.truncate {
            true => self.faults.around_name(open)?,
            false => open()?,
        };
        let faults = Arc::clone(&self.faults);
        Ok(Arc::new(FaultyFile { inner, faults }))
    }
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.inner.open_dir(path)
    }
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.inner.stat(path, links)
    }
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.inner.set_attrs(path, attrs, links)
    }
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.faults.around_name(|| self.inner.remove(path, wait))
    }
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.faults.around_name(|| self.inner.mkdir(path, mode, wait))
    }
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.faults.around_name(|| self.inner.rmdir(path, wait))
    }
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.faults.around_name(|| self.inner.rename(from, to, how))
    }
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.inner.read_link(path)
    }
    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.faults.around_name(|| self.inner.symlink(target, link, wait))
    }
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.faults.around_name(|| self.inner.hard_link(from, to, wait))
    }
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        let inner = self.inner.pin(path, links)?;
        let faults = Arc::clone(&self.faults);
        let links = inner.stat()?.links;
        Ok(Box::new(FaultyHeld { inner, faults, links }))
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

struct FaultyHeld {
    inner: Box<dyn PinnedInode>,
    faults: Arc<Faults>,
    links: u64,
}

impl PinnedInode for FaultyHeld {
    fn stat(&self) -> Result<Metadata> {
        let meta = self.faults.look(|| self.inner.stat())?;
        Ok(match self.faults.remembers.load(Ordering::Relaxed) {
            true => Metadata {
                links: self.links,
                ..meta
            },
            false => meta,
        })
    }
}

struct FaultyFile {
    inner: Arc<dyn OpenFile>,
    faults: Arc<Faults>,
}

impl OpenFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }
    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        let write = || self.inner.write_at(data, offset, wait);
        let half = || {
            let _ = self.inner.write_at(&data[..data.len() / 2], offset, wait);
        };
        self.faults.around(write, half)
    }
    fn stat(&self) -> Result<Metadata> {
        let meta = self.faults.look(|| self.inner.stat())?;
        let least = u64::from(self.faults.remembers.load(Ordering::Relaxed));
        let links = meta.links.max(least);
        Ok(Metadata { links, ..meta })
    }
    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        self.faults.around(|| self.inner.set_attrs(attrs), || ())
    }
    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }
    fn finish(&self, wait: Wait) -> Result<()> {
        self.inner.finish(wait)
    }
    fn space(&self, wait: Wait) -> Result<Space> {
        self.inner.space(wait)
    }

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
