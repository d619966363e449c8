//! Moves an upload to where it is published, after a command has checked it (`move_to`).
//!
//! A user may do anything in the meantime. So the file is moved only if all of this holds while the names of the home are
//! locked, so that no session can open a file for writing or change a name:
//! - the name still stands for the inode that the command was given, and no time, size or number of names has changed;
//! - no handle may write it;
//! - it has no second name, by which it could be written later;
//! - no directory of the target is a link.
//!
//! The target may be a folder. Then the file is charged to it instead, and gets the mode and the group that new files have
//! there. A folder on another file system is refused: a copy would not be the file that the command has seen.
//!
//! Two changes within one tick of the kernel's clock look the same. So a file is passed to a command only when its last
//! change is longer ago than a tick (`upload_place.rs`).

use std::path::Path;
use std::sync::Arc;

use crate::accounts::id::AccountSpec;
use crate::accounts::quota::between::{MovedFile, move_unwritten};
use crate::domain::folder::{CreationChoice, Folder, FolderName};
use crate::domain::path::VirtualPath;
use crate::domain::user::{User, UserName};
use crate::mount::{ServerHome, open_for_server};
use crate::ssh::service::Service;
use crate::storage::local::readable::FileState;
use crate::storage::{Error as StorageError, Links, Storage, Wait};
use crate::store::Store;

use super::entry::QueueEntry;
use super::upload_place::UploadPlace;

/// The permissions of directories that are made at the target.
const DIRECTORY_MODE: u32 = 0o755;

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

    /// Returns where a file is to be moved that lies at `place`. The first name of the path decides: if the server has a
    /// folder of this name, the rest is the path in there, whether the file's user sees that folder or not. Otherwise it is a
    /// path in the home or the folder that the file lies in.
    ///
    /// # Errors
    /// Returns a sentence if the store cannot be read.
    pub async fn target(&self, place: &UploadPlace, to: &VirtualPath) -> Result<UploadPlace, String> {
        let name = to.split_first().and_then(|(name, below)| {
            let name: FolderName = std::str::from_utf8(name).ok()?.parse().ok()?;
            Some((name, below))
        });
        let Some((name, below)) = name else {
            return Ok(place.elsewhere(None, to.clone()));
        };
        let folder = self
            .store
            .folder(&name)
            .await
            .map_err(|error| error.to_string())?;
        Ok(match folder {
            Some(folder) => place.elsewhere(Some(&folder), below),
            None => place.elsewhere(None, to.clone()),
        })
    }

    /// Returns where the file of an entry is to be looked for: where it was uploaded to, or at the same path in the user's
    /// present home or folder, if that was moved or restored elsewhere. Returns `None` if the entry has no file.
    ///
    /// # Errors
    /// Returns the errors of the store.
    pub async fn place_of(&self, entry: &QueueEntry) -> base::error::Result<Option<UploadPlace>> {
        let Some(place) = entry.file.as_ref().and_then(UploadPlace::of) else {
            return Ok(None);
        };
        Ok(Some(match entry.user() {
            Some(name) => place.of_user(self.store.user(&name).await?.as_ref()),
            None => place,
        }))
    }

    /// Moves a file that a command has accepted, which was in this state.
    pub async fn publish(
        &self,
        user: &UserName,
        place: UploadPlace,
        checked: FileState,
        to: UploadPlace,
    ) -> PublishOutcome {
        match self.try_publish(user, place, checked, to).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn try_publish(
        &self,
        user: &UserName,
        place: UploadPlace,
        checked: FileState,
        to: UploadPlace,
    ) -> Result<PublishOutcome, PublishOutcome> {
        let (source, target) = self.ends(user, &place, &to).await?;
        let accounts = &self.service.accounts;
        let account = accounts.account(&source.spec).await.map_err(failed)?;
        let target = match target {
            Some(target) => Some((accounts.account(&target.spec).await.map_err(failed)?, target)),
            None => None,
        };
        let service = Arc::clone(&self.service);
        let moving = tokio::task::spawn_blocking(move || -> Result<PublishOutcome, PublishOutcome> {
            let context = &service.mount_context;
            let home = open_for_server(place.home(), &source.creation, account, context).map_err(failed)?;
            let folder = target.map(|(account, target)| {
                open_for_server(to.home(), &target.creation, account, context).map_err(failed)
            });
            let moved = CheckedMove {
                from: &place.path,
                checked,
                to: &to.path,
                folder: to.folder(),
            };
            Ok(move_file(&home, folder.transpose()?.as_ref(), moved))
        });
        moving.await.map_err(failed)?
    }

    /// Returns the source and the target of a move; no target if it is the source.
    ///
    /// # Errors
    /// Returns the outcome if there is nothing to move from or to.
    async fn ends(
        &self,
        user: &UserName,
        place: &UploadPlace,
        to: &UploadPlace,
    ) -> Result<(MoveEnd, Option<MoveEnd>), PublishOutcome> {
        let folder = match to.folder() {
            Some(name) => self.store.folder(name).await.map_err(failed)?,
            None => None,
        };
        let target = folder.filter(|folder| folder.path == to.home());
        let user = self.store.user(user).await.map_err(failed)?;
        let source = user.and_then(|user| MoveEnd::of(&user, place.home()));
        let target = target.map(|folder| MoveEnd::of_folder(&folder));
        if place.home() == to.home() {
            // A file that is there already was moved before a crash, perhaps to a folder that its user does not have.
            let is_there = place.path == to.path;
            let source = source.or_else(|| target.filter(|_| is_there));
            return Ok((source.ok_or_else(lost)?, None));
        }
        let source = source.ok_or_else(lost)?;
        match target {
            Some(target) => Ok((source, Some(target))),
            None => Err(PublishOutcome::Failed(
                "the folder that it is to be moved to has just been changed".to_owned(),
            )),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> PublishOutcome {
    PublishOutcome::Failed(error.to_string())
}

fn lost() -> PublishOutcome {
    PublishOutcome::Refused("the user does not have this home or folder any more".to_owned())
}

/// A home or a folder that a file is moved from or to.
struct MoveEnd {
    spec: AccountSpec,
    creation: CreationChoice,
}

impl MoveEnd {
    /// Returns the home of a user, or one of the user's folders, by its directory.
    fn of(user: &User, place: &Path) -> Option<Self> {
        if user.home == place {
            return Some(Self {
                spec: AccountSpec::of_home(place, user.quota()),
                creation: user.creation(),
            });
        }
        let folders = user.folders();
        let (folder, _) = folders.iter().find(|(folder, _)| folder.path == place)?;
        Some(Self::of_folder(folder))
    }

    fn of_folder(folder: &Folder) -> Self {
        Self {
            spec: AccountSpec::of_folder(&folder.path, folder.quota),
            creation: folder.creation.clone(),
        }
    }
}

/// A file that a command has seen, and where it is moved.
#[derive(Clone, Copy)]
struct CheckedMove<'a> {
    from: &'a VirtualPath,
    checked: FileState,
    to: &'a VirtualPath,
    /// The folder that it is moved to, if it is one.
    folder: Option<&'a FolderName>,
}

/// Moves a file in a home or folder, or from there to `target`.
fn move_file(home: &ServerHome, target: Option<&ServerHome>, file: CheckedMove<'_>) -> PublishOutcome {
    let CheckedMove {
        from, checked, to, ..
    } = file;
    let Some((directory, _)) = to.split() else {
        return PublishOutcome::Refused("the target is not a name".to_owned());
    };
    if checked.links != 1 {
        return PublishOutcome::Refused("the file has a second name (a hard link)".to_owned());
    }
    let end = target.unwrap_or(home);
    let is_unchanged = || {
        // Inside of the locked names, neither can change before the rename.
        let is_plain = directory.is_root() || end.local.real_path(&directory)? == directory;
        match is_plain {
            true => Ok(home.local.file_state(from)? == checked),
            false => Err(StorageError::NotADirectory),
        }
    };
    let moved = make_directories(end, &directory).and_then(|()| match target {
        None => home
            .charged
            .rename_unwritten(checked.inode, from, to, is_unchanged),
        Some(target) => {
            let moved = MovedFile {
                inode: checked.inode,
                size: checked.size,
                to,
            };
            let rename = || target.local.move_here(&home.local, from, checked.inode, to);
            move_unwritten(&home.charged, &target.charged, moved, is_unchanged, rename)
        }
    });
    outcome(moved, &directory, file.folder)
}

/// Returns what has come of a move to this directory, in a folder or not.
fn outcome(
    moved: crate::storage::Result<bool>,
    directory: &VirtualPath,
    folder: Option<&FolderName>,
) -> PublishOutcome {
    match moved {
        Ok(true) => PublishOutcome::Published,
        Ok(false) | Err(StorageError::NotFound | StorageError::NotAFile) => PublishOutcome::Changed,
        Err(StorageError::CrossesFileSystems) => {
            let folder = folder.map_or_else(String::new, ToString::to_string);
            PublishOutcome::Refused(format!(
                "it cannot be moved to the folder {folder}, which lies on another file system"
            ))
        }
        Err(
            error @ (StorageError::NotADirectory | StorageError::IsADirectory | StorageError::AlreadyExists),
        ) => {
            let name = base::visible::bytes(&directory.absolute());
            let place = folder.map_or_else(String::new, |folder| format!(" in the folder {folder}"));
            PublishOutcome::Refused(format!("it cannot be moved to {name}{place}: {error}"))
        }
        Err(error) => PublishOutcome::Failed(match folder {
            Some(folder) => error.text_in_folder(folder.as_str()),
            None => error.to_string(),
        }),
    }
}

/// Makes the directories of the target that are missing. None of them may be a link.
fn make_directories(home: &ServerHome, directory: &VirtualPath) -> crate::storage::Result<()> {
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
