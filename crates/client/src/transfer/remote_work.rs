//! Operations on the server that are repeated on another connection when one breaks.
//!
//! What was done already counts as done, because a connection may break before the reply; work that must find something
//! to do counts it only after such a break. What is a link is removed, renamed or replaced itself, never what it points
//! to.

use std::sync::Arc;
use std::time::Duration;

use sftp_wire::Attributes;

use super::context::TransferContext;
use super::run_connection::RunConnection;
use crate::link::{self, Answered as _, Link, RemoteError};

/// How often it is looked whether a rename was carried out whose connection broke, and the time between two looks: a
/// server may need a while for what the lost connection has sent.
const LOOKS_AFTER_RENAME: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// An operation on the server that can be repeated on another connection.
pub enum RemoteWork<'a> {
    /// Makes a directory, unless it is there.
    Make(&'a [u8]),
    /// Makes a directory that is not there yet.
    MakeNew(&'a [u8]),
    /// Removes a name that is not a directory, unless it is gone.
    Remove(&'a [u8]),
    /// Removes a name that is there, and is not a directory.
    RemoveExisting(&'a [u8]),
    /// Removes an empty directory, unless it is gone.
    RemoveDirectory(&'a [u8]),
    /// Removes an empty directory that is there.
    RemoveExistingDirectory(&'a [u8]),
    /// Sets attributes of a name.
    Set(&'a [u8], &'a Attributes),
    /// Renames, and replaces what has the new name.
    Rename(&'a [u8], &'a [u8]),
    /// Renames unless something has the new name.
    RenameToNew(&'a [u8], &'a [u8]),
    /// Makes a link with the second path, which points to the first.
    Symlink(&'a [u8], &'a [u8]),
    /// Gives the file with the first path the second one, too.
    HardLink(&'a [u8], &'a [u8]),
    /// Looks at a name, which is not followed if it is a link.
    Look(&'a [u8]),
    /// Looks at what a name stands for.
    LookThrough(&'a [u8]),
}

impl RemoteWork<'_> {
    /// Does the work, on as many connections as it takes. Returns the attributes of a name that was looked at, if it is
    /// there.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn run(&self, context: &TransferContext) -> Result<Option<Attributes>, RemoteError> {
        self.run_on(&context.connection).await
    }

    /// Does the work for a command that transfers nothing.
    ///
    /// # Errors
    /// Those of [`RemoteWork::run`].
    pub async fn run_on(&self, connection: &Arc<RunConnection>) -> Result<Option<Attributes>, RemoteError> {
        connection
            .repeated(|link, again| async move { self.attempt(&link, again).await })
            .await
    }

    /// Does the work on this connection. `again`: the connection broke at an earlier attempt, which may have been carried
    /// out.
    async fn attempt(&self, link: &Link, again: bool) -> Result<Option<Attributes>, RemoteError> {
        let done = match self {
            Self::Make(path) => make(link, path, true).await,
            Self::MakeNew(path) => make(link, path, again).await,
            Self::Remove(path) => missing_is_done(link.remove(path).await, true),
            Self::RemoveExisting(path) => missing_is_done(link.remove(path).await, again),
            Self::RemoveDirectory(path) => missing_is_done(link.rmdir(path).await, true),
            Self::RemoveExistingDirectory(path) => missing_is_done(link.rmdir(path).await, again),
            Self::Set(path, attrs) => link.set(path, attrs).await,
            Self::Rename(from, to) | Self::RenameToNew(from, to) => {
                let renamed = match self {
                    Self::RenameToNew(..) => link.rename_to_new(from, to).await,
                    _ => link.rename(from, to).await,
                };
                match renamed {
                    Err(failed @ RemoteError::Refused { .. }) if again => {
                        done_if(was_renamed(link, from, to).await, failed)
                    }
                    renamed => renamed,
                }
            }
            Self::Symlink(target, path) => match link::symlink(link, target, path).await {
                Err(failed @ RemoteError::Refused { .. }) if again => {
                    let is_target = |there: Vec<u8>| there == *target;
                    done_if(link.readlink(path).await.map(is_target), failed)
                }
                made => made,
            },
            Self::HardLink(from, to) => match link::hardlink(link, from, to).await {
                Err(failed @ RemoteError::Refused { .. }) if again => {
                    done_if(looks_the_same(link, from, to).await, failed)
                }
                made => made,
            },
            Self::Look(path) => return look(link, path).await,
            Self::LookThrough(path) => return link.look(path).await,
        };
        done.map(|()| None)
    }
}

/// The result of work that was refused as `failed`, and may be done all the same: `is_done` is what a look has shown. If
/// the connection broke at the look, the work is to be repeated, like any whose connection broke.
fn done_if(is_done: Result<bool, RemoteError>, failed: RemoteError) -> Result<(), RemoteError> {
    match is_done.unless_refused()? {
        Some(true) => Ok(()),
        Some(false) | None => Err(failed),
    }
}

/// Makes a directory. `may_be_there`: a directory of that name counts as made.
async fn make(link: &Link, path: &[u8], may_be_there: bool) -> Result<(), RemoteError> {
    match link.mkdir(path).await {
        Err(failed @ RemoteError::Refused { .. }) if may_be_there => {
            let is_directory = |attrs: Attributes| attrs.is_directory() == Some(true);
            done_if(link.lstat(path).await.map(is_directory), failed)
        }
        made => made,
    }
}

/// Whether two names stand for one file, as far as attributes show: SFTP says no inode numbers.
async fn looks_the_same(link: &Link, one: &[u8], other: &[u8]) -> Result<bool, RemoteError> {
    Ok(link.lstat(one).await? == link.lstat(other).await?)
}

/// Whether a rename was carried out whose connection broke. The server may still be at it.
async fn was_renamed(link: &Link, from: &[u8], to: &[u8]) -> Result<bool, RemoteError> {
    for number in 1.. {
        if look(link, from).await?.is_none() && look(link, to).await?.is_some() {
            return Ok(true);
        }
        if number >= LOOKS_AFTER_RENAME {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(false)
}

/// The attributes of a name, which is not followed if it is a link. `None`: nothing has the name.
async fn look(link: &Link, path: &[u8]) -> Result<Option<Attributes>, RemoteError> {
    link.lstat(path).await.unless_missing()
}

/// The result of a removal. `may_be_gone`: a name that is not there counts as removed.
fn missing_is_done(result: Result<(), RemoteError>, may_be_gone: bool) -> Result<(), RemoteError> {
    match may_be_gone {
        true => result.unless_missing().map(|_| ()),
        false => result,
    }
}
