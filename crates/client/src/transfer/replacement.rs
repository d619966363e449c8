//! Whether an upload goes to a temporary name first, and under which name.
//!
//! Under a temporary name the old file stays as it is until the new one is whole and proven, and nobody sees half a file.
//! But a rename replaces more than the content: other names of the file and links to it would keep the old content, and
//! the file would belong to this user. So, if nobody has asked for it, a temporary name is used only where none of that
//! makes a difference.
//!
//! A large file that goes over several connections has a temporary name in any case, because it may have holes until it
//! is whole.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use sftp_wire::{Attributes, Extension, FileType, Owner};

use super::attempt::{Attempt, FileState};
use super::cut::cut_or_remove;
use super::error::TransferError;
use super::spread;
use super::spread::upload::is_spread;
use super::temporary_names::{ClaimedRoom, parent_or_here};
use crate::link::{Answered as _, Link, RemoteError, Space};

/// A temporary name for an upload.
pub(super) struct TemporaryName<'a> {
    /// The upload to that name.
    pub(super) file: FileState,
    /// The attributes of what has the name: nothing, or the beginning that an earlier attempt has left.
    pub(super) there: Option<Attributes>,
    /// The room for both files.
    #[allow(dead_code, reason = "held")]
    room: Option<ClaimedRoom<'a>>,
}

impl<'a> TemporaryName<'a> {
    /// Finds the temporary name for a file of `size` bytes. `None`: the file is written in place.
    pub(super) async fn find(
        attempt: Attempt<'a>,
        file: &FileState,
        size: u64,
    ) -> Result<Option<Self>, TransferError> {
        let context = attempt.context;
        let (link, names) = (attempt.link, &context.temporary_names);
        let asked_for = context.settings.temp;
        let usable = asked_for || link.channel.offers(Extension::PosixRename);
        if names.are_refused() || !usable {
            return Ok(None);
        }
        let job = &file.job;
        let path = job.temporary_path();
        if context.is_claimed(Path::new(OsStr::from_bytes(&path))) {
            return Ok(None);
        }
        let looking = async {
            tokio::try_join!(
                link.lstat(&job.remote),
                missing_is_none(link.lstat(&path)),
                refused_is_none(Space::at(link, parent_or_here(&job.remote))),
            )
        };
        let Some((old, there, space)) = looking.await.unless_refused()? else {
            return Ok(None);
        };
        let is_file = |attrs: &Attributes| attrs.file_type() == Some(FileType::Regular);
        if !is_file(&old) || !there.as_ref().is_none_or(is_file) {
            return Ok(None);
        }
        let room = match asked_for {
            true => None,
            false => {
                let have = there.and_then(|attrs| attrs.size).unwrap_or(0);
                let free = space.flatten().map_or(0, |space| space.free).saturating_add(have);
                let Some(room) = ClaimedRoom::claim(names, size, free) else {
                    return Ok(None);
                };
                if !is_replaceable(attempt, &job.remote, &old, &path).await? {
                    return Ok(None);
                }
                Some(room)
            }
        };
        let mut file = Self::file_of(file, path);
        file.replaced_mode = old.permissions.map(|mode| mode & 0o777);
        Ok(Some(Self { file, there, room }))
    }

    /// Finds the temporary name for a file of `size` bytes whose name is free. `None`: it does not go over several
    /// connections, and no earlier run has begun that.
    pub(super) async fn for_new(
        attempt: Attempt<'a>,
        file: &FileState,
        size: u64,
    ) -> Result<Option<Self>, TransferError> {
        let context = attempt.context;
        let path = file.job.temporary_path();
        let is_claimed = context.is_claimed(Path::new(OsStr::from_bytes(&path)));
        if size < spread::SMALLEST || context.temporary_names.are_refused() || is_claimed {
            return Ok(None);
        }
        let looking = async {
            tokio::try_join!(
                missing_is_none(attempt.link.lstat(&file.job.remote)),
                missing_is_none(attempt.link.lstat(&path)),
            )
        };
        let Some((old, there)) = looking.await.unless_refused()? else {
            return Ok(None);
        };
        if old.is_some_and(|old| old.is_symlink()) {
            // What the link points to is made in place. A rename would replace the link, or be refused.
            return Ok(None);
        }
        let usable = match &there {
            Some(attrs) => attrs.file_type() == Some(FileType::Regular),
            None => is_spread(context, size),
        };
        let file = Self::file_of(file, path);
        let room = None;
        Ok(usable.then_some(Self { file, there, room }))
    }

    /// The upload of a file to its temporary path.
    fn file_of(file: &FileState, path: Vec<u8>) -> FileState {
        let mut temporary = FileState::new(file.job.with_remote(path));
        temporary.overwrite_agreed = true;
        temporary.is_temporary = true;
        temporary.uncut = Arc::clone(&file.uncut);
        temporary
    }

    /// Cuts what an attempt of this run has left, if it may have holes. That is remembered until bytes are sent again:
    /// WRITEs of the lost connections may still arrive.
    pub(super) async fn cut_to_front(&mut self, attempt: Attempt<'_>) -> Result<(), TransferError> {
        let Some(front) = self.file.uncut.get() else {
            return Ok(());
        };
        let Some(there) = self.there.filter(|there| there.size > Some(front)) else {
            return Ok(());
        };
        let cut = cut_or_remove(attempt.link, &self.file.job.remote, front).await?;
        self.there = cut.map(|size| Attributes {
            size: Some(size),
            ..there
        });
        Ok(())
    }
}

/// Whether a rename over the old file changes nothing but its content: it has one link, and belongs to this user.
async fn is_replaceable(
    attempt: Attempt<'_>,
    old_path: &[u8],
    old: &Attributes,
    path: &[u8],
) -> Result<bool, TransferError> {
    let names = &attempt.context.temporary_names;
    let lost = TransferError::remote("look for a temporary name");
    let links = names.links(attempt.link, old_path).await.map_err(&lost)?;
    if links != Some(1) {
        return Ok(false);
    }
    let owner = names.owner(created_owner(attempt.link, path)).await;
    // If it is refused, opening the file will say why.
    Ok(owner.unless_refused()?.is_none_or(|owner| owner == old.owner))
}

/// The owner of a file that this user creates.
async fn created_owner(link: &Link, path: &[u8]) -> Result<Option<Owner>, RemoteError> {
    let handle = link.open_write(path, false, Some(0o600)).await?;
    let attrs = link.fstat(&handle).await;
    link.close_handle(&handle).await?;
    let attrs = attrs?;
    // It is empty unless an earlier run has left it.
    if attrs.size == Some(0) {
        link.remove(path).await?;
    }
    Ok(attrs.owner)
}

async fn missing_is_none(
    looked: impl Future<Output = Result<Attributes, RemoteError>>,
) -> Result<Option<Attributes>, RemoteError> {
    looked.await.unless_missing()
}

async fn refused_is_none<T>(
    asked: impl Future<Output = Result<T, RemoteError>>,
) -> Result<Option<T>, RemoteError> {
    Ok(asked.await.unless_refused()?)
}
