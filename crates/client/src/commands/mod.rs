//! The client's commands, as a script and the shell run them.

mod ahead;
pub mod args;
pub mod files;
pub mod ls;
pub mod output;
mod runner;
pub mod sum;
pub mod transfer;
mod walk;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::globs;
use super::link::Link;
use super::names::{join, resolve};
use super::printable::printable;
use super::remote::Remote;
use base::error::{Error, Result};
use output::Output;
pub use runner::Runner;

/// A path on the server, as it is shown and as it is asked for.
struct Named {
    shown: Vec<u8>,
    path: Vec<u8>,
}

/// A server that somebody is signed in to, and where one is there.
pub struct Session {
    /// The server.
    pub remote: Arc<Remote>,
    /// What is shown, and how.
    pub output: Output,
    /// Where the server put us first; absolute.
    home: Vec<u8>,
    /// Absolute, as the server resolved it.
    directory: Mutex<Vec<u8>>,
    /// Cancelled by Ctrl-C: the command that runs stops. A new one for each command.
    stop: Mutex<CancellationToken>,
}

impl Session {
    /// In the directory that the server gives (for a shell: see `cd`).
    pub fn new(remote: Arc<Remote>, output: Output, directory: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            remote,
            output,
            home: directory.clone(),
            directory: Mutex::new(directory),
            stop: Mutex::default(),
        })
    }

    /// Where one is.
    pub fn directory(&self) -> Vec<u8> {
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Is it the directory where the server put us?
    fn is_home(&self, path: &[u8]) -> bool {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        path.get(..end) == Some(&self.home)
    }

    /// Goes there.
    pub fn set_directory(&self, directory: Vec<u8>) {
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    /// A path as it is meant from here.
    pub fn resolve(&self, path: &[u8]) -> Vec<u8> {
        resolve(&self.directory(), path)
    }

    /// The connection.
    ///
    /// # Errors
    /// When it is gone, and no other can be made.
    pub async fn link(&self) -> Result<Arc<Link>> {
        self.remote
            .link()
            .await
            .map_err(|failed| Error::new(failed.to_string()))
    }

    /// What a word stands for on the server: see [`globs`].
    ///
    /// # Errors
    /// When a directory cannot be listed.
    async fn matching(&self, link: &Link, word: &OsStr) -> Result<Vec<Named>> {
        let found = globs::remote(link, &self.directory(), word.as_bytes()).await;
        let found = found.map_err(output::refused("list a directory"))?;
        let named = |shown: Vec<u8>| Named {
            path: self.resolve(&shown),
            shown,
        };
        Ok(found.into_iter().map(named).collect())
    }

    /// The one path that a word means, whatever is there.
    pub fn path(&self, word: &OsStr) -> Vec<u8> {
        let home = |rest: &[u8]| join(&self.home, &globs::unescape(rest));
        match word.as_bytes() {
            b"~" => self.home.clone(),
            [b'~', b'/', rest @ ..] => home(rest),
            word => self.resolve(&globs::unescape(word)),
        }
    }

    /// Says on standard error what is wrong with a path.
    fn complain(&self, path: &[u8], why: &dyn std::fmt::Display) {
        eprintln!("homeport: {}: {why}", printable(path));
    }

    /// What stops the command that runs.
    pub fn stop(&self) -> CancellationToken {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does work that Ctrl-C just ends: what leaves nothing behind.
    ///
    /// # Errors
    /// Those of the work; and when it was stopped.
    pub async fn stoppable<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let stop = self.stop();
        tokio::select! {
            biased;
            done = work => done,
            () = stop.cancelled() => Err(Error::new("stopped")),
        }
    }

    /// The command that runs is stopped by this one.
    pub fn heed(&self, stop: CancellationToken) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = stop;
    }

    /// Before the next command.
    pub fn begin(&self) -> CancellationToken {
        let fresh = CancellationToken::new();
        self.heed(fresh.clone());
        fresh
    }
}
