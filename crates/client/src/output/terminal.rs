//! Terminals that this process writes to: their sizes, and messages that wrap between words at their widths.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;

use super::columns::wrap;

/// How far the lines are indented that follow the first one of a message, in columns.
const INDENT: usize = 2;

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// The width, in columns.
    pub columns: usize,
    /// The height, in lines.
    pub lines: usize,
}

impl TerminalSize {
    /// The size of this terminal. A serial line does not know its size: 80 columns and 24 lines are what terminals have
    /// had since 1978.
    pub fn of(terminal: impl AsFd) -> Self {
        let size = rustix::termios::tcgetwinsize(terminal).ok();
        let known = |number: Option<u16>, usual| match number {
            Some(number @ 1..) => usize::from(number),
            Some(0) | None => usual,
        };
        Self {
            columns: known(size.map(|size| size.ws_col), 80),
            lines: known(size.map(|size| size.ws_row), 24),
        }
    }
}

/// A message as it is written to standard error: wrapped if that is a terminal, unchanged to a pipe or a file.
pub fn for_stderr(message: &str) -> Cow<'_, str> {
    let stderr = io::stderr();
    match stderr.is_terminal() {
        true => Cow::Owned(wrapped(message, TerminalSize::of(&stderr).columns)),
        false => Cow::Borrowed(message),
    }
}

/// A message in lines of at most this many columns. The spaces at its end stay, behind which an answer is typed.
pub fn wrapped(message: &str, columns: usize) -> String {
    let (text, end) = message.split_at(message.trim_end_matches([' ', '\n']).len());
    wrap(text, columns, INDENT) + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wrap_between_words_and_keep_their_ends() {
        for (message, columns, expected) in [
            (
                "homeport: cannot open it (hint: try again)",
                20,
                "homeport: cannot\n  open it (hint: try\n  again)",
            ),
            ("[s]kip, [q]uit; all? ", 80, "[s]kip, [q]uit; all? "),
            ("[s]kip, [q]uit; all? ", 10, "[s]kip,\n  [q]uit;\n  all? "),
            ("one\n\n  new  1 B\n", 80, "one\n\n  new  1 B\n"),
            ("\\u{1b}[2J", 4, "\\u{1\n b}[\n 2J"),
            ("ab", 1, "a\nb"),
            ("世界", 1, "世\n界"),
            ("", 1, ""),
            ("  ", 1, "  "),
        ] {
            assert_eq!(wrapped(message, columns), expected, "{columns}: {message:?}");
        }
    }

    #[test]
    fn a_file_has_the_usual_size() {
        let size = TerminalSize::of(tempfile::tempfile().unwrap());
        assert_eq!(
            size,
            TerminalSize {
                columns: 80,
                lines: 24
            }
        );
    }
}
