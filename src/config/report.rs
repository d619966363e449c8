//! Formats problems with their position in the configuration: file, line, column, the line itself and a caret.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use base::error::Error;

/// The most characters of a source line that are shown; longer lines are cut around the column, so that a message fits
/// on one screen.
const MAX_SHOWN: usize = 100;

/// Something that is wrong with the configuration, at a position in its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The range in the text, in bytes; `None` if there is no position.
    pub span: Option<Range<usize>>,
    /// What is wrong, as a lower-case clause: `unknown setting "lisen" in [server]`.
    pub what: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(span: Option<Range<usize>>, what: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            span,
            what: what.into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// Returns the number of its line, counted from 1.
    pub fn line(&self, text: &str) -> Option<usize> {
        self.span.clone().map(|span| Position::find(text, span).line)
    }

    /// Returns the whole message, for a terminal.
    pub fn message(&self, file: &Path, text: &str) -> String {
        let mut message = file.display().to_string();
        let position = self.span.clone().map(|span| Position::find(text, span));
        if let Some(position) = &position {
            let _ = write!(message, ":{}:{}", position.line, position.column);
        }
        let _ = write!(message, ": {}", self.what);
        if let Some(hint) = &self.hint {
            let _ = write!(message, " (hint: {hint})");
        }
        if let Some(position) = &position {
            let number = position.line.to_string();
            let gutter = " ".repeat(number.len());
            let _ = write!(
                message,
                "\n {number} | {}\n {gutter} | {}",
                position.source, position.caret
            );
        }
        message
    }
}

/// The beginning of a span, counted as editors do: lines and characters from 1.
struct Position {
    line: usize,
    column: usize,
    source: String,
    caret: String,
}

impl Position {
    fn find(text: &str, span: Range<usize>) -> Self {
        // A span may be at the end of the text (if something is missing there), and never begins inside a character.
        let start = text.floor_char_boundary(span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let rest = text.get(line_start..).unwrap_or_default();
        let source = rest.lines().next().unwrap_or_default();
        let width = text.get(start..span.end.min(line_start + source.len()));
        let width = width.map_or(1, |marked| marked.chars().count().max(1));

        let first = column.saturating_sub(MAX_SHOWN * 3 / 4);
        let shown: Vec<char> = source.chars().skip(first).take(MAX_SHOWN).collect();
        let column_shown = column - first;
        let tab_or_space = |c: &char| if *c == '\t' { '\t' } else { ' ' };
        let mut caret: String = shown.iter().take(column_shown).map(tab_or_space).collect();
        caret.push_str(&"^".repeat(width.min(MAX_SHOWN - column_shown)));
        // The line is shown on a terminal, so it has only visible characters, and tabs, which the caret line repeats.
        let visible = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            source: shown.into_iter().map(visible).collect(),
            caret,
        }
    }
}

/// Returns one error for everything that is wrong with a file.
pub(super) fn all(problems: &[Problem], file: &Path, text: &str) -> Error {
    let messages: Vec<String> = problems
        .iter()
        .map(|problem| problem.message(file, text))
        .collect();
    Error::new(messages.join("\n"))
}

/// Returns the candidate that a misspelt name is most likely to mean.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let best = candidates
        .iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), *candidate))
        .min()?;
    // Allow one mistake in three letters: more than that would be a guess.
    (best.0 <= best.1.len().div_ceil(3)).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let check = |text: &str, span: Range<usize>, expected: &str| {
            let problem = Problem::new(Some(span), "bad", None);
            assert_eq!(problem.message(Path::new("f"), text), expected);
        };
        check("abc\ndef", 4..7, "f:2:1: bad\n 2 | def\n   | ^^^");
        check("é = x\n", 5..6, "f:1:5: bad\n 1 | é = x\n   |     ^");
        check("\tx", 1..2, "f:1:2: bad\n 1 | \tx\n   | \t^");
        check("ab", 2..2, "f:1:3: bad\n 1 | ab\n   |   ^");
        check("", 0..0, "f:1:1: bad\n 1 | \n   | ^");
        check("a\nb\n", 0..4, "f:1:1: bad\n 1 | a\n   | ^");
    }

    #[test]
    fn a_long_line_stays_on_one_screen() {
        let text = format!("x = \"{}\"", "y".repeat(100_000));
        for at in [0, 50_000, text.len()] {
            let message = Problem::new(Some(at..text.len()), "bad", None).message(Path::new("f"), &text);
            assert!(message.len() < 300);
        }
    }

    #[test]
    fn guesses_what_was_meant() {
        let known = ["listen", "banner", "host_keys", "user"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("hostkeys", &known), Some("host_keys"));
        assert_eq!(nearest("colour", &known), None);
    }
}
