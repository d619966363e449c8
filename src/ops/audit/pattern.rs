//! Patterns for paths in the audit log: those of a shell, and `**` for any number of directories.

use std::str::FromStr;

use base::error::{Error, Result};
use base::glob::{self, Pattern, PatternByte};

/// The most components of a pattern. A path has at most 2048.
const MOST_PARTS: usize = 128;

/// A pattern for absolute paths, or for the last components of a path if it does not begin with `/`.
pub struct PathPattern {
    parts: Vec<PatternPart>,
    /// The pattern as a path, if it has no wildcard and begins with `/`.
    exact: Option<Vec<u8>>,
    /// A text that is part of every path that matches.
    longest_literal: Vec<u8>,
    /// A text that is part of the last component of every path that matches.
    last_literal: Vec<u8>,
}

enum PatternPart {
    /// `**` stands for any number of components.
    AnyDepth,
    /// A pattern for one component.
    One(Pattern),
}

impl FromStr for PathPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new("an empty pattern matches no path").hint("'*.pdf' or '/in/**'"));
        }
        let word = glob::parse(text.as_bytes());
        let is_slash = |byte: &PatternByte| byte.0 == b'/';
        let mut parts = Vec::new();
        if !text.starts_with('/') {
            parts.push(PatternPart::AnyDepth);
        }
        let names = word.split(is_slash).filter(|name| !name.is_empty());
        let last_literal = match names.clone().next_back() {
            None | Some([(b'*', false), (b'*', false)]) => Vec::new(),
            Some(name) => longest_literal(name),
        };
        parts.extend(names.map(|name| match name {
            [(b'*', false), (b'*', false)] => PatternPart::AnyDepth,
            name => PatternPart::One(Pattern::of_any_name(name)),
        }));
        if parts.len() > MOST_PARTS {
            return Err(Error::new(format!(
                "a pattern of more than {MOST_PARTS} names is too long"
            )));
        }
        let is_exact = text.starts_with('/') && !glob::is_pattern(&word);
        let exact = is_exact.then(|| {
            let names = word.split(is_slash).filter(|name| !name.is_empty());
            names
                .flat_map(|name| [b"/".to_vec(), glob::literal(name)].concat())
                .collect()
        });
        Ok(Self {
            parts,
            exact,
            longest_literal: longest_literal(&word),
            last_literal,
        })
    }
}

impl PathPattern {
    /// Returns whether the pattern matches an absolute path.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.reached_by(path).last() == Some(&true)
    }

    /// Returns whether the pattern may match something in a directory.
    pub fn may_match_below(&self, directory: &[u8]) -> bool {
        let reached = self.reached_by(directory);
        reached
            .split_last()
            .is_some_and(|(_, before)| before.contains(&true))
    }

    /// Returns whether this directory is the first part of a path that the pattern describes name by name: `/in` is that of
    /// `/in/*.pdf`, and no directory is that of `*.pdf`.
    pub fn begins_with(&self, directory: &[u8]) -> bool {
        let names = names_of(directory);
        let matches = |(part, name): (&PatternPart, &[u8])| match part {
            PatternPart::One(pattern) => pattern.matches(name),
            PatternPart::AnyDepth => false,
        };
        names.clone().count() < self.parts.len() && self.parts.iter().zip(names).all(matches)
    }

    /// Returns for each position in the pattern whether the names of a path can lead to it.
    fn reached_by(&self, path: &[u8]) -> Vec<bool> {
        let mut reached = vec![false; self.parts.len() + 1];
        self.reach(0, &mut reached);
        for name in names_of(path) {
            let mut next = vec![false; reached.len()];
            for (at, part) in self.parts.iter().enumerate() {
                if reached.get(at) != Some(&true) {
                    continue;
                }
                match part {
                    PatternPart::AnyDepth => self.reach(at, &mut next),
                    PatternPart::One(pattern) if pattern.matches(name) => self.reach(at + 1, &mut next),
                    PatternPart::One(_) => {}
                }
            }
            reached = next;
        }
        reached
    }

    /// Marks a position as reached, and those behind it that need no name.
    fn reach(&self, at: usize, reached: &mut [bool]) {
        if let Some(flag) = reached.get_mut(at) {
            *flag = true;
        }
        if let Some(PatternPart::AnyDepth) = self.parts.get(at) {
            self.reach(at + 1, reached);
        }
    }

    /// Returns the one path that the pattern matches, if it has no wildcard and begins with `/`.
    pub fn exact(&self) -> Option<&[u8]> {
        self.exact.as_deref()
    }

    /// Returns a text that is part of every line about a path that matches; it may be empty.
    pub fn needle(&self) -> &[u8] {
        &self.longest_literal
    }

    /// Returns a text that is part of the last name of every path that matches; it may be empty.
    pub fn last_needle(&self) -> &[u8] {
        &self.last_literal
    }
}

/// Returns the names in a path.
fn names_of(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

/// Returns the longest text without wildcards, as far as it looks the same in the log.
fn longest_literal(word: &[PatternByte]) -> Vec<u8> {
    let is_plain =
        |(byte, quoted): PatternByte| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte) && !quoted;
    // What stands in brackets is not literal.
    let end = word.iter().position(|byte| *byte == (b'[', false));
    let word = word.get(..end.unwrap_or(word.len())).unwrap_or_default();
    let runs = word.split(|byte| !is_plain(*byte));
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    longest.iter().map(|(byte, _)| *byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths_as_people_expect() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let compiled: PathPattern = pattern.parse().unwrap();
            assert_eq!(compiled.matches(path.as_bytes()), expected, "{pattern} {path}");
            let needle = String::from_utf8(compiled.needle().to_vec()).unwrap();
            assert!(!expected || path.contains(&needle), "{pattern}: {needle}");
            let last = String::from_utf8(compiled.last_needle().to_vec()).unwrap();
            let name = path.rsplit('/').next().unwrap();
            assert!(!expected || name.contains(&last), "{pattern}: {last}");
            let (above, _) = path.rsplit_once('/').unwrap();
            assert!(
                !expected || path == "/" || compiled.may_match_below(above.as_bytes()),
                "{pattern} {path}"
            );
        };
        check("invoice.pdf", "/invoice.pdf", true);
        check("invoice.pdf", "/in/2026/invoice.pdf", true);
        check("invoice.pdf", "/in/old-invoice.pdf", false);
        check("*.pdf", "/in/.hidden.pdf", true);
        check("*.pdf", "/in/a.pdf/x", false);
        check("in/*.pdf", "/a/in/b.pdf", true);
        check("/in/*.pdf", "/a/in/b.pdf", false);
        check("/in/*.pdf", "/in/b.pdf", true);
        check("/in/*.pdf", "/in/deep/b.pdf", false);
        check("/in/**", "/in/deep/b.pdf", true);
        check("/in/**", "/in", true);
        check("/**/b.pdf", "/b.pdf", true);
        check("/in/**/b.[pP]df", "/in/1/2/3/b.Pdf", true);
        check("/in/**/b.[pP]df", "/out/1/2/3/b.Pdf", false);
        check(r"/a\*b", "/a*b", true);
        check(r"/a\*b", "/axb", false);
        check("/", "/", true);
    }

    #[test]
    fn directories_in_which_nothing_can_match_are_known() {
        let check = |pattern: &str, directory: &str, below: bool, begins: bool| {
            let compiled: PathPattern = pattern.parse().unwrap();
            let directory = directory.as_bytes();
            let found = (
                compiled.may_match_below(directory),
                compiled.begins_with(directory),
            );
            assert_eq!(found, (below, begins), "{pattern} {directory:?}");
        };
        check("/in/*.pdf", "/in", true, true);
        check("/in/*.pdf", "/out", false, false);
        check("/in/*.pdf", "/in/deep", false, false);
        check("/in/*/x", "/in/deep", true, true);
        check("/in/**", "/in", true, true);
        check("/in/**", "/in/deep", true, false);
        check("/in/**", "/out", false, false);
        check("*.pdf", "/anywhere", true, false);
        check("/in/x", "/in/x", false, false);
        check("/", "/in", false, false);
    }

    #[test]
    fn only_a_path_without_wildcards_is_exact() {
        let exact = |pattern: &str| {
            let compiled: PathPattern = pattern.parse().unwrap();
            compiled
                .exact()
                .map(|path| String::from_utf8(path.to_vec()).unwrap())
        };
        assert_eq!(exact("/in//a b.pdf").as_deref(), Some("/in/a b.pdf"));
        assert_eq!(exact(r"/a\*b").as_deref(), Some("/a*b"));
        assert_eq!(exact("/a*b"), None);
        assert_eq!(exact("invoice.pdf"), None);
        assert!("".parse::<PathPattern>().is_err());
    }
}
