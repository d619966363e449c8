//! Directories that could not be made: each is told once, with the number of names below it that are left out.

use std::collections::BTreeMap;
use std::path::Path;

use crate::names::parent;

/// How many names below a directory are worth being looked for. A plan that has them all counts on.
const WORTH_LOOKING: u64 = 10_000;

/// The names below a directory that are left out with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamesBelow {
    /// Their number, as far as they were counted.
    pub count: u64,
    /// Whether all of them were.
    pub is_all: bool,
}

impl NamesBelow {
    /// Those below a directory of this machine. Links are counted, and not followed; what cannot be read is not counted.
    pub fn of_local(directory: &Path) -> Self {
        let mut count = 0;
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                if count >= WORTH_LOOKING {
                    return Self { count, is_all: false };
                }
                count += 1;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(entry.path());
                }
            }
        }
        Self { count, is_all: true }
    }

    /// The reason why their directory could not be made, and how many they are.
    pub fn behind(self, why: &str) -> String {
        match self {
            Self { count: 0, .. } => why.to_owned(),
            Self {
                count: 1,
                is_all: true,
            } => format!("{why}; 1 name below it is left out"),
            Self { count, is_all: true } => format!("{why}; {count} names below it are left out"),
            Self { count, is_all: false } => format!("{why}; {count} names below it, and more, are left out"),
        }
    }
}

/// A directory that could not be made.
#[derive(Debug)]
pub struct UnmadeDirectory {
    /// Its path for messages.
    pub shown: Vec<u8>,
    /// Why it could not be made.
    pub why: String,
    /// What is left out with it.
    pub below: NamesBelow,
}

/// Directories of a tree that could not be made, by their paths in that tree.
#[derive(Debug, Default)]
pub struct UnmadeDirectories(BTreeMap<Vec<u8>, UnmadeDirectory>);

impl UnmadeDirectories {
    /// Adds a directory. Nothing below it can be made from now on.
    pub fn add(&mut self, path: &[u8], shown: &[u8], why: String) {
        let below = NamesBelow {
            count: 0,
            is_all: true,
        };
        let (path, shown) = (without_slashes(path).to_vec(), shown.to_vec());
        self.0.insert(path, UnmadeDirectory { shown, why, below });
    }

    /// The path of the directory that could not be made, and is this one or lies above it.
    fn top_of<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let mut path = without_slashes(path);
        loop {
            if self.0.contains_key(path) {
                return Some(path);
            }
            let above = parent(path);
            if above.len() >= path.len() {
                return None;
            }
            path = above;
        }
    }

    /// Whether this directory could not be made, or one above it.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.top_of(path).is_some()
    }

    /// Counts a name below the directory that could not be made. Returns whether there is one.
    pub fn leave_out(&mut self, path: &[u8]) -> bool {
        let top = self.top_of(parent(path));
        let directory = top.and_then(|top| self.0.get_mut(top));
        if let Some(directory) = directory {
            directory.below.count += 1;
            return true;
        }
        false
    }

    /// Whether it is worth the while to look for more names that are left out, below this path.
    pub fn is_worth_looking(&mut self, path: &[u8]) -> bool {
        let directory = self.top_of(path).and_then(|top| self.0.get_mut(top));
        match directory {
            Some(directory) if directory.below.count >= WORTH_LOOKING => {
                directory.below.is_all = false;
                false
            }
            Some(_) | None => true,
        }
    }

    /// The directories, with what is left out with each of them.
    pub fn into_directories(self) -> impl Iterator<Item = UnmadeDirectory> {
        self.0.into_values()
    }
}

/// A path without slashes at its end, as [`parent`] returns them.
fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_below_a_directory_of_this_machine_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        let below = |path: &Path| NamesBelow::of_local(path).count;
        assert_eq!(below(top), 0);
        assert_eq!(below(&top.join("missing")), 0);
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::write(top.join("a/b/f"), "").unwrap();
        // A link back to the top is one name.
        std::os::unix::fs::symlink(top, top.join("a/loop")).unwrap();
        assert_eq!(below(top), 4);
        assert_eq!(below(&top.join("a")), 3);
    }

    #[test]
    fn a_message_says_how_many_names_are_left_out() {
        for (count, is_all, expected) in [
            (0, true, "denied"),
            (1, true, "denied; 1 name below it is left out"),
            (2, true, "denied; 2 names below it are left out"),
            (
                10_000,
                false,
                "denied; 10000 names below it, and more, are left out",
            ),
        ] {
            assert_eq!(NamesBelow { count, is_all }.behind("denied"), expected);
        }
    }

    #[test]
    fn names_are_left_out_with_the_directory_above_them() {
        let mut unmade = UnmadeDirectories::default();
        assert!(!unmade.covers(b"a") && !unmade.leave_out(b"a/b"));
        unmade.add(b"a", b"A", "denied".to_owned());
        unmade.add(b"/x/y/", b"Y", "full".to_owned());
        for (path, covered, left_out) in [
            (&b"a"[..], true, false),
            (b"a/b", true, true),
            (b"a/b/c", true, true),
            (b"ab", false, false),
            (b"b/a", false, false),
            (b"/x", false, false),
            (b"/x/y/z", true, true),
            (b"/x/y/", true, false),
            (b"/", false, false),
            (b"", false, false),
        ] {
            let name = String::from_utf8_lossy(path);
            assert_eq!(unmade.covers(path), covered, "{name}");
            assert_eq!(unmade.leave_out(path), left_out, "{name}");
        }
        let found = unmade
            .into_directories()
            .map(|directory| (directory.shown, directory.below.count));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [(b"Y".to_vec(), 1), (b"A".to_vec(), 2)]
        );
    }

    /// A server is not asked for a million names that are left out.
    #[test]
    fn names_that_are_left_out_are_not_looked_for_without_end() {
        let mut unmade = UnmadeDirectories::default();
        unmade.add(b"a", b"a", "denied".to_owned());
        for number in 0..WORTH_LOOKING {
            assert!(unmade.is_worth_looking(b"a/b"), "{number}");
            assert!(unmade.leave_out(b"a/b/c"));
        }
        assert!(!unmade.is_worth_looking(b"a/b"));
        assert!(unmade.is_worth_looking(b"b"));
        let directory = unmade.into_directories().next().unwrap();
        assert!(!directory.below.is_all);
    }
}
