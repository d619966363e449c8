//! What an archive leaves out, for a text at its end.

use std::fmt::Write as _;

use base::visible::printable;

/// The most names that are written down.
const MOST_NAMES: usize = 1000;

/// What was left out so far.
#[derive(Debug, Default)]
pub(super) struct OmittedEntries {
    lines: String,
    count: usize,
}

impl OmittedEntries {
    /// Notes an entry by its name in the archive, and why it is left out.
    pub(super) fn note(&mut self, name: &[u8], why: &str) {
        self.count = self.count.saturating_add(1);
        if self.count <= MOST_NAMES {
            // Writing to a string does not fail.
            let _ = writeln!(self.lines, "{}: {why}", printable(name));
        }
    }

    /// Returns the text; `None` if nothing was left out.
    pub(super) fn text(&self) -> Option<String> {
        let more = match self.count {
            0 => return None,
            count if count > MOST_NAMES => format!("and {} more\n", count - MOST_NAMES),
            _ => String::new(),
        };
        Some(format!(
            "This archive does not have everything:\n\n{}{more}",
            self.lines
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_down_up_to_a_number() {
        let mut left_out = OmittedEntries::default();
        assert_eq!(left_out.text(), None);
        left_out.note(b"d/caf\xe9", "a link");
        let text = left_out.text().unwrap();
        assert!(text.ends_with("\n\nd/caf\\xe9: a link\n"), "{text}");
        for _ in 0..MOST_NAMES {
            left_out.note(b"x", "a link");
        }
        let text = left_out.text().unwrap();
        assert!(text.ends_with("x: a link\nand 1 more\n"));
        assert_eq!(text.lines().count(), MOST_NAMES + 3);
    }
}
