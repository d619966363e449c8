//! Tests a storage that declares neither links nor renames of directories, as an object store would.

use super::*;
use crate::io::HomeIo;
use crate::storage::local::LocalStorage;
use crate::storage::{Capabilities, DirStream, FileSystemId, Metadata, PinnedInode, Space};

/// The local storage without the capabilities that it does not declare.
struct Limited(LocalStorage);

impl Storage for Limited {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        self.0.open(path, how, wait)
    }
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.0.open_dir(path)
    }
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.0.stat(path, links)
    }
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.0.set_attrs(path, attrs, links)
    }
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.0.remove(path, wait)
    }
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.0.mkdir(path, mode, wait)
    }
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.0.rmdir(path, wait)
    }
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        match self.0.stat(from, Links::NoFollow)?.kind {
            FileKind::Directory => Err(Error::NotSupported),
            FileKind::File | FileKind::Symlink | FileKind::Special => self.0.rename(from, to, how),
        }
    }
    fn read_link(&self, _path: &VirtualPath) -> Result<Vec<u8>> {
        Err(Error::NotSupported)
    }
    fn symlink(&self, _target: &[u8], _link: &VirtualPath, _wait: Wait) -> Result<()> {
        Err(Error::NotSupported)
    }
    fn hard_link(&self, _from: &VirtualPath, _to: &VirtualPath, _wait: Wait) -> Result<()> {
        Err(Error::NotSupported)
    }
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.0.pin(path, links)
    }
    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.0.prove_directory(path)
    }
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        self.0.real_path(path)
    }
    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.0.space(path, wait)
    }
    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.0.sync_name(path)
    }
    fn identity(&self) -> Result<FileSystemId> {
        self.0.identity()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            links: false,
            directory_renames: false,
            ..Capabilities::ALL
        }
    }
    fn scheduler(&self) -> &HomeIo {
        self.0.scheduler()
    }
}

#[test]
fn a_storage_may_lack_what_it_declares() {
    use crate::domain::user::Permissions;
    use crate::storage::durable::{Durable, Fsync};
    use crate::storage::gate::Gated;
    use crate::storage::guard::Guard;
    let limited = |home: &Path| Arc::new(Limited(LocalStorage::open(home).unwrap()));
    run(|home| limited(home));
    // Decorators pass the capabilities of the inner storage on.
    run(|home| {
        let durable = Durable::wrap(limited(home), Fsync::Close);
        let guard = Guard::new(durable, Permissions::all());
        Arc::new(Gated::new(Arc::new(guard), Arc::default()))
    });
}
