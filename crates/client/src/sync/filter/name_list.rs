//! The names of `--files-from`, one on each line.

use super::rules::FilterFileError;
use crate::names::is_single_name;
use crate::sync::entry::{is_below, order};

/// Names below the top of a tree. A directory stands for all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameList {
    /// The names, sorted by [`order`].
    names: Vec<Vec<u8>>,
}

impl NameList {
    /// Reads the lines of a file. Names are relative to the top of the tree, also those that begin with a slash. Lines
    /// end with NUL if there is any in the file.
    ///
    /// # Errors
    /// When a name leads out of the tree.
    pub fn parse(text: &[u8]) -> Result<Self, FilterFileError> {
        let end = if text.contains(&0) { 0 } else { b'\n' };
        let mut names = Vec::new();
        for (line, number) in text.split(|byte| *byte == end).zip(1..) {
            let line = match end {
                0 => line,
                _ => line.strip_suffix(b"\r").unwrap_or(line),
            };
            let (mut parts, mut column) = (Vec::new(), 1);
            for part in line.split(|byte| *byte == b'/') {
                match part {
                    b"" | b"." => {}
                    part if is_single_name(part) => parts.push(part),
                    _ => {
                        return Err(FilterFileError {
                            line: number,
                            column,
                            what: "\"..\" would leave the directory",
                        });
                    }
                }
                column += part.len() + 1;
            }
            if !parts.is_empty() {
                names.push(parts.join(&b'/'));
            }
        }
        names.sort_by(|left, right| order(left, right));
        names.dedup();
        Ok(Self { names })
    }

    /// Whether the path is one of the names, or lies below one.
    pub(super) fn selects(&self, path: &[u8]) -> bool {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut ends = slashes.map(|(at, _)| at).chain([path.len()]);
        ends.any(|end| self.contains(path.get(..end).unwrap_or_default()))
    }

    /// Whether one of the names lies below the path.
    pub(super) fn leads_through(&self, path: &[u8]) -> bool {
        let next = self.names.partition_point(|name| order(name, path).is_le());
        self.names.get(next).is_some_and(|name| is_below(name, path))
    }

    fn contains(&self, path: &[u8]) -> bool {
        self.names.binary_search_by(|name| order(name, path)).is_ok()
    }

    /// The names of the list, in its order.
    pub fn names(&self) -> &[Vec<u8>] {
        &self.names
    }
}
