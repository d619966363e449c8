//! Where the file of an upload lies, and opening it for the command that checks it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::domain::event::FileIdentity;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::path::VirtualPath;
use crate::domain::user::User;
use crate::mount::MountContext;
use crate::storage::local::LocalStorage;
use crate::storage::local::readable::{FileState, FileTime, ReadableFile};
use base::error::{Error, Result};

use super::entry::EntryFile;

/// How long ago the last change of a file must be before it is passed to a command: more than a tick of the kernel's
/// clock, which is 10 ms at most.
pub(super) const SETTLED: Duration = Duration::from_millis(40);
/// The longest wait for that. A clock of another machine may be ahead.
const MOST_WAIT: Duration = Duration::from_millis(200);

/// An upload by its place: its home or folder, and its path there.
#[derive(Debug, Clone)]
pub struct UploadPlace {
    /// The directory of the home or the folder.
    home: PathBuf,
    /// The name of the folder, if it is one.
    folder: Option<FolderName>,
    /// The home of the user who has sent the file.
    user_home: PathBuf,
    /// The path in the home or folder.
    pub path: VirtualPath,
    file: FileIdentity,
    /// Whether its user is not there any more, so that the home may be gone, too.
    is_abandoned: bool,
}

impl UploadPlace {
    /// Returns the place of the file of an entry; `None` if the entry is damaged.
    pub fn of(file: &EntryFile) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let directory = |bytes: &[u8]| Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned();
        let folder = file.folder.as_ref();
        Some(Self {
            home: directory(&file.home.0),
            folder: folder.map(|folder| folder.name.parse()).transpose().ok()?,
            user_home: directory(&folder.map_or(&file.home, |folder| &folder.home).0),
            path: VirtualPath::parse(&file.path.0).ok()?,
            file: file.identity(),
            is_abandoned: false,
        })
    }

    /// Returns the place for this user as it is now; `None` is a user who was removed. A home or a folder that was moved, or
    /// restored elsewhere, has the same paths.
    pub(super) fn of_user(mut self, user: Option<&User>) -> Self {
        let Some(user) = user else {
            self.is_abandoned = true;
            return self;
        };
        let folders = user.folders();
        let is_there = user.home == self.home || folders.iter().any(|(folder, _)| folder.path == self.home);
        let present = match &self.folder {
            Some(name) => {
                let found = folders.iter().find(|(folder, _)| folder.name == *name);
                found.map(|(folder, _)| &folder.path)
            }
            None => Some(&user.home),
        };
        if let Some(present) = present.filter(|_| !is_there) {
            self.home.clone_from(present);
        }
        self.user_home.clone_from(&user.home);
        self
    }

    /// Returns the directory of the home or the folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the home of the user who has sent the file.
    pub fn user_home(&self) -> &Path {
        &self.user_home
    }

    /// Returns the name of the folder that the file lies in; `None` for one in the home.
    pub fn folder(&self) -> Option<&FolderName> {
        self.folder.as_ref()
    }

    /// Returns the path of the file as a user sees it who has the folder.
    pub fn seen(&self) -> VirtualPath {
        let below = |folder: &FolderName| self.path.below(folder.as_str().as_bytes()).ok();
        self.folder().and_then(below).unwrap_or_else(|| self.path.clone())
    }

    /// Returns another place of the same file: in a folder, or else in the same home or folder.
    pub(super) fn elsewhere(&self, folder: Option<&Folder>, path: VirtualPath) -> Self {
        let mut place = Self { path, ..self.clone() };
        if let Some(folder) = folder {
            place.home.clone_from(&folder.path);
            place.folder = Some(folder.name.clone());
        }
        place
    }

    /// Opens the file for a command, once its last change is longer ago than a tick of the clock. Returns `None` if
    /// the name does not stand for this file any more. It may block on the disk.
    ///
    /// # Errors
    /// Returns an error if the home of a user cannot be opened.
    pub fn open(&self, context: &MountContext) -> Result<Option<ReadableFile>> {
        let local = match self.local(context) {
            Ok(local) => local,
            Err(_) if self.is_abandoned => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(file) = self.open_in(&local) else {
            return Ok(None);
        };
        match since(file.state.changed) {
            Some(age) if age >= SETTLED => return Ok(Some(file)),
            Some(age) => std::thread::sleep(SETTLED - age),
            None => std::thread::sleep(MOST_WAIT),
        }
        Ok(self.open_in(&local))
    }

    /// Returns the state of the file; `None` if the name does not stand for it. It may block on the disk.
    pub(super) fn state(&self, context: &MountContext) -> Option<FileState> {
        let local = self.local(context).ok()?;
        self.open_in(&local).map(|file| file.state)
    }

    fn open_in(&self, local: &LocalStorage) -> Option<ReadableFile> {
        let file = local.open_for_program(&self.path).ok()?;
        (FileIdentity::from(file.state.inode) == self.file).then_some(file)
    }

    fn local(&self, context: &MountContext) -> Result<LocalStorage> {
        let site = (context.check)(&self.home)?;
        LocalStorage::open(&site.path)
            .map_err(|error| Error::new(format!("cannot open {:?}", site.path)).because(error))
    }
}

/// Returns how long ago a time is; `None` if it is in the future.
fn since(time: FileTime) -> Option<Duration> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, time.nanoseconds);
    time.elapsed().ok()
}
