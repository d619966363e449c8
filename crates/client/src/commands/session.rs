//! The signed-in session that commands share: the server, the current directory, and the token that stops a command.

use parking_lot::Mutex;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use sftp_wire::Attributes;
use tokio_util::sync::CancellationToken;

use crate::globs;
use crate::link::{Link, RemoteError};
use crate::names::{below_home, join, resolve};
use crate::output::{Output, Style};
use crate::remote::Remote;
use crate::report;
use crate::transfer::{RemoteWork, RunConnection};
use base::error::{Error, Result};
use base::glob::unescape;

/// A path on the server, in one form for messages and one for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemotePath {
    pub(super) shown: Vec<u8>,
    pub(super) path: Vec<u8>,
}

/// A signed-in session with a server, and its current directory.
pub struct Session {
    /// The server of this session.
    pub remote: Arc<Remote>,
    /// How much is shown, and how.
    pub output: Output,
    /// The absolute path of the home directory, as the server reported it.
    home: Vec<u8>,
    /// The absolute path of the current directory, as the server resolved it.
    directory: Mutex<Vec<u8>>,
    /// The token of the running command, which Ctrl-C cancels. Each command has a new one.
    stop: Mutex<CancellationToken>,
    /// The connection of the running command. Each command has a new one, so that it does not suffer from the breaks of
    /// another.
    connection: Mutex<Arc<RunConnection>>,
}

impl Session {
    /// A session in the home directory that the server gives. The shell's `cd` moves it.
    pub fn new(remote: Arc<Remote>, output: Output, home: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            connection: Mutex::new(RunConnection::alone(&remote)),
            remote,
            output,
            directory: Mutex::new(home.clone()),
            home,
            stop: Mutex::default(),
        })
    }

    /// The current directory on the server.
    pub fn directory(&self) -> Vec<u8> {
        self.directory.lock().clone()
    }

    /// Whether a path is the home directory.
    pub(super) fn is_home(&self, path: &[u8]) -> bool {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        path.get(..end) == Some(&self.home)
    }

    /// Changes the current directory, to which relative paths refer.
    pub fn set_directory(&self, directory: Vec<u8>) {
        *self.directory.lock() = directory;
    }

    /// The absolute path that a relative one means in the current directory.
    pub fn resolve(&self, path: &[u8]) -> Vec<u8> {
        resolve(&self.directory(), path)
    }

    /// The connection of the running command. Work on the server goes through [`Session::repeated`] or
    /// [`Session::work`]; this is for work that goes on where it was when the connection broke.
    pub fn connection(&self) -> Arc<RunConnection> {
        Arc::clone(&self.connection.lock())
    }

    /// Does work on the connection, and does all of it again on another one when that breaks. The work learns whether an
    /// earlier attempt may have been carried out.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn repeated<T, F>(
        &self,
        work: impl Fn(Arc<Link>, bool) -> F,
    ) -> std::result::Result<T, RemoteError>
    where
        F: Future<Output = std::result::Result<T, RemoteError>>,
    {
        self.connection().repeated(work).await
    }

    /// Does a single operation, as [`Session::repeated`] does work. Returns the attributes of a name that was looked at,
    /// if it is there.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn work(&self, work: RemoteWork<'_>) -> std::result::Result<Option<Attributes>, RemoteError> {
        work.run_on(&self.connection()).await
    }

    /// Whether a path is a directory, or a link to one.
    ///
    /// # Errors
    /// When no connection can be made any more.
    pub(super) async fn is_directory(&self, path: &[u8]) -> std::result::Result<bool, RemoteError> {
        self.repeated(|link, _| async move { link.is_directory(path).await.map_err(RemoteError::from) })
            .await
    }

    /// The attributes of a path, which is followed if it is a link.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn stat(&self, path: &[u8]) -> std::result::Result<Attributes, RemoteError> {
        self.repeated(|link, _| async move { link.stat(path).await })
            .await
    }

    /// The attributes of a path, which is not followed if it is a link.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub(super) async fn lstat(&self, path: &[u8]) -> std::result::Result<Attributes, RemoteError> {
        self.repeated(|link, _| async move { link.lstat(path).await })
            .await
    }

    /// The path with links resolved.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn realpath(&self, path: &[u8]) -> std::result::Result<Vec<u8>, RemoteError> {
        self.repeated(|link, _| async move { link.realpath(path).await })
            .await
    }

    /// The paths on the server that a word stands for: see [`globs`].
    ///
    /// # Errors
    /// When no connection can be made any more, or the server has too many names.
    pub(super) async fn matching(&self, word: &OsStr) -> std::result::Result<Vec<RemotePath>, RemoteError> {
        self.repeated(|link, _| async move { self.matches(&link, word).await })
            .await
    }

    async fn matches(&self, link: &Link, word: &OsStr) -> std::result::Result<Vec<RemotePath>, RemoteError> {
        let found = globs::remote(link, &self.directory(), word.as_bytes()).await?;
        let named = |shown: Vec<u8>| RemotePath {
            path: self.resolve(&shown),
            shown,
        };
        Ok(found.into_iter().map(named).collect())
    }

    /// The paths on the server that several words stand for, in the order of the words.
    ///
    /// # Errors
    /// When no connection can be made any more, or the server has too many names.
    pub(super) async fn matching_all(
        &self,
        words: &[OsString],
    ) -> std::result::Result<Vec<RemotePath>, RemoteError> {
        let mut found = Vec::new();
        for word in words {
            found.extend(self.matching(word).await?);
        }
        Ok(found)
    }

    /// The one path that a word means, whether it exists or not.
    pub fn path(&self, word: &OsStr) -> Vec<u8> {
        match below_home(word.as_bytes()) {
            Some(below) => join(&self.home, &unescape(below)),
            None => self.resolve(&unescape(word.as_bytes())),
        }
    }

    /// Prints on standard error what is wrong with a path of the server. People see what they have typed, and scripts the
    /// absolute path, as in results.
    pub(super) fn complain(&self, path: &[u8], why: &dyn std::fmt::Display) {
        match self.output.style {
            Style::Json => report::error_about(&self.resolve(path), why),
            Style::Words | Style::Quiet => report::error_about(path, why),
        }
    }

    /// The token that stops the command that runs.
    pub fn stop(&self) -> CancellationToken {
        self.stop.lock().clone()
    }

    /// Runs work that Ctrl-C may cancel at any point, because it leaves nothing behind.
    ///
    /// # Errors
    /// The errors of the work, or one that says that it was stopped.
    pub async fn stoppable<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let stop = self.stop();
        tokio::select! {
            biased;
            done = work => done,
            () = stop.cancelled() => Err(Error::new("stopped")),
        }
    }

    /// Makes this the token that stops the command that runs, which begins now.
    pub fn set_stop(&self, stop: CancellationToken) {
        *self.connection.lock() = RunConnection::alone(&self.remote);
        *self.stop.lock() = stop;
    }

    /// Makes a new token, for the next command, and returns it.
    pub fn begin(&self) -> CancellationToken {
        let fresh = CancellationToken::new();
        self.set_stop(fresh.clone());
        fresh
    }
}
