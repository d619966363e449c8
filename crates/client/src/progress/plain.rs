//! No terminal: the same lines without bars, for logs.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::line;
use crate::transfer::board::{Meter, Watch};
use crate::transfer::trouble::Trouble;
use crate::transfer::{Job, Outcome};

/// Lines, to wherever they go.
pub(super) struct Plain<W>(Mutex<W>);

impl<W: Write + Send> Plain<W> {
    /// To this.
    pub fn new(out: W) -> Self {
        Self(Mutex::new(out))
    }

    pub(super) fn say(&self, text: &str) {
        // Where nobody reads it any more, the transfers go on.
        let _ = writeln!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
    }

    #[cfg(test)]
    pub fn into_inner(self) -> W {
        self.0.into_inner().unwrap()
    }
}

impl<W: Write + Send> Watch for Plain<W> {
    fn began(&self, _job: &Job, _meter: &Arc<Meter>) {}

    fn ended(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>) {
        if let Some(text) = line::ended(job, meter, result, meter.began.elapsed()) {
            self.say(&text);
        }
    }

    fn warn(&self, message: &str) {
        self.say(&line::fit(message));
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }
}
