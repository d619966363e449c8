//! Only what went wrong.

use std::io::Write;
use std::sync::Arc;

use super::plain::Plain;
use crate::transfer::board::{Meter, Watch};
use crate::transfer::trouble::Trouble;
use crate::transfer::{Job, Outcome};

/// Failures and warnings.
pub(super) struct Quiet<W>(Plain<W>);

impl<W: Write + Send> Quiet<W> {
    /// To this.
    pub fn new(out: W) -> Self {
        Self(Plain::new(out))
    }

    #[cfg(test)]
    pub fn into_inner(self) -> W {
        self.0.into_inner()
    }
}

impl<W: Write + Send> Watch for Quiet<W> {
    fn began(&self, _job: &Job, _meter: &Arc<Meter>) {}

    fn ended(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>) {
        if result.is_err() {
            self.0.ended(job, meter, result);
        }
    }

    fn warn(&self, message: &str) {
        self.0.warn(message);
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.0.pause(ask);
    }
}
