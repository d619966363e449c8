//! Former names of files: what a file was called before it was renamed, so that a query finds what was done to it then.

use std::collections::HashMap;

use super::line::{AuditEntry, bytes_of};
use super::pattern::PathPattern;

/// The most renames that are kept: some hundred megabytes. Older ones are forgotten.
pub(super) const MOST_RENAMES: usize = 1_000_000;
/// The most former names that are followed.
const MOST_NAMES: usize = 100_000;
/// The most names among which those below a renamed directory are looked for.
const MOST_BELOW: usize = 1000;

/// A rename that the log has.
#[derive(Debug, Clone)]
pub(super) struct LoggedRename {
    home: String,
    from: Vec<u8>,
    to: Vec<u8>,
    time: String,
}

impl LoggedRename {
    /// Returns the rename that a line is about; `None` if it is about something else.
    pub fn of(entry: &AuditEntry<'_>) -> Option<Self> {
        let (Some(from), Some(to), "renamed" | "published") = (&entry.from, &entry.to, &*entry.event) else {
            return None;
        };
        Some(Self {
            home: entry.home().to_owned(),
            from: bytes_of(from),
            to: bytes_of(to),
            time: entry.time.clone().into_owned(),
        })
    }
}

/// A name that a file had before it got the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The former path.
    pub path: Vec<u8>,
    /// The path that it was renamed to.
    pub became: Vec<u8>,
    /// The time of the rename, as it was logged.
    pub until: String,
    /// The time before which another file had this name, if there was one.
    since: Option<String>,
}

/// A path in one home.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct HomePath {
    home: String,
    path: Vec<u8>,
}

/// The former names of the files that match a pattern.
#[derive(Debug, Default)]
pub(super) struct FormerNames {
    names: Vec<FormerName>,
    by_path: HashMap<HomePath, Vec<usize>>,
    /// The names whose beginning is not known yet, while older renames are examined.
    open: HashMap<HomePath, usize>,
}

impl FormerNames {
    /// Follows the renames, of which the last one is the newest, back from the names that match the pattern.
    pub fn of(pattern: &PathPattern, renames: &[LoggedRename]) -> Self {
        let mut names = Self::default();
        for rename in renames.iter().rev() {
            names.follow(pattern, rename);
            if names.names.len() >= MOST_NAMES {
                break;
            }
        }
        names.open.clear();
        names
    }

    fn follow(&mut self, pattern: &PathPattern, rename: &LoggedRename) {
        let LoggedRename { home, from, to, time } = rename;
        let at = |path: &[u8]| HomePath {
            home: home.clone(),
            path: path.to_vec(),
        };
        // Another file was moved away from a name, so the file in question got it later.
        if let Some(index) = self.open.remove(&at(from)) {
            self.begin(index, time);
        }
        let known = self.open.remove(&at(to));
        if let Some(index) = known {
            self.begin(index, time);
        }
        if known.is_some() || pattern.matches(to) && !pattern.matches(from) {
            self.add(at(from), to, time);
        }
        // A directory was renamed above a name.
        let below = |path: &[u8]| {
            let rest = path.strip_prefix(&to[..])?;
            rest.starts_with(b"/").then(|| [&from[..], rest].concat())
        };
        if let Some(exact) = pattern.exact()
            && let Some(former) = below(exact)
        {
            self.add(at(&former), exact, time);
        }
        if self.open.len() <= MOST_BELOW {
            let is_below = |known: &&HomePath| known.home == *home && below(&known.path).is_some();
            let found: Vec<HomePath> = self.open.keys().filter(is_below).cloned().collect();
            for known in found {
                if let (Some(index), Some(former)) = (self.open.remove(&known), below(&known.path)) {
                    self.begin(index, time);
                    self.add(at(&former), &known.path, time);
                }
            }
        }
    }

    fn begin(&mut self, index: usize, time: &str) {
        if let Some(name) = self.names.get_mut(index) {
            name.since = Some(time.to_owned());
        }
    }

    fn add(&mut self, key: HomePath, became: &[u8], until: &str) {
        let index = self.names.len();
        self.names.push(FormerName {
            path: key.path.clone(),
            became: became.to_vec(),
            until: until.to_owned(),
            since: None,
        });
        self.by_path.entry(key.clone()).or_default().push(index);
        self.open.insert(key, index);
    }

    /// Returns whether a path of this home was, at this time, the name of a file that matches the pattern later.
    pub fn contains(&self, home: &str, path: &[u8], time: &str) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let key = HomePath {
            home: home.to_owned(),
            path: path.to_vec(),
        };
        let indices = self.by_path.get(&key).map_or(&[][..], Vec::as_slice);
        let mut names = indices.iter().filter_map(|index| self.names.get(*index));
        names.any(|name| time <= &*name.until && name.since.as_deref().is_none_or(|since| time >= since))
    }

    /// Returns the former names, the newest first.
    pub fn list(&self) -> &[FormerName] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(time: &str, from: &str, to: &str) -> LoggedRename {
        LoggedRename {
            home: "/h".to_owned(),
            from: from.into(),
            to: to.into(),
            time: time.to_owned(),
        }
    }

    fn names(pattern: &str, renames: &[LoggedRename]) -> FormerNames {
        FormerNames::of(&pattern.parse().unwrap(), renames)
    }

    #[test]
    fn a_file_is_followed_through_its_names() {
        let renames = [
            rename("1", "/draft.pdf", "/old.pdf"),
            rename("2", "/new.part", "/draft.pdf"),
            rename("4", "/draft.pdf", "/invoice.pdf"),
            rename("5", "/draft.pdf", "/other.pdf"),
        ];
        let names = names("/invoice.pdf", &renames);
        let check = |path: &str, time: &str, expected: bool| {
            assert_eq!(
                names.contains("/h", path.as_bytes(), time),
                expected,
                "{path} {time}"
            );
        };
        check("/draft.pdf", "3", true);
        check("/draft.pdf", "4", true);
        // Another file had the name after and before.
        check("/draft.pdf", "5", false);
        check("/draft.pdf", "1", false);
        check("/new.part", "1", true);
        check("/new.part", "3", false);
        check("/old.pdf", "1", false);
        assert!(!names.contains("/another home", b"/draft.pdf", "3"));
        let listed: Vec<&[u8]> = names.list().iter().map(|name| &name.path[..]).collect();
        assert_eq!(listed, [&b"/draft.pdf"[..], b"/new.part"]);
    }

    #[test]
    fn a_file_is_followed_through_renamed_directories() {
        let renames = [
            rename("1", "/a", "/b"),
            rename("2", "/b/x", "/b/y"),
            rename("3", "/b", "/c"),
        ];
        let names = names("/c/y", &renames);
        assert!(names.contains("/h", b"/b/y", "2"));
        assert!(names.contains("/h", b"/b/x", "1"));
        assert!(names.contains("/h", b"/a/x", "0"));
        assert!(!names.contains("/h", b"/a/y", "0"));
    }

    #[test]
    fn patterns_follow_each_file_that_matches() {
        let renames = [
            rename("1", "/1.part", "/1.pdf"),
            rename("2", "/2.part", "/2.txt"),
            rename("3", "/1.pdf", "/3.pdf"),
        ];
        let names = names("*.pdf", &renames);
        assert!(names.contains("/h", b"/1.part", "0"));
        assert!(!names.contains("/h", b"/2.part", "0"));
    }
}
