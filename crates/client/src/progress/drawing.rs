//! Rows that are drawn on a terminal, drawn again in place, and erased. It only makes the bytes for that.
//!
//! The cursor stands at the beginning of the line below the rows, so that what others write does not mix with them. A
//! terminal that becomes narrower may have wrapped the rows onto more lines than they took before: how many these are
//! follows from what was drawn and the new width. Rows have no spaces at their ends, which some terminals would wrap
//! and others not.

use crate::output::columns::shown_lines;
use crate::output::{TerminalSize, wrapped};

/// Erases from the cursor to the end of the screen.
const END_OF_SCREEN: &str = "\x1b[J";

/// The rows that stand on the terminal.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    rows: Vec<String>,
}

impl Drawing {
    /// The bytes that draw these rows instead of those that stand there. If the terminal has fewer lines, the last rows
    /// are drawn.
    pub fn replace(&mut self, rows: Vec<String>, size: TerminalSize) -> String {
        let mut text = self.erase(size);
        let room = size.lines.saturating_sub(1).max(1);
        let hidden = rows.len().saturating_sub(room);
        self.rows = rows.into_iter().skip(hidden).collect();
        for row in &mut self.rows {
            row.truncate(row.trim_end().len());
        }
        text.push_str(&lines(self.rows.iter().map(String::as_str)));
        text
    }

    /// The bytes that print a message above the rows.
    pub fn print_above(&mut self, message: &str, size: TerminalSize) -> String {
        let rows = self.rows.clone();
        let mut text = self.erase(size);
        text.push_str(&lines(wrapped(message, size.columns).lines()));
        text.push_str(&self.replace(rows, size));
        text
    }

    /// The bytes that erase the rows.
    pub fn erase(&mut self, size: TerminalSize) -> String {
        let rows = self.rows.drain(..);
        let lines: usize = rows.map(|row| shown_lines(&row, size.columns)).sum();
        match lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r{END_OF_SCREEN}"),
        }
    }
}

/// Lines behind each of which the cursor goes to the beginning of the next one.
fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\r\n"]).collect()
}
