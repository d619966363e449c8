//! The client's commands, as a script and the shell run them.

pub mod args;
pub mod output;

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::names::join;
use super::remote::Remote;
use output::Output;

/// A server that somebody is signed in to, and where one is there.
pub struct Session {
    /// The server.
    pub remote: Arc<Remote>,
    /// What is shown, and how.
    pub output: Output,
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

    /// Goes there.
    pub fn set_directory(&self, directory: Vec<u8>) {
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    /// A path as it is meant from here.
    pub fn resolve(&self, path: &[u8]) -> Vec<u8> {
        join(&self.directory(), path)
    }

    /// What stops the command that runs.
    pub fn stop(&self) -> CancellationToken {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Before the next command.
    pub fn begin(&self) -> CancellationToken {
        let fresh = CancellationToken::new();
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        fresh
    }
}
