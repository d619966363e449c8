//! Runs one command of the shell or of a command line. The shell reaches it through [`CommandRunner`], so that a test
//! can replace it.

use std::sync::Arc;

use async_trait::async_trait;

use super::list::Command;
use super::server_words::{UsageError, WRONG_USAGE};
use super::session::Session;
use super::verb::StdinUse;
use crate::report;

/// Runs commands for the shell.
#[async_trait]
pub trait CommandRunner: Send + Sync {
    /// Runs the command, prints its results and errors, and returns the exit code. Ctrl-C cancels the session's `stop`.
    async fn run(&self, session: &Arc<Session>, command: Command) -> u8;
}

/// The runner of the program: each verb does its own work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Runner;

#[async_trait]
impl CommandRunner for Runner {
    async fn run(&self, session: &Arc<Session>, mut command: Command) -> u8 {
        let stdin = match session.output.stdin_is_content {
            true => StdinUse::Free,
            false => StdinUse::Commands,
        };
        let prepared = command.verb_mut().prepare(stdin);
        if let Err(UsageError(wrong)) = prepared.and_then(|()| command.verb().check()) {
            report::error(&wrong);
            return WRONG_USAGE;
        }
        let result = command.verb().run(session).await;
        if session.stop().is_cancelled() {
            session.remote.wait_for_questions().await;
        }
        result.unwrap_or_else(|error| {
            report::error(&error);
            1
        })
    }
}
