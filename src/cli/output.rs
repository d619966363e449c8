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

/// The version of the objects that are printed as JSON. It changes when a member changes its meaning or goes away; new
/// members do not change it.
const JSON_VERSION: u8 = 1;

/// An object with the version before its own members, of which none is `v`.
#[derive(Serialize)]
struct VersionedJson<'a, T> {
    v: u8,
    #[serde(flatten)]
    object: &'a T,
}

impl<'a, T> VersionedJson<'a, T> {
    fn new(object: &'a T) -> Self {
        Self {
            v: JSON_VERSION,
            object,
        }
    }
}

/// Formats an object with its version as indented JSON with a newline at its end.
///
/// # Errors
/// Returns an error if the value is not an object.
pub fn json(object: &impl Serialize) -> Result<String> {
    indented(&VersionedJson::new(object))
}

/// Formats objects, each with its version, as an indented JSON array with a newline at its end.
///
/// # Errors
/// Returns an error if a value is not an object.
pub fn json_array<T: Serialize>(objects: &[T]) -> Result<String> {
    let objects: Vec<_> = objects.iter().map(VersionedJson::new).collect();
    indented(&objects)
}

/// Formats a value as indented JSON. It may be shown on a terminal, so text from peers is escaped further than JSON
/// requires.
fn indented(value: &impl Serialize) -> Result<String> {
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
    fn each_object_begins_with_the_version() {
        #[derive(Serialize)]
        struct Inner {
            #[serde(skip_serializing_if = "Option::is_none")]
            absent: Option<u8>,
            size: u64,
        }
        #[derive(Serialize)]
        struct Outer {
            name: &'static str,
            #[serde(flatten)]
            inner: Inner,
            nested: Inner,
        }
        let object = Outer {
            name: "a",
            inner: Inner {
                absent: None,
                size: u64::MAX,
            },
            nested: Inner {
                absent: None,
                size: 1,
            },
        };
        let nested = "\"nested\": {\n    \"size\": 1\n  }";
        let expected = format!(
            "{{\n  \"v\": 1,\n  \"name\": \"a\",\n  \"size\": 18446744073709551615,\n  {nested}\n}}\n"
        );
        assert_eq!(json(&object).unwrap(), expected);
        let sizes = [1, 2].map(|size| Inner { absent: None, size });
        assert_eq!(
            json_array(&sizes).unwrap(),
            "[\n  {\n    \"v\": 1,\n    \"size\": 1\n  },\n  {\n    \"v\": 1,\n    \"size\": 2\n  }\n]\n"
        );
        assert_eq!(json_array::<Inner>(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn what_cannot_have_a_version_is_not_printed() {
        assert!(json(&[1]).is_err() && json(&"text").is_err() && json_array(&[1]).is_err());
    }

    #[test]
    fn json_cannot_speak_to_a_terminal() {
        let shown = indented(&["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]).unwrap();
        assert_eq!(
            shown,
            "[\n  \"a\\u009b31m\",\n  \"b\\n\\u2028\\u001b\",\n  \"\\u202eé\"\n]\n"
        );
        let back: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, ["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]);
    }
}
