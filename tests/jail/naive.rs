//! A resolver with a race condition, for comparison.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use homeportd::domain::path::VirtualPath;
use homeportd::io::HomeIo;
use homeportd::storage::local::LocalStorage;
use homeportd::storage::{
    Capabilities, DirStream, Error, FileSystemId, Links, Metadata, OpenFile, OpenHow, PinnedInode, Renaming,
    Result, SetAttrs, Space, Storage, Wait,
};

/// A storage that checks where a path leads, and then uses the path, as many servers do.
pub struct Naive {
    home: PathBuf,
    host: LocalStorage,
}

impl Naive {
    pub fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            host: LocalStorage::open(Path::new("/")).unwrap(),
        }
    }

    fn checked(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let relative = std::ffi::OsStr::from_bytes(path.relative());
        let host = self.home.join(relative);
        // A new name does not exist yet, so its directory is checked.
        let checked = match fs::canonicalize(&host) {
            Err(_) => fs::canonicalize(host.parent().unwrap()),
            found => found,
        };
        match checked {
            Ok(found) if found.starts_with(&self.home) => {
                Ok(VirtualPath::parse(host.as_os_str().as_bytes()).unwrap())
            }
            _ => Err(Error::Forbidden("leave")),
        }
    }
}

impl Storage for Naive {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        self.host.open(&self.checked(path)?, how, wait)
    }
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.host.open_dir(&self.checked(path)?)
    }
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.host.stat(&self.checked(path)?, links)
    }
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.host.set_attrs(&self.checked(path)?, attrs, links)
    }
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.host.remove(&self.checked(path)?, wait)
    }
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.host.mkdir(&self.checked(path)?, mode, wait)
    }
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.host.rmdir(&self.checked(path)?, wait)
    }
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.host.rename(&self.checked(from)?, &self.checked(to)?, how)
    }
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.host.pin(&self.checked(path)?, links)
    }
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.host.read_link(&self.checked(path)?)
    }
    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.host.symlink(target, &self.checked(link)?, wait)
    }
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.host
            .hard_link(&self.checked(from)?, &self.checked(to)?, wait)
    }
    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.host.prove_directory(&self.checked(path)?)
    }
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        self.host.real_path(&self.checked(path)?)
    }
    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.host.space(&self.checked(path)?, wait)
    }
    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.host.sync_name(&self.checked(path)?)
    }

    fn identity(&self) -> Result<FileSystemId> {
        self.host.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.host.capabilities()
    }

    fn scheduler(&self) -> &HomeIo {
        self.host.scheduler()
    }
}
