//! The folders of one session, which are mounted when they are first entered.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::domain::path::VirtualPath;
use crate::storage::{Error, FileKind, InodeId, Links, Metadata, Owner, Result, Storage};

/// How long the error of a mount is the answer to other calls, before the folder is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The mode of a folder in listings: its own is not read, since its disk may hang.
const MODE: u32 = 0o040_755;

/// A mount that is under way.
pub type Mounting = Pin<Box<dyn Future<Output = Result<Arc<dyn Storage>>> + Send>>;

/// Opens the storage of one folder, with its guard and its account. It may take long, but has a limit.
pub trait FolderMounter: Send + Sync {
    /// Begins to open the folder. The error is the answer to all calls in the folder, and was logged.
    fn mount(&self) -> Mounting;
}

/// The folders of a session, ordered by name.
#[derive(Default)]
pub struct Folders(Vec<Arc<FolderMount>>);

/// The attributes that the names of folders show.
#[derive(Debug, Clone, Copy)]
pub struct FolderLooks {
    /// The owner and the group.
    pub owner: Owner,
    /// The time, in seconds since 1970.
    pub time: i64,
}

/// One folder of a session. It is *unmounted* at first; *mounted* for good once that has succeeded; and *failed* if it has
/// not, until it is tried again.
pub struct FolderMount {
    name: Vec<u8>,
    metadata: Metadata,
    mounter: Box<dyn FolderMounter>,
    storage: OnceLock<Arc<dyn Storage>>,
    /// Whether the directory had links at the first call. Some file systems count none, and then nothing can be learnt from
    /// it.
    had_links: OnceLock<bool>,
    failure: Mutex<Option<Failure>>,
    /// One attempt at a time, so that requests that wait for a disk do not all ask it.
    attempts: Semaphore,
}

struct Failure {
    error: Error,
    at: Instant,
}

impl Folders {
    /// Creates the folders of a session from their names.
    pub fn new(folders: Vec<(Vec<u8>, Box<dyn FolderMounter>)>, looks: FolderLooks) -> Self {
        let mut all: Vec<_> = folders
            .into_iter()
            .zip(1..)
            .map(|((name, mounter), number)| Arc::new(FolderMount::new(name, mounter, looks, number)))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Self(all)
    }

    /// Returns all folders.
    pub fn all(&self) -> &[Arc<FolderMount>] {
        &self.0
    }

    /// Returns the folder with this name.
    pub fn named(&self, name: &[u8]) -> Option<&Arc<FolderMount>> {
        let at = self
            .0
            .binary_search_by(|folder| folder.name.as_slice().cmp(name))
            .ok()?;
        self.0.get(at)
    }

    /// Returns the folder that a path begins in, if it is one.
    pub(super) fn of_names(&self, names: &[&[u8]]) -> Option<&Arc<FolderMount>> {
        names.first().and_then(|name| self.named(name))
    }

    /// Returns the path on the disk's side: the path within the folder, and the number of the folder in the list. `None`
    /// for a path in the home. Links are not looked at.
    pub fn split(&self, path: &VirtualPath) -> Option<(&Arc<FolderMount>, VirtualPath)> {
        let plain = path.without_dots();
        let (name, below) = plain.split_first()?;
        Some((self.named(name)?, below))
    }
}

impl FolderMount {
    fn new(name: Vec<u8>, mounter: Box<dyn FolderMounter>, looks: FolderLooks, number: u64) -> Self {
        Self {
            name,
            metadata: Metadata {
                kind: FileKind::Directory,
                mode: MODE,
                size: 4096,
                uid: looks.owner.uid,
                gid: looks.owner.gid,
                links: 2,
                // No file system has this device number.
                inode: InodeId {
                    device: u64::MAX,
                    number,
                },
                atime: looks.time,
                mtime: looks.time,
            },
            mounter,
            storage: OnceLock::new(),
            had_links: OnceLock::new(),
            failure: Mutex::default(),
            attempts: Semaphore::new(1),
        }
    }

    /// Returns the name of the folder.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Returns the attributes that the folder's name shows, which are made up.
    pub fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// Returns the storage, if the folder is mounted.
    pub fn mounted(&self) -> Option<&Arc<dyn Storage>> {
        self.storage.get()
    }

    /// Whether the directory of the folder was removed after the first call in it. It asks the disk.
    pub(super) fn is_gone(&self) -> bool {
        let had_links = self.had_links.get().is_some_and(|had_links| *had_links);
        // What has no name any more has no link.
        had_links && self.mounted().and_then(links) == Some(0)
    }

    /// Returns the storage of a folder for a call, of which it is a part: the first time it asks the disk. It does not mount
    /// the folder.
    ///
    /// # Errors
    /// Returns why the folder could not be mounted.
    pub(super) fn storage(&self) -> Result<Arc<dyn Storage>> {
        if let Some(storage) = self.storage.get() {
            self.had_links
                .get_or_init(|| links(storage).is_some_and(|links| links > 0));
            return Ok(Arc::clone(storage));
        }
        let failure = self.failure.lock();
        // Every caller has mounted the folder before, or tried to.
        Err(failure
            .as_ref()
            .map_or(Error::FolderUnavailable, |failure| failure.error))
    }

    /// Mounts the folder, unless it is mounted, or has just failed. It waits as long as the mounter may.
    pub async fn mount(&self) {
        if self.storage.get().is_some() {
            return;
        }
        let _turn = self.attempts.acquire().await;
        let has_just_failed = {
            let failure = self.failure.lock();
            failure
                .as_ref()
                .is_some_and(|failure| failure.at.elapsed() < RETRY_AFTER)
        };
        if self.storage.get().is_some() || has_just_failed {
            return;
        }
        match self.mounter.mount().await {
            Ok(storage) => {
                // Only this attempt sets it.
                let _ = self.storage.set(storage);
                *self.failure.lock() = None;
            }
            Err(error) => {
                let at = Instant::now();
                *self.failure.lock() = Some(Failure { error, at });
            }
        }
    }
}

/// Returns the number of links to the directory of a folder, if it can be found out.
fn links(storage: &Arc<dyn Storage>) -> Option<u64> {
    let root = storage.stat(&VirtualPath::root(), Links::NoFollow);
    root.ok().map(|meta| meta.links)
}
