//! The trait of a verb: what its arguments can do. The verbs are listed in [`list`](super::list).

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;

use super::candidates::Candidates;
use super::server_words::{self, BareHost, UsageError};
use super::session::Session;
use crate::connect::Target;
use base::error::Result;

/// Who reads standard input, so that two do not take parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinUse {
    /// Nobody: an option may name it as `-`.
    Free,
    /// Its first line is the password (`--password-stdin`).
    Password,
    /// It has the commands of the shell.
    Commands,
}

/// The arguments of one verb, and the work that they ask for.
#[async_trait]
pub trait Verb: Send + Sync {
    /// Does the work, prints its results, and returns the exit code.
    ///
    /// # Errors
    /// When the work cannot begin, or is stopped. Later failures are printed and show in the exit code.
    async fn run(&self, session: &Arc<Session>) -> Result<u8>;

    /// The words that name files. They are patterns: see [`globs`](crate::globs).
    fn words(&mut self) -> &mut Vec<OsString>;

    /// Takes the server out of words that were typed on a command line, so that paths on that server remain.
    ///
    /// # Errors
    /// When the words name no server, or several.
    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        server_words::take_server(self.words(), BareHost::Refused)
    }

    /// Reads the files that options name, before anything is asked of the server. A second call changes nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or what it has is wrong.
    fn prepare(&mut self, _stdin: StdinUse) -> std::result::Result<(), UsageError> {
        Ok(())
    }

    /// Checks the options and words by themselves, before anything is asked of the server.
    ///
    /// # Errors
    /// When they do not fit together.
    fn check(&self) -> std::result::Result<(), UsageError> {
        Ok(())
    }

    /// What completion offers for the word behind `earlier` others.
    fn candidates(earlier: usize) -> &'static [Candidates]
    where
        Self: Sized;
}
