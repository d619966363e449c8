//! The report of `check`, and of the checks at a start.

use base::error::{Error, Result};
use base::visible::for_terminal;

/// The findings, in the order in which they were made. Each is one line without control characters.
#[derive(Debug, Default)]
pub struct Report {
    /// Problems that keep the server from starting, or a user from working.
    pub errors: Vec<String>,
    /// Problems with which the server still starts, but which must be corrected.
    pub faults: Vec<String>,
    /// Settings that work, but probably are a mistake.
    pub warnings: Vec<String>,
    /// What the server would create or change when it starts: `make the host key "…"`.
    pub plans: Vec<String>,
}

impl Report {
    /// Adds a problem that keeps the server or a user from working.
    pub fn error(&mut self, error: impl ToString) {
        let error = line(error);
        // Two checks may find the same problem: one of the store's files, and one of their contents.
        if !self.faults.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Adds a problem that must be corrected, although the server starts with it.
    pub fn fault(&mut self, fault: impl ToString) {
        self.faults.push(line(fault));
    }

    /// Adds a finding that works, but probably is a mistake.
    pub fn warn(&mut self, warning: impl ToString) {
        self.warnings.push(line(warning));
    }

    /// Adds what the server will do at its start; `plan` begins with a verb.
    pub fn plan(&mut self, plan: impl ToString) {
        self.plans.push(line(plan));
    }

    /// Returns whether a problem keeps the server or a user from working.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty() || !self.faults.is_empty()
    }

    /// Logs the warnings at a start, and fails if there are errors.
    ///
    /// # Errors
    /// Returns all errors as one.
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

/// Returns the text as one line. Users can choose names, so a name must not begin a line of its own.
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
