//! Points at the place in the configuration: file, line, column, the line itself and a caret.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use base::error::Error;

/// A source line is shown this far; longer ones are cut around the column, so that a message stays on one screen.
const WIDEST: usize = 100;

/// Something that is wrong with the configuration, at a place in its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Bytes of the text; `None` where no place can be named.
    pub span: Option<Range<usize>>,
    /// A lower-case clause: `unknown setting "lisen" in [server]`.
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

    /// The line where it stands, from 1.
    pub fn line(&self, text: &str) -> Option<usize> {
        self.span.clone().map(|span| Position::find(text, span).line)
    }

    /// The whole message, for a terminal.
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

/// Where a span begins, counted as editors count: lines and characters from 1.
struct Position {
    line: usize,
    column: usize,
    source: String,
    caret: String,
}

impl Position {
    fn find(text: &str, span: Range<usize>) -> Self {
        // A span may end the text (something is missing there), and never begins within a character.
        let start = text.floor_char_boundary(span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let rest = text.get(line_start..).unwrap_or_default();
        let source = rest.lines().next().unwrap_or_default();
        let width = text.get(start..span.end.min(line_start + source.len()));
        let width = width.map_or(1, |marked| marked.chars().count().max(1));

        let first = column.saturating_sub(WIDEST * 3 / 4);
        let shown: Vec<char> = source.chars().skip(first).take(WIDEST).collect();
        let column_shown = column - first;
        let tab_or_space = |c: &char| if *c == '\t' { '\t' } else { ' ' };
        let mut caret: String = shown.iter().take(column_shown).map(tab_or_space).collect();
        caret.push_str(&"^".repeat(width.min(WIDEST - column_shown)));
        // The line goes to a terminal: only what is visible, and tabs, which the caret line repeats.
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

/// One error of all that is wrong with a file.
pub(super) fn all(problems: &[Problem], file: &Path, text: &str) -> Error {
    let messages: Vec<String> = problems
        .iter()
        .map(|problem| problem.message(file, text))
        .collect();
    Error::new(messages.join("\n"))
}

/// The candidate that is most likely meant by a misspelt name.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let best = candidates
        .iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), *candidate))
        .min()?;
    // One slip in three letters: more than that is a guess.
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
