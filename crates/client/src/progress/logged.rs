//! Writes what happens to transfers into the file of `--log`, beside what another observer shows.

use std::sync::Arc;
use std::time::Instant;

use super::line;
use crate::event_log::EventLog;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver};
use crate::transfer::{Direction, Job, Outcome};
use base::visible::printable;

/// Passes everything on to `shown`, and logs it.
pub(super) struct Logged {
    pub shown: Box<dyn ProgressObserver>,
    pub log: &'static EventLog,
}

impl ProgressObserver for Logged {
    fn began(&self, job: &Job, progress: &Arc<FileProgress>) {
        self.shown.began(job, progress);
    }

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        let event = match result {
            Ok(Outcome::Sent { .. }) => match job.direction {
                Direction::Up => "sent",
                Direction::Down => "received",
            },
            Ok(Outcome::Same(_)) => "same",
            Ok(Outcome::Skipped) => "skipped",
            Err(_) => "failed",
        };
        let (local, remote) = (
            printable(job.local.as_os_str().as_encoded_bytes()),
            printable(&job.remote),
        );
        let text = line::result(job, progress, result, progress.sending_time());
        let names = match job.direction {
            Direction::Up => format!("\"{local}\" as \"{remote}\""),
            Direction::Down => format!("\"{remote}\" as \"{local}\""),
        };
        self.log.record(event, &format!("{names}: {text}"));
        self.shown.ended(job, progress, result);
    }

    fn fail(&self, name: &[u8], why: &str) {
        self.log.record("failed", &format!("{}: {why}", printable(name)));
        self.shown.fail(name, why);
    }

    fn undone(&self, message: &str) {
        self.log.record("failed", message);
        self.shown.undone(message);
    }

    fn left_out(&self, message: &str) {
        self.log.record("warning", message);
        self.shown.left_out(message);
    }

    fn warn(&self, message: &str) {
        self.log.record("warning", message);
        self.shown.warn(message);
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.shown.pause(ask);
    }

    fn reconnecting(&self, at: Option<Instant>) {
        self.shown.reconnecting(at);
    }
}
