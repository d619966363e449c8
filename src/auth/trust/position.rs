//! Positions in a text, counted as editors do, and what is wrong there.

use std::path::Path;

use base::error::Error;

/// The place of something in a text: the number of its line and of its first character, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextPosition {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl TextPosition {
    /// Returns the lines that are neither empty nor comments, without the blanks around them, and where they begin. A
    /// line that is not UTF-8 is a fault.
    pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Result<(TextPosition, &str), ListFault>> {
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        lines.filter_map(|(line, bytes)| {
            let at = |column| TextPosition { line, column };
            let text = match std::str::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => {
                    let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    let column = String::from_utf8_lossy(valid).chars().count() + 1;
                    return Some(Err(ListFault::at(at(column), "the text is not UTF-8")));
                }
            };
            // An editor on Windows may have put a mark at the beginning.
            let text = if line == 1 {
                text.trim_start_matches('\u{feff}')
            } else {
                text
            };
            let trimmed = text.trim_start_matches([' ', '\t']);
            let position = at(text.len() - trimmed.len() + 1);
            let trimmed = trimmed.trim_end_matches([' ', '\t', '\r']);
            let is_content = !trimmed.is_empty() && !trimmed.starts_with('#');
            is_content.then_some(Ok((position, trimmed)))
        })
    }

    /// Returns the position of `part`, which is a part of the text that begins here.
    pub(super) fn of_part(self, text: &str, part: &str) -> Self {
        let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let before = text.get(..offset).unwrap_or_default();
        Self {
            column: self.column + before.chars().count(),
            ..self
        }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ListFault {
    position: Option<TextPosition>,
    what: String,
}

impl ListFault {
    /// Creates a fault at a position in a text.
    pub(super) fn at(position: TextPosition, what: impl Into<String>) -> Self {
        Self {
            position: Some(position),
            what: what.into(),
        }
    }

    /// Creates a fault of a file that is not a text.
    pub(super) fn of_binary(what: impl Into<String>) -> Self {
        Self {
            position: None,
            what: what.into(),
        }
    }

    /// Returns the error for the operator: `FILE:LINE:COLUMN: what`.
    pub(super) fn of_file(self, file: &Path) -> Error {
        let file = file.display();
        match self.position {
            Some(TextPosition { line, column }) => {
                Error::new(format!("{file}:{line}:{column}: {}", self.what))
            }
            None => Error::new(format!("{file}: {}", self.what)),
        }
    }
}
