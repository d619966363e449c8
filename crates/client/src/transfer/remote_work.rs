//! Operations on the server that are repeated on another connection when one breaks.
//!
//! What was done already counts as done, because a connection may break before the reply. What is a link is removed,
//! renamed or replaced itself, never what it points to.

use std::sync::Arc;
use std::time::Duration;

use sftp_wire::Attributes;

use super::breaks::ProgressAtBreak;
use super::context::TransferContext;
use crate::link::{self, Answered as _, Link, RemoteError};

/// How often it is looked whether a rename was carried out whose connection broke, and the time between two looks: a
/// server may need a while for what the lost connection has sent.
const LOOKS_AFTER_RENAME: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// An operation on the server that can be repeated on another connection.
pub enum RemoteWork<'a> {
    /// Makes a directory, unless it is there.
    Make(&'a [u8]),
    /// Removes a name that is not a directory.
    Remove(&'a [u8]),
    /// Removes an empty directory.
    RemoveDirectory(&'a [u8]),
    /// Sets attributes of a name.
    Set(&'a [u8], &'a Attributes),
    /// Renames, and replaces what has the new name.
    Rename(&'a [u8], &'a [u8]),
    /// Renames unless something has the new name.
    RenameToNew(&'a [u8], &'a [u8]),
    /// Makes a link with the second path, which points to the first.
    Symlink(&'a [u8], &'a [u8]),
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
        repeated(
            context,
            |link, again| async move { self.attempt(&link, again).await },
        )
        .await
    }

    /// Does the work on this connection. `again`: the connection broke at an earlier attempt, which may have been carried
    /// out.
    async fn attempt(&self, link: &Link, again: bool) -> Result<Option<Attributes>, RemoteError> {
        let done = match self {
            Self::Make(path) => match link.mkdir(path).await {
                Err(failed @ RemoteError::Refused { .. }) => {
                    let is_directory = |attrs: Attributes| attrs.is_directory() == Some(true);
                    done_if(link.lstat(path).await.map(is_directory), failed)
                }
                made => made,
            },
            Self::Remove(path) => missing_is_done(link.remove(path).await),
            Self::RemoveDirectory(path) => missing_is_done(link.rmdir(path).await),
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
            Self::Look(path) => return look(link, path).await,
            Self::LookThrough(path) => return link.look(path).await,
        };
        done.map(|()| None)
    }
}

/// Does work on the connection, and does it again on another one when that breaks. The work learns whether an earlier
/// attempt may have been carried out.
///
/// # Errors
/// When the server refuses, or no connection can be made any more.
pub async fn repeated<T, F>(
    context: &TransferContext,
    work: impl Fn(Arc<Link>, bool) -> F,
) -> Result<T, RemoteError>
where
    F: Future<Output = Result<T, RemoteError>>,
{
    let hub = &context.hub;
    let mut breaks = context.breaks();
    let mut again = false;
    loop {
        let link = context.link().await?;
        let result = work(link, again).await;
        if !matches!(result, Err(RemoteError::ConnectionLost(_))) {
            hub.operation_ended();
            return result;
        }
        let reached = ProgressAtBreak {
            run: hub.done(),
            file: 0,
        };
        if !breaks.allow_another(reached) {
            return result;
        }
        again = true;
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

fn missing_is_done(result: Result<(), RemoteError>) -> Result<(), RemoteError> {
    result.unless_missing().map(|_| ())
}
