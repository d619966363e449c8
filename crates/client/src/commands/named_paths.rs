//! The paths that the words of a command stand for, one after the other, for commands that do the same with each: a
//! refusal is printed and the next path follows, and a connection that is lost for good ends the command.

use std::ffi::{OsStr, OsString};

use super::refusal::{not_done, refused};
use super::session::{RemotePath, Session};
use crate::link::{ConnectionLost, RemoteError};
use base::error::{Error, Result};

/// The paths of a command that are still to come.
pub(super) struct NamedPaths<'a> {
    session: &'a Session,
    /// The words that were not looked at yet.
    words: std::vec::IntoIter<&'a OsStr>,
    /// The other paths of the last word.
    found: std::vec::IntoIter<RemotePath>,
}

impl<'a> NamedPaths<'a> {
    /// The paths that these words stand for: see [`globs`](crate::globs).
    pub(super) fn new(session: &'a Session, words: Vec<&'a OsStr>) -> Self {
        Self {
            session,
            words: words.into_iter(),
            found: Vec::new().into_iter(),
        }
    }

    /// Goes through the paths that the words of a command stand for.
    pub(super) fn of(session: &'a Session, words: &'a [OsString]) -> Self {
        Self::new(session, words.iter().map(OsString::as_os_str).collect())
    }

    /// Goes through paths that are known.
    pub(super) fn known(session: &'a Session, paths: Vec<RemotePath>) -> Self {
        Self {
            session,
            words: Vec::new().into_iter(),
            found: paths.into_iter(),
        }
    }

    /// The next path. `None`: there are no more. Each word is expanded when its turn comes.
    ///
    /// # Errors
    /// When no connection can be made any more, or the server has too many names.
    pub(super) async fn next(&mut self) -> Result<Option<RemotePath>> {
        loop {
            if let Some(path) = self.found.next() {
                return Ok(Some(path));
            }
            let Some(word) = self.words.next() else {
                return Ok(None);
            };
            match self.session.matching(word).await {
                Ok(found) => self.found = found.into_iter(),
                Err(RemoteError::ConnectionLost(lost)) => return Err(self.lost(lost)),
                Err(failed) => return Err(refused("list a directory")(failed)),
            }
        }
    }

    /// Returns all paths that are still to come.
    ///
    /// # Errors
    /// Those of [`NamedPaths::next`].
    pub(super) async fn all(mut self) -> Result<Vec<RemotePath>> {
        let mut all = Vec::new();
        while let Some(path) = self.next().await? {
            all.push(path);
        }
        Ok(all)
    }

    /// The error that ends the command while it works on the last path. A word that was not looked at yet counts as one
    /// name.
    pub(super) fn lost(&self, lost: ConnectionLost) -> Error {
        not_done(lost, 1 + self.found.len() + self.words.len())
    }

    /// Prints why something was refused for a path, behind `what` unless that is empty. Returns the exit code.
    ///
    /// # Errors
    /// When it was not refused, but there is no connection any more.
    pub(super) fn fail(&self, path: &RemotePath, failed: RemoteError, what: &str) -> Result<u8> {
        match (failed, what) {
            (RemoteError::ConnectionLost(lost), _) => return Err(self.lost(lost)),
            (failed, "") => self.session.complain(&path.shown, &failed),
            (failed, what) => self.session.complain(&path.shown, &format!("{what}: {failed}")),
        }
        Ok(1)
    }
}
