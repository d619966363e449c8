//! Progress where there is no terminal: the same lines without bars, for logs.

use parking_lot::Mutex;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::line;
use crate::output::for_stderr;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver};
use crate::transfer::{Job, Outcome};

/// Prints lines to any output.
pub(super) struct PlainLines<W> {
    out: Mutex<W>,
    /// Makes a message fit for the output.
    shown: fn(&str) -> Cow<'_, str>,
}

impl PlainLines<io::Stderr> {
    /// Makes an observer that prints to standard error, wrapped if that is a terminal.
    pub fn of_stderr() -> Self {
        Self {
            shown: for_stderr,
            ..Self::new(io::stderr())
        }
    }
}

impl<W: Write + Send> PlainLines<W> {
    /// Makes an observer that prints to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out: Mutex::new(out),
            shown: |text| Cow::Borrowed(text),
        }
    }

    pub(super) fn say(&self, text: &str) {
        // A closed output does not stop the transfers.
        let _ = writeln!(self.out.lock(), "{}", (self.shown)(text));
    }

    #[cfg(test)]
    pub fn into_inner(self) -> W {
        self.out.into_inner()
    }
}

impl<W: Write + Send> ProgressObserver for PlainLines<W> {
    fn began(&self, _job: &Job, _meter: &Arc<FileProgress>) {}

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        if let Some(text) = line::ended(job, progress, result, progress.sending_time()) {
            self.say(&text);
        }
    }

    fn fail(&self, name: &[u8], why: &str) {
        self.say(&line::failed(name, why));
    }

    fn undone(&self, message: &str) {
        self.warn(message);
    }

    fn left_out(&self, message: &str) {
        self.warn(message);
    }

    fn warn(&self, message: &str) {
        self.say(&line::fit(message));
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }

    fn reconnecting(&self, _at: Option<Instant>) {}
}
