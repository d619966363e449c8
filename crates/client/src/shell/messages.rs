//! What the shell prints besides the results of commands.

use std::io::{self, Write as _};

use crate::report;
use base::visible::printable;

/// A message about a line, with its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShellMessage {
    pub(super) text: String,
    pub(super) code: u8,
}

impl ShellMessage {
    /// Returns the message that a line is invalid.
    pub(super) fn wrong(text: String) -> Self {
        Self { text, code: 2 }
    }

    /// Prints the message to standard output or standard error, and returns the code.
    pub(super) fn print(&self) -> u8 {
        match self.code {
            0 => say(&self.text),
            _ => complain(&self.text),
        }
        self.code
    }
}

/// Prints a result on lines of its own.
pub(super) fn say(text: &str) {
    // If standard output is closed, the text is lost.
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// Prints what went wrong, on standard error.
pub(super) fn complain(sentence: &str) {
    report::error(&sentence);
}

/// A name in quotation marks, for a sentence.
pub(super) fn quoted_name(name: &[u8]) -> String {
    format!("\"{}\"", printable(name))
}

/// The reason of an error in lower case, without the system's number.
pub(super) fn reason(error: &io::Error) -> String {
    base::error::Clause(error).to_string().to_lowercase()
}
