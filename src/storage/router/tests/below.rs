//! A folder as a storage of its own, so that the tests of every storage can run in it.

use super::*;
use crate::storage::router::folders::FolderMount;

/// The folder `in` of a tree, seen from inside.
pub(super) struct Below {
    router: Router,
    folder: Arc<FolderMount>,
    _home: tempfile::TempDir,
}

impl Below {
    /// Makes a tree with a folder at this path, and returns the folder.
    pub(super) fn folder(at: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mounter: Box<dyn FolderMounter> = Box::new(Directory {
            path: at.to_owned(),
            attempts: Arc::default(),
            fails: Arc::default(),
        });
        let folders = Arc::new(Folders::new(vec![(b"in".to_vec(), mounter)], LOOKS));
        let folder = Arc::clone(folders.named(b"in").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(folder.mount());
        Self {
            router: Router::new(Arc::new(LocalStorage::open(home.path()).unwrap()), folders),
            folder,
            _home: home,
        }
    }
}

fn at(path: &VirtualPath) -> VirtualPath {
    path.below(b"in").unwrap()
}

impl Storage for Below {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        self.router.open(&at(path), how, wait)
    }
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.router.open_dir(&at(path))
    }
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        match path.is_root() {
            // Its name is made up.
            true => self.folder.mounted().unwrap().stat(path, links),
            false => self.router.stat(&at(path), links),
        }
    }
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.router.set_attrs(&at(path), attrs, links)
    }
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.router.remove(&at(path), wait)
    }
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.router.mkdir(&at(path), mode, wait)
    }
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.router.rmdir(&at(path), wait)
    }
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.router.rename(&at(from), &at(to), how)
    }
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.router.read_link(&at(path))
    }
    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.router.symlink(target, &at(link), wait)
    }
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.router.hard_link(&at(from), &at(to), wait)
    }
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.router.pin(&at(path), links)
    }
    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.router.prove_directory(&at(path))
    }
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let real = self.router.real_path(&at(path))?;
        let (name, below) = real.split_first().unwrap();
        assert_eq!(name, b"in");
        Ok(below)
    }
    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.router.space(&at(path), wait)
    }
    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.router.sync_name(&at(path))
    }
    fn identity(&self) -> Result<FileSystemId> {
        self.router.identity()
    }
    fn capabilities(&self) -> Capabilities {
        self.router.capabilities()
    }
    fn scheduler(&self) -> &HomeIo {
        self.router.scheduler()
    }
}
