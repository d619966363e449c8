//! Prints text in lines and columns, JSON, errors and warnings.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;

use base::error::{Error, Result};
pub use base::size::counted;
use base::visible::{for_terminal, in_json};

/// Prints to standard output, all at once. A reader that stops reading (`| head`) is not an error.
///
/// # Errors
/// Returns an error if standard output cannot be written.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to standard output").because(e))
        }
        _ => Ok(()),
    }
}

/// Formats a time for people, to the second. JSON has all of it.
pub fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Prints the error that a command ends with to standard error.
pub fn error(error: &Error) {
    let text = error.to_string();
    // An error in the configuration has several lines, and its text may come from anyone.
    let lines: Vec<String> = text.split('\n').map(for_terminal).collect();
    let _ = writeln!(io::stderr(), "homeportd: {}", lines.join("\n"));
}

/// Reports a problem that does not keep a command from its work: in the log of a server, or else on standard error.
pub fn warn(error: &Error) {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{error}");
    } else {
        note(&format!("warning: {error}"));
    }
}

/// Prints a line to standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "homeportd: {}", for_terminal(text));
}

/// Formats a line for each name and value.
pub fn lines(rows: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<14} {value}");
    }
    text
}

/// Formats rows in columns; the last column is not padded.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Formats a value as indented JSON with a newline at its end. It may be shown on a terminal, so text from peers is
/// escaped further than JSON requires.
pub fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new("cannot write JSON").because(e))?;
    // The only newlines are those between values.
    Ok(text.lines().map(|line| in_json(line) + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_no_fractions_of_seconds() {
        for (at, expected) in [
            ("2026-11-30T13:00:01.999999999Z", "2026-11-30T13:00:01Z"),
            ("2026-11-30T13:00:01Z", "2026-11-30T13:00:01Z"),
        ] {
            assert_eq!(time(at.parse().unwrap()), expected);
        }
    }

    #[test]
    fn json_cannot_speak_to_a_terminal() {
        let shown = json(&["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]).unwrap();
        assert_eq!(
            shown,
            "[\n  \"a\\u009b31m\",\n  \"b\\n\\u2028\\u001b\",\n  \"\\u202eé\"\n]\n"
        );
        let back: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, ["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]);
    }
}
