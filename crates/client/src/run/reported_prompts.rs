//! Prompts whose messages go the way of all messages: as words, as objects, into the log, or nowhere with `--quiet`.

use std::io;
use std::sync::Arc;

use crate::connect::Prompts;
use crate::report;
use base::secret::Secret;

/// Asks through `inner`, and reports messages.
pub(super) struct ReportedPrompts(pub Arc<dyn Prompts>);

impl Prompts for ReportedPrompts {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        self.0.secret(label)
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.0.line(label)
    }

    fn show(&self, message: &str) {
        report::message(message);
    }

    fn explain(&self, message: &str) {
        self.0.explain(message);
    }

    fn are_answered(&self) -> bool {
        self.0.are_answered()
    }
}
