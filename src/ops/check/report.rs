//! What `check` and the beginning of a start have found.

use base::error::{Error, Result};
use base::visible::for_terminal;

/// The findings, in the order in which they were made. Each is one line without control characters.
#[derive(Debug, Default)]
pub struct Report {
    /// What keeps the server from starting, or a user from working.
    pub errors: Vec<String>,
    /// What the server starts with all the same, and must not stay.
    pub faults: Vec<String>,
    /// What works, and is probably not meant.
    pub warnings: Vec<String>,
    /// What the server would make or change when it starts: `make the host key "…"`.
    pub plans: Vec<String>,
}

impl Report {
    /// Notes something that keeps the server or a user from working.
    pub fn error(&mut self, error: impl ToString) {
        let error = line(error);
        // Two looks may find the same: at the store's files, and at what is in them.
        if !self.faults.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Notes something that must not stay, although the server starts with it.
    pub fn fault(&mut self, fault: impl ToString) {
        self.faults.push(line(fault));
    }

    /// Notes something that works, and is probably not meant.
    pub fn warn(&mut self, warning: impl ToString) {
        self.warnings.push(line(warning));
    }

    /// Notes what the server will do at its start; `plan` begins with a verb.
    pub fn will(&mut self, plan: impl ToString) {
        self.plans.push(line(plan));
    }

    /// Whether anything keeps the server or a user from working.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty() || !self.faults.is_empty()
    }

    /// At a start: logs the warnings, and ends it if there are errors, of which none is left out.
    ///
    /// # Errors
    /// All errors in one.
    pub fn proceed(&mut self) -> Result<()> {
        for fault in self.faults.drain(..) {
            tracing::error!("{fault}");
        }
        for warning in self.warnings.drain(..) {
            tracing::warn!("{warning}");
        }
        match self.errors.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::new(one.clone())),
            several => Err(Error::new(format!(
                "the server cannot start:\n  {}",
                several.join("\n  ")
            ))),
        }
    }
}

/// Names in a message may be anybody's: none of them begins a line of its own.
fn line(text: impl ToString) -> String {
    for_terminal(&text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_names_every_error() {
        let mut report = Report::default();
        report.warn("w");
        report.proceed().unwrap();
        assert!(report.warnings.is_empty());
        report.error("a");
        assert_eq!(report.proceed().unwrap_err().to_string(), "a");
        report.error("b");
        assert_eq!(
            report.proceed().unwrap_err().to_string(),
            "the server cannot start:\n  a\n  b"
        );
    }

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        let mut report = Report::default();
        report.error("\"x\nerror: all is lost\u{1b}[2J\"");
        assert_eq!(report.errors[0].lines().count(), 1, "{report:?}");
        assert!(!report.errors[0].contains('\u{1b}'));
    }
}
