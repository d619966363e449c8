//! Stops the calls of a session once it has been ended. This is the outermost decorator.
//!
//! A gate is *open* or *closed*, and a closed gate never opens again. Every call enters the gate when it begins and
//! leaves it when it ends. A call that finds the gate closed is refused before it has touched anything. The task that
//! has closed the gate can wait for the calls that are still inside. One counter holds both the state and the number
//! of calls, so that no call can begin unnoticed. Closing a file is not counted as a call: a session's files are
//! closed whenever the session goes away.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::{
    Capabilities, DirEntry, DirStream, Error, FileFacts, FileSystemId, Links, Metadata, OpenFile, OpenHow,
    PinnedInode, Renaming, Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

/// The bit of [`Gate::calls`] that means that the gate is closed.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// The gate of one session, with the number of its calls.
#[derive(Debug, Default)]
pub struct Gate {
    /// The number of calls inside, combined with [`CLOSED`].
    calls: AtomicUsize,
    emptied: Notify,
}

/// A call that is inside a gate until this value is dropped.
pub struct GateCall<'a>(&'a Gate);

impl Gate {
    /// Begins a call.
    ///
    /// # Errors
    /// Returns `Ended` if the gate is closed.
    pub fn enter(&self) -> Result<GateCall<'_>> {
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        let inside = GateCall(self);
        match before & CLOSED {
            0 => Ok(inside),
            _ => Err(Error::Ended),
        }
    }

    /// Closes the gate to new calls. Returns whether it was open.
    pub fn close(&self) -> bool {
        self.calls.fetch_or(CLOSED, Ordering::SeqCst) & CLOSED == 0
    }

    /// Returns whether the gate is closed.
    pub fn is_closed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Returns whether no call is inside.
    pub fn is_empty(&self) -> bool {
        self.calls.load(Ordering::SeqCst) & !CLOSED == 0
    }

    /// Waits until no call is inside. Use this only after the gate was closed.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Register before checking, so that the last call cannot leave unnoticed.
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for GateCall<'_> {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::SeqCst) == CLOSED | 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

/// A storage behind a gate.
pub struct Gated {
    inner: Arc<dyn Storage>,
    gate: Arc<Gate>,
}

impl Gated {
    /// Makes every call on `inner`, and on what it opens, pass through `gate`.
    pub fn new(inner: Arc<dyn Storage>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl Storage for Gated {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let _inside = self.gate.enter()?;
        let inner = self.inner.open(path, how, wait)?;
        Ok(Arc::new(GatedFile {
            inner,
            gate: Arc::clone(&self.gate),
        }))
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        let _inside = self.gate.enter()?;
        let inner = self.inner.open_dir(path)?;
        Ok(Box::new(GatedDir {
            inner,
            gate: Arc::clone(&self.gate),
        }))
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        let _inside = self.gate.enter()?;
        self.inner.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.set_attrs(path, attrs, links)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.remove(path, wait)
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.mkdir(path, mode, wait)
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.rmdir(path, wait)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.rename(from, to, how)
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        let _inside = self.gate.enter()?;
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.symlink(target, link, wait)
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.hard_link(from, to, wait)
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        let _inside = self.gate.enter()?;
        let inner = self.inner.pin(path, links)?;
        Ok(Box::new(GatedPin {
            inner,
            gate: Arc::clone(&self.gate),
        }))
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.prove_directory(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let _inside = self.gate.enter()?;
        self.inner.real_path(path)
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        let _inside = self.gate.enter()?;
        self.inner.space(path, wait)
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        let _inside = self.gate.enter()?;
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

struct GatedFile {
    inner: Arc<dyn OpenFile>,
    gate: Arc<Gate>,
}

impl OpenFile for GatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        let _inside = self.gate.enter()?;
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.write_at(data, offset, wait)
    }

    fn stat(&self) -> Result<Metadata> {
        let _inside = self.gate.enter()?;
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.set_attrs(attrs)
    }

    fn sync(&self) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        let _inside = self.gate.enter()?;
        self.inner.finish(wait)
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        let _inside = self.gate.enter()?;
        self.inner.space(wait)
    }

    /// This is not counted as a call: files are given up whenever their session goes away, and the gate is closed by
    /// then.
    fn abandon(&self) {
        self.inner.abandon();
    }

    /// This is not a call of the session, as with `abandon`: the audit log says what became of its files.
    fn facts(&self) -> FileFacts {
        self.inner.facts()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

struct GatedDir {
    inner: Box<dyn DirStream>,
    gate: Arc<Gate>,
}

impl DirStream for GatedDir {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        let _inside = self.gate.enter()?;
        self.inner.next()
    }

    fn again(&mut self, name: &[u8]) -> Option<DirEntry> {
        let _inside = self.gate.enter().ok()?;
        self.inner.again(name)
    }
}

struct GatedPin {
    inner: Box<dyn PinnedInode>,
    gate: Arc<Gate>,
}

impl PinnedInode for GatedPin {
    fn stat(&self) -> Result<Metadata> {
        let _inside = self.gate.enter()?;
        self.inner.stat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::local::LocalStorage;
    use std::time::Duration;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn closing_a_gate_can_wait_for_calls_inside() {
        let gate = Gate::default();
        let (one, two) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert!(gate.close());
        assert!(!gate.close(), "it was closed before");
        assert!(gate.enter().is_err());
        let little = Duration::from_millis(20);
        assert!(tokio::time::timeout(little, gate.emptied()).await.is_err());
        drop(one);
        let emptied = gate.emptied();
        tokio::pin!(emptied);
        assert!(tokio::time::timeout(little, &mut emptied).await.is_err());
        drop(two);
        emptied.await;
        gate.emptied().await;
    }

    #[test]
    fn nothing_is_done_behind_a_closed_gate() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "content").unwrap();
        let gate = Arc::new(Gate::default());
        let local = Arc::new(LocalStorage::open(dir.path()).unwrap());
        let home = Gated::new(local, Arc::clone(&gate));
        let both = OpenHow {
            read: true,
            write: true,
            ..OpenHow::default()
        };
        let file = home.open(&path("f"), both, Wait::Allowed).unwrap();
        let mut listing = home.open_dir(&path("/")).unwrap();
        let held = home.pin(&path("f"), Links::Follow).unwrap();
        assert_eq!(file.read_at(&mut [0; 7], 0, Wait::Allowed).unwrap(), 7);
        assert!(gate.is_empty(), "every call has left");
        gate.close();
        let how = Renaming {
            if_exists: super::super::IfExists::Replace,
            only_files: false,
            wait: Wait::Allowed,
        };
        let (f, g, attrs) = (path("f"), path("g"), SetAttrs::default());
        let refused = [
            file.read_at(&mut [0; 1], 0, Wait::Allowed).err(),
            file.write_at(b"x", 0, Wait::Never).err(),
            file.stat().err(),
            file.set_attrs(&SetAttrs {
                size: Some(0),
                ..attrs
            })
            .err(),
            file.sync().err(),
            file.finish(Wait::Allowed).err(),
            file.space(Wait::Allowed).err(),
            listing.next().err(),
            held.stat().err(),
            home.open(&g, OpenHow { create: true, ..both }, Wait::Allowed)
                .err(),
            home.open_dir(&path("/")).err(),
            home.stat(&f, Links::Follow).err(),
            home.set_attrs(&f, &attrs, Links::Follow).err(),
            home.remove(&f, Wait::Allowed).err(),
            home.mkdir(&g, 0o755, Wait::Allowed).err(),
            home.rmdir(&g, Wait::Allowed).err(),
            home.rename(&f, &g, how).err(),
            home.read_link(&f).err(),
            home.symlink(b"f", &g, Wait::Allowed).err(),
            home.hard_link(&f, &g, Wait::Allowed).err(),
            home.pin(&f, Links::Follow).err(),
            home.prove_directory(&f).err(),
            home.real_path(&f).err(),
            home.space(&f, Wait::Allowed).err(),
            home.sync_name(&f).err(),
        ];
        for (index, error) in refused.into_iter().enumerate() {
            assert_eq!(error, Some(Error::Ended), "call {index}");
        }
        assert!(gate.is_empty());
        assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"content");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
