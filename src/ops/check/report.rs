//! The report of `check`, and of the checks at a start.

use std::collections::HashMap;
use std::panic::Location;

use base::error::{Error, Result};
use base::visible::for_terminal;

/// How many findings of one kind are shown, unless all are asked for. A disk that is not mounted has those of all its users.
const EXAMPLES: usize = 5;

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
    /// The kind of each finding: which line of the program has found it. So no check can forget to name one.
    kinds: HashMap<String, Kind>,
}

type Kind = &'static Location<'static>;

impl Report {
    /// Adds a problem that keeps the server or a user from working.
    #[track_caller]
    pub fn error(&mut self, error: impl ToString) {
        let error = self.line(error, Location::caller());
        // Two checks may find the same problem: one of the store's files, and one of their contents.
        if !self.faults.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Adds a problem that must be corrected, although the server starts with it.
    #[track_caller]
    pub fn fault(&mut self, fault: impl ToString) {
        let fault = self.line(fault, Location::caller());
        self.faults.push(fault);
    }

    /// Adds a finding that works, but probably is a mistake.
    #[track_caller]
    pub fn warn(&mut self, warning: impl ToString) {
        let warning = self.line(warning, Location::caller());
        self.warnings.push(warning);
    }

    /// Adds what the server will do at its start; `plan` begins with a verb.
    #[track_caller]
    pub fn plan(&mut self, plan: impl ToString) {
        let plan = self.line(plan, Location::caller());
        self.plans.push(plan);
    }

    /// Returns a finding as one line, and remembers its kind. Users can choose names, so a name must not begin a line of its
    /// own.
    fn line(&mut self, text: impl ToString, kind: Kind) -> String {
        let line = for_terminal(&text.to_string());
        self.kinds.entry(line.clone()).or_insert(kind);
        line
    }

    /// Returns whether a problem keeps the server or a user from working.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty() || !self.faults.is_empty()
    }

    /// Returns lines with the first findings of each kind, and with how many more there are.
    pub fn examples(&self, findings: &[String]) -> Vec<String> {
        let kind = |finding: &String| self.kinds.get(finding).copied();
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        for kind in findings.iter().filter_map(kind) {
            *counts.entry(kind).or_default() += 1;
        }
        let mut lines = Vec::new();
        let mut shown: HashMap<Kind, usize> = HashMap::new();
        for finding in findings {
            let Some(kind) = kind(finding) else {
                lines.push(finding.clone());
                continue;
            };
            let shown = shown.entry(kind).or_default();
            *shown += 1;
            if *shown <= EXAMPLES {
                lines.push(finding.clone());
            }
            let more = counts
                .get(&kind)
                .map_or(0, |count| count.saturating_sub(EXAMPLES));
            if *shown == EXAMPLES && more > 0 {
                lines.push(format!(
                    "and {more} more like this (hint: homeportd check --all shows them)"
                ));
            }
        }
        lines
    }

    /// Logs the warnings at a start, and fails if there are errors.
    ///
    /// # Errors
    /// Returns the errors as one.
    pub fn proceed(&mut self) -> Result<()> {
        for fault in self.examples(&self.faults) {
            tracing::error!("{fault}");
        }
        for warning in self.examples(&self.warnings) {
            tracing::warn!("{warning}");
        }
        self.faults.clear();
        self.warnings.clear();
        match self.examples(&self.errors).as_slice() {
            [] => Ok(()),
            [one] => Err(Error::new(one.clone())),
            several => Err(Error::new(format!(
                "the server cannot start:\n  {}",
                several.join("\n  ")
            ))),
        }
    }
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
    fn of_many_findings_of_one_kind_some_are_shown() {
        let mut report = Report::default();
        for number in 0..10_000 {
            report.warn(format!("home {number}"));
            if number < EXAMPLES {
                report.warn(format!("key {number}"));
            }
        }
        report.warn("another");
        assert_eq!(report.warnings.len(), 10_000 + EXAMPLES + 1);
        let lines = report.examples(&report.warnings);
        let homes = lines.iter().filter(|line| line.starts_with("home")).count();
        let keys = lines.iter().filter(|line| line.starts_with("key")).count();
        assert_eq!(
            (homes, keys, lines.len()),
            (EXAMPLES, EXAMPLES, 2 * EXAMPLES + 2),
            "{lines:?}"
        );
        let more = format!(
            "and {} more like this (hint: homeportd check --all shows them)",
            10_000 - EXAMPLES
        );
        let last = format!("home {}", EXAMPLES - 1);
        let at = lines.iter().position(|line| *line == more).unwrap();
        assert_eq!(lines[at - 1], last);
        assert_eq!(lines.last().unwrap(), "another");
        for number in 0..100 {
            report.error(format!("error {number}"));
        }
        let said = report.proceed().unwrap_err().to_string();
        assert_eq!(said.lines().count(), EXAMPLES + 2, "{said}");
    }

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        let mut report = Report::default();
        report.error("\"x\nerror: all is lost\u{1b}[2J\"");
        assert_eq!(report.errors[0].lines().count(), 1, "{report:?}");
        assert!(!report.errors[0].contains('\u{1b}'));
    }
}
