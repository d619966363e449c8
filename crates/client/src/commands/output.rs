//! What is shown, and how: for a person, for a script (`--json`, one object for each event or line), or nothing.

use std::io::{self, Write as _};

use crate::remote::failed::Failed;
use base::error::{Error, Result};
use base::visible::hex;

/// What a shell says of a program that SIGPIPE has ended.
const BROKEN_PIPE: i32 = 128 + 13;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Words, and bars where there is a terminal.
    #[default]
    Words,
    /// One JSON object a line.
    Json,
    /// Only errors.
    Quiet,
}

/// Where it goes: results to standard output, everything else to standard error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// How.
    pub style: Style,
}

/// Writes results to standard output.
///
/// # Errors
/// When nobody reads it any more, or the disk behind it is full.
pub fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // As those do that the signal ends: `| head` has had enough.
            std::process::exit(BROKEN_PIPE);
        }
        Error::new("cannot write to standard output").because(error)
    })
}

/// The same for text.
///
/// # Errors
/// As [`print_bytes`].
pub fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// One object, in a line.
///
/// # Errors
/// As [`print_bytes`].
pub fn print_json(object: &serde_json::Value) -> Result<()> {
    print(&format!("{object}\n"))
}

/// An object about a path. JSON has no bytes: one that is no UTF-8 is shown as well as it goes, and told in hexadecimal
/// digits beside it.
pub fn about(path: &[u8], mut object: serde_json::Value) -> serde_json::Value {
    if let Some(object) = object.as_object_mut() {
        object.insert("path".to_owned(), String::from_utf8_lossy(path).into());
        if std::str::from_utf8(path).is_err() {
            object.insert("path_hex".to_owned(), hex(path).into());
        }
    }
    object
}

/// For `map_err`: the server refuses something.
pub fn refused(what: &'static str) -> impl Fn(Failed) -> Error {
    move |failed| match failed {
        Failed::Lost(lost) => Error::new(lost.to_string()),
        failed => Error::new(format!("cannot {what}")).because(failed),
    }
}
