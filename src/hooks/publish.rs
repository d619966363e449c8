//! Moves an upload to where it is published, after a command has checked it (`move_to`).
//!
//! A user may do anything in the meantime. So the file is moved only if all of this holds while the names of the home are
//! locked, so that no session can open a file for writing or change a name:
//! - the name still stands for the inode that the command was given, and no time, size or number of names has changed;
//! - no handle may write it;
//! - it has no second name, by which it could be written later;
//! - no directory of the target is a link.
//!
//! Two changes within one tick of the kernel's clock look the same. So a file is passed to a command only when its last
//! change is longer ago than a tick ([`SETTLED`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::accounts::id::AccountSpec;
use crate::domain::event::FileIdentity;
use crate::domain::path::VirtualPath;
use crate::domain::user::{User, UserName};
use crate::mount::{self, MountContext};
use crate::ssh::service::Service;
use crate::storage::local::LocalStorage;
use crate::storage::local::readable::{FileState, FileTime, ReadableFile};
use crate::storage::{Error as StorageError, Links, Storage, Wait};
use crate::store::Store;
use base::error::{Error, Result};

use super::entry::{EntryFile, QueueEntry};

/// How long ago the last change of a file must be before it is passed to a command: more than a tick of the kernel's clock,
/// which is 10 ms at most.
const SETTLED: Duration = Duration::from_millis(40);
/// The longest wait for that. A clock of another machine may be ahead.
const MOST_WAIT: Duration = Duration::from_millis(200);
/// The permissions of directories that are made at the target.
const DIRECTORY_MODE: u32 = 0o755;

/// An upload by its place: its home, and its path there.
#[derive(Debug, Clone)]
pub struct UploadPlace {
    home: PathBuf,
    /// The path in the home.
    pub path: VirtualPath,
    file: FileIdentity,
    /// Whether its user is not there any more, so that the home may be gone, too.
    is_abandoned: bool,
}

impl UploadPlace {
    /// Returns the place of the file of an entry; `None` if the entry is damaged.
    pub fn of(file: &EntryFile) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        Some(Self {
            home: Path::new(std::ffi::OsStr::from_bytes(&file.home.0)).to_owned(),
            path: VirtualPath::parse(&file.path.0).ok()?,
            file: file.identity(),
            is_abandoned: false,
        })
    }

    /// Returns the home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns another place of the same file in the same home.
    pub fn at(&self, path: VirtualPath) -> Self {
        Self { path, ..self.clone() }
    }

    /// Opens the file for a command, once its last change is longer ago than a tick of the clock. Returns `None` if the name
    /// does not stand for this file any more. It may block on the disk.
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

    fn open_in(&self, local: &LocalStorage) -> Option<ReadableFile> {
        let file = local.open_for_program(&self.path).ok()?;
        (FileIdentity::from(file.state.inode) == self.file).then_some(file)
    }

    fn local(&self, context: &MountContext) -> Result<LocalStorage> {
        let site = (context.check)(&self.home)?;
        LocalStorage::open(&site.path)
            .map_err(|error| Error::new(format!("cannot open the home {:?}", site.path)).because(error))
    }
}

/// Returns how long ago a time is; `None` if it is in the future.
fn since(time: FileTime) -> Option<Duration> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, time.nanoseconds);
    time.elapsed().ok()
}

/// What has come of moving an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It was moved.
    Published,
    /// It was changed since the command has seen it, or may be changed now: the command has to be asked again.
    Changed,
    /// It cannot be moved, for this reason.
    Refused(String),
    /// It could not be moved now, for this reason.
    Failed(String),
}

/// Moves upload files of one server.
#[derive(Clone)]
pub struct Publisher {
    service: Arc<Service>,
    store: Arc<dyn Store>,
}

impl Publisher {
    /// Creates the publisher of a server.
    pub fn new(service: Arc<Service>, store: Arc<dyn Store>) -> Self {
        Self { service, store }
    }

    /// Returns where the file of an entry is to be looked for: where it was uploaded to, or at the same path in the user's
    /// present home, if that was moved or restored elsewhere. Returns `None` if the entry has no file.
    ///
    /// # Errors
    /// Returns the errors of the store.
    pub async fn place_of(&self, entry: &QueueEntry) -> Result<Option<UploadPlace>> {
        let Some(place) = entry.file.as_ref().and_then(UploadPlace::of) else {
            return Ok(None);
        };
        let Some(name) = entry.user() else {
            return Ok(Some(place));
        };
        Ok(Some(match self.store.user(&name).await? {
            Some(user) if account_at(&user, &place.home).is_none() => UploadPlace {
                home: user.home,
                ..place
            },
            Some(_) => place,
            None => UploadPlace {
                is_abandoned: true,
                ..place
            },
        }))
    }

    /// Moves a file that a command has accepted, which was in this state.
    pub async fn publish(
        &self,
        user: &UserName,
        place: UploadPlace,
        checked: FileState,
        to: VirtualPath,
    ) -> PublishOutcome {
        let spec = match self.store.user(user).await {
            Ok(user) => match user.and_then(|user| account_at(&user, &place.home)) {
                Some(spec) => spec,
                None => {
                    return PublishOutcome::Refused(
                        "the user does not have this home or folder any more".to_owned(),
                    );
                }
            },
            Err(error) => return PublishOutcome::Failed(error.to_string()),
        };
        let account = match self.service.accounts.account(&spec).await {
            Ok(account) => account,
            Err(error) => return PublishOutcome::Failed(error.to_string()),
        };
        let service = Arc::clone(&self.service);
        let moving = tokio::task::spawn_blocking(move || {
            let home = mount::open_for_server(&place.home, account, &service.mount_context);
            match home {
                Ok(home) => move_in(&home, &place.path, checked, &to),
                Err(error) => PublishOutcome::Failed(error.to_string()),
            }
        });
        moving
            .await
            .unwrap_or_else(|error| PublishOutcome::Failed(error.to_string()))
    }
}

/// Returns the account of a place of a user's: the home, or a folder.
fn account_at(user: &User, place: &Path) -> Option<AccountSpec> {
    if user.home == place {
        return Some(AccountSpec::of_home(place, user.quota()));
    }
    let folders = user.folders();
    let (folder, _) = folders.iter().find(|(folder, _)| folder.path == place)?;
    Some(AccountSpec::of_home(place, folder.quota))
}

fn move_in(
    home: &mount::ServerHome,
    from: &VirtualPath,
    checked: FileState,
    to: &VirtualPath,
) -> PublishOutcome {
    let Some((directory, _)) = to.split() else {
        return PublishOutcome::Refused("the target is not a name".to_owned());
    };
    if checked.links != 1 {
        return PublishOutcome::Refused("the file has a second name (a hard link)".to_owned());
    }
    let moved = make_directories(home, &directory).and_then(|()| {
        home.charged.rename_unwritten(checked.inode, from, to, || {
            // Inside of the locked names, neither can change before the rename.
            let is_plain = home.local.real_path(&directory)? == directory;
            match is_plain {
                true => Ok(home.local.file_state(from)? == checked),
                false => Err(StorageError::NotADirectory),
            }
        })
    });
    match moved {
        Ok(true) => PublishOutcome::Published,
        Ok(false) | Err(StorageError::NotFound | StorageError::NotAFile) => PublishOutcome::Changed,
        Err(
            error @ (StorageError::NotADirectory | StorageError::IsADirectory | StorageError::AlreadyExists),
        ) => {
            let name = directory.absolute();
            PublishOutcome::Refused(format!(
                "it cannot be moved to {}: {error}",
                base::visible::bytes(&name)
            ))
        }
        Err(error) => PublishOutcome::Failed(error.to_string()),
    }
}

/// Makes the directories of the target that are missing. None of them may be a link.
fn make_directories(home: &mount::ServerHome, directory: &VirtualPath) -> crate::storage::Result<()> {
    let absolute = directory.absolute();
    let ends = absolute.iter().enumerate().skip(1);
    let ends = ends.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for end in ends.chain([absolute.len()]) {
        let Ok(path) = VirtualPath::parse(absolute.get(..end).unwrap_or_default()) else {
            return Err(StorageError::NameTooLong);
        };
        match home.local.stat(&path, Links::NoFollow) {
            Ok(meta) if meta.kind == crate::storage::FileKind::Directory => {}
            Ok(_) => return Err(StorageError::NotADirectory),
            Err(StorageError::NotFound) => match home.charged.mkdir(&path, DIRECTORY_MODE, Wait::Allowed) {
                Ok(()) | Err(StorageError::AlreadyExists) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
