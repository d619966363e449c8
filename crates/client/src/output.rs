//! How results and messages are shown: as text for the user, for a script (`--json`, one object for each event or
//! line), or only errors. Other modules say what is shown.

mod batch;
pub mod columns;
mod stdout;
mod terminal;
mod usage;

use std::io::{self, Write as _};

pub use batch::OutputBatch;
pub use stdout::Stdout;
pub use terminal::{TerminalSize, for_stderr, wrapped};
pub use usage::wrap_usage;

use serde::Serialize;
use serde_json::Value;

use crate::ending;
use crate::names::tidy;
use base::error::{Error, Result};
use base::visible::hex;

/// The exit code that a shell reports for a program that SIGPIPE has ended.
const BROKEN_PIPE: i32 = 128 + 13;

/// How results and progress are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As words, with progress bars where there is a terminal.
    #[default]
    Words,
    /// As JSON, one object a line.
    Json,
    /// Only errors and results are shown: no progress, no summaries, no warnings and no messages.
    Quiet,
}

/// Where output goes: results to standard output, everything else to standard error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// How results and progress are shown.
    pub style: Style,
    /// Whether standard input may be the content of a file. In the shell it is not: commands come from there.
    pub stdin_is_content: bool,
}

/// Writes results to standard output. If the reader has closed the pipe, as in `| head`, the program ends.
///
/// # Errors
/// When the disk behind standard output is full, for example.
pub fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            end_by_broken_pipe();
        }
        Error::new("cannot write to standard output").because(error)
    })
}

/// Ends the program as SIGPIPE ends others: `| head` has read enough.
pub fn end_by_broken_pipe() -> ! {
    ending::exit(BROKEN_PIPE)
}

/// Writes text to standard output.
///
/// # Errors
/// Those of [`print_bytes`].
pub fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes one JSON object to standard output, in a line.
///
/// # Errors
/// Those of [`print_bytes`].
pub fn print_json(object: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", json_line(object)))
}

/// The version of the JSON objects, in their member `v`. It changes when a member changes its meaning or goes away; new
/// members do not change it.
const JSON_VERSION: u8 = 1;

/// An object with the version before its own members, of which none is `v`.
#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u8,
    #[serde(flatten)]
    object: &'a T,
}

/// A JSON object with its version as its first member, in one line without its end. Every object that the client prints
/// is made here.
pub fn json_line(object: &impl Serialize) -> String {
    let v = JSON_VERSION;
    // It does not fail: what is printed is an object, its keys are strings, and no number is infinite.
    serde_json::to_string(&Versioned { v, object }).unwrap_or_default()
}

/// A path as JSON has it, in the form of [`tidy`]. JSON has no bytes: a path that is not UTF-8 is shown as well as it can
/// be, with its bytes beside it.
pub struct JsonPath {
    /// The path as text.
    pub text: String,
    /// All its bytes in hexadecimal digits, if the text has not all of them.
    pub hex: Option<String>,
}

impl JsonPath {
    /// The path of these bytes.
    pub fn of(path: &[u8]) -> Self {
        let path = tidy(path);
        Self {
            text: String::from_utf8_lossy(&path).into_owned(),
            hex: std::str::from_utf8(&path).is_err().then(|| hex(&path)),
        }
    }
}

/// Adds the path to a JSON object.
pub fn about(path: &[u8], mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        let path = JsonPath::of(path);
        object.insert("path".to_owned(), path.text.into());
        if let Some(hex) = path.hex {
            object.insert("path_hex".to_owned(), hex.into());
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_object_begins_with_the_version() {
        for (object, expected) in [
            (json!({}), r#"{"v":1}"#),
            (
                json!({ "bytes": u64::MAX, "a": null }),
                r#"{"v":1,"a":null,"bytes":18446744073709551615}"#,
            ),
            (
                about(b"/x", json!({ "z": 1.5 })),
                r#"{"v":1,"path":"/x","z":1.5}"#,
            ),
            (
                about(b"/\xff", json!({ "name": "a" })),
                "{\"v\":1,\"name\":\"a\",\"path\":\"/\u{fffd}\",\"path_hex\":\"2fff\"}",
            ),
        ] {
            assert_eq!(json_line(&object), expected);
        }
    }
}
