//! The context of the shell's own verbs: the session, and a way to wait for the server.

use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Handle;

use super::messages::say;
use crate::commands::Session;
use crate::interrupt::guard;
use crate::output::{Stdout, Style, about, json_line, print_bytes};

/// The state that lines of the shell share.
pub(super) struct ShellContext {
    pub(super) session: Arc<Session>,
    pub(super) runtime: Handle,
    /// The directory to which `cd -` changes.
    pub(super) previous: Option<Vec<u8>>,
}

impl ShellContext {
    /// Prints a directory as a result.
    pub(super) fn say_directory(&self, path: &[u8]) {
        match self.session.output.style {
            Style::Json => say(&json_line(&about(path, json!({})))),
            Style::Words | Style::Quiet => {
                // If standard output is closed, the shell ends at its next command.
                let _ = print_bytes(&[&*Stdout::of_this_process().name(path), b"\n"].concat());
            }
        }
    }

    /// Waits for the server, unless Ctrl-C stops it.
    pub(super) fn stoppable<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let stop = self.session.begin();
        let stopped = stop.clone();
        let either = async move {
            tokio::select! {
                done = work => done,
                () = stopped.cancelled() => Err("stopped".to_owned()),
            }
        };
        self.runtime.block_on(guard(stop, either))
    }
}
