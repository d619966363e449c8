//! How results are written to standard output: as raw bytes to a pipe or a file, escaped and coloured in a terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

use super::terminal::TerminalSize;
use base::visible::printable;

/// The widest help, in columns: longer lines are hard to read.
const WIDEST_HELP: usize = 100;
/// Bold and blue, as `ls` shows directories; and the end of it.
const DIRECTORY: &str = "\x1b[1;34m";
const END: &str = "\x1b[0m";

/// What standard output is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// A pipe or a file: names are the bytes that they are.
    Raw,
    /// A terminal: what would control it is escaped.
    Terminal {
        /// The width of the terminal, in columns.
        columns: usize,
        /// Whether it shows colours, and the user wants them.
        colour: bool,
    },
}

impl Stdout {
    /// The standard output of this process.
    pub fn of_this_process() -> Self {
        let out = io::stdout();
        if !out.is_terminal() {
            return Self::Raw;
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::Terminal {
            columns: TerminalSize::of(&out).columns,
            // https://no-color.org: any value that is not empty.
            colour: set("NO_COLOR").is_none() && set("TERM").is_some_and(|name| name != "dumb"),
        }
    }

    /// A name as it is written.
    pub fn name<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Raw => Cow::Borrowed(name),
            Self::Terminal { .. } => Cow::Owned(printable(name).into_bytes()),
        }
    }

    /// The name of a directory as it is written: in a terminal with a slash behind it, and in colour.
    pub fn directory<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let mut shown = self.directory_name(name);
        if *self != Self::Raw && !name.ends_with(b"/") {
            shown.to_mut().push(b'/');
        }
        shown
    }

    /// The same without the slash, where something else says that it is a directory.
    pub fn directory_name<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Terminal { colour: true, .. } => {
                Cow::Owned(format!("{DIRECTORY}{}{END}", printable(name)).into_bytes())
            }
            Self::Terminal { colour: false, .. } | Self::Raw => self.name(name),
        }
    }

    /// The columns for columns of names. `None`: one name stands in a line.
    pub fn columns(&self) -> Option<usize> {
        match self {
            Self::Raw => None,
            Self::Terminal { columns, .. } => Some(*columns),
        }
    }

    /// The width for help texts, in columns.
    pub fn help_columns(&self) -> usize {
        self.columns()
            .map_or(WIDEST_HELP, |columns| columns.min(WIDEST_HELP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_raw_in_a_pipe_and_escaped_in_a_terminal() {
        let name = b"a\xff\x1b[2J\n";
        assert_eq!(Stdout::Raw.name(name), &name[..]);
        assert_eq!(Stdout::Raw.directory(name), &name[..]);
        let terminal = |colour| Stdout::Terminal { columns: 80, colour };
        assert_eq!(terminal(true).name(name), &b"a\\xff\\u{1b}[2J\\n"[..]);
        assert_eq!(terminal(false).directory(b"d\n"), &b"d\\n/"[..]);
        assert_eq!(terminal(true).directory(b"d"), &b"\x1b[1;34md\x1b[0m/"[..]);
        assert_eq!(terminal(true).directory_name(b"d"), &b"\x1b[1;34md\x1b[0m"[..]);
        assert_eq!(terminal(false).directory(b"d/"), &b"d/"[..]);
    }
}
