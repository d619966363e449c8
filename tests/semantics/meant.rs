//! Where our answers differ from OpenSSH's on purpose.
//!
//! Each entry says which rows, what our lines are where they differ, and why. A row that no longer differs, or that
//! differs otherwise, fails the test.

/// A difference that is meant.
#[derive(Debug)]
pub struct Difference {
    /// The row's name, or its beginning with a `*` behind.
    pub row: &'static str,
    /// Our lines where they differ.
    pub ours: &'static [&'static str],
    /// Why.
    pub because: &'static str,
}

const MEANT: &[Difference] = &[];

impl Difference {
    /// Is it about this row?
    pub fn covers(&self, row: &str) -> bool {
        match self.row.strip_suffix('*') {
            Some(beginning) => row.starts_with(beginning),
            None => row == self.row,
        }
    }

    /// What is wrong with our differing lines, if anything.
    pub fn check(&self, differing: &[String]) -> Option<String> {
        if differing.is_empty() {
            return Some(format!(
                "does not differ, though it should, because {}",
                self.because
            ));
        }
        (differing != self.ours).then(|| format!("differs otherwise than stated ({:?})", self.ours))
    }
}

/// The difference that is stated for this row: the first that covers it.
pub fn find(row: &str) -> Option<&'static Difference> {
    MEANT.iter().find(|difference| difference.covers(row))
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Difference> {
    MEANT.iter()
}
