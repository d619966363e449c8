//! Progress with `--quiet`: only failures, and what is left out although nobody has decided that.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::plain::PlainLines;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver};
use crate::transfer::{Job, Outcome};

/// Prints failures and what is left out, and nothing else.
pub(super) struct ErrorsOnly<W>(PlainLines<W>);

impl ErrorsOnly<io::Stderr> {
    /// Makes an observer that prints to standard error, wrapped if that is a terminal.
    pub fn of_stderr() -> Self {
        Self(PlainLines::of_stderr())
    }
}

#[cfg(test)]
impl<W: Write + Send> ErrorsOnly<W> {
    /// Makes an observer that prints to `out`.
    pub fn new(out: W) -> Self {
        Self(PlainLines::new(out))
    }

    pub fn into_inner(self) -> W {
        self.0.into_inner()
    }
}

impl<W: Write + Send> ProgressObserver for ErrorsOnly<W> {
    fn began(&self, _job: &Job, _meter: &Arc<FileProgress>) {}

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        if result.is_err() {
            self.0.ended(job, progress, result);
        }
    }

    fn fail(&self, name: &[u8], why: &str) {
        self.0.fail(name, why);
    }

    fn undone(&self, message: &str) {
        self.0.undone(message);
    }

    fn left_out(&self, message: &str) {
        self.0.left_out(message);
    }

    fn warn(&self, _message: &str) {}

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.0.pause(ask);
    }

    fn reconnecting(&self, _at: Option<Instant>) {}
}
