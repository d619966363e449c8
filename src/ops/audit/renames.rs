//! The renames that a log has, and how a path is followed through those that came after an event.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::line::{AuditEntry, bytes_of};

/// The most renames that are kept: some hundred megabytes. Older ones are forgotten.
pub(super) const MOST_RENAMES: usize = 1_000_000;
/// The most renames through which one path is followed, so that two names that are exchanged all the time do not make each
/// line expensive.
const MOST_STEPS: usize = 1000;
/// The steps of all paths together after which each is followed through fewer renames: some seconds of work.
const MANY_STEPS: u64 = 5_000_000;
/// The most renames through which one path is followed from then on. Uploads under a temporary name need one or two.
const FEW_STEPS: usize = 16;

/// A rename that the log has.
#[derive(Debug, Clone)]
pub(super) struct LoggedRename {
    /// What tells the paths of one home from those of another.
    pub home: String,
    /// The path before.
    pub from: Vec<u8>,
    /// The path after.
    pub to: Vec<u8>,
    /// The time, as it was logged.
    pub time: String,
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

/// Renames in the order in which they were logged, by the paths that they were about. Only the hashes of paths are kept a
/// second time.
#[derive(Debug, Default)]
pub(super) struct RenameIndex {
    renames: Vec<LoggedRename>,
    by_source: HashMap<u64, Vec<usize>>,
    by_target: HashMap<u64, Vec<usize>>,
    hashes: RandomState,
    /// The renames through which paths were followed so far, and after how many of them each is followed less far.
    steps: AtomicU64,
    many_steps: u64,
    /// Whether a path has names that were not followed.
    is_cut_short: AtomicBool,
}

/// The renames that are later than a moment.
#[derive(Clone, Copy)]
enum Later<'a> {
    /// Later than an event at this time. One at the same time may be either, and counts.
    ThanEvent(&'a str),
    /// Later than the rename with this index.
    ThanRename(usize),
}

/// One end of a rename.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Target,
}

impl RenameIndex {
    /// Creates the index; the newest rename is the last one.
    pub fn new(renames: Vec<LoggedRename>) -> Self {
        let mut index = Self {
            renames,
            many_steps: MANY_STEPS,
            ..Self::default()
        };
        for (at, rename) in index.renames.iter().enumerate() {
            let hash = |path: &[u8]| index.hashes.hash_one((&*rename.home, path));
            index.by_source.entry(hash(&rename.from)).or_default().push(at);
            index.by_target.entry(hash(&rename.to)).or_default().push(at);
        }
        index
    }

    /// Returns whether one of the names is accepted that the file with this path got after an event, by renames of itself
    /// or of directories above it.
    pub fn later_name(
        &self,
        home: &str,
        path: &[u8],
        time: &str,
        is_accepted: impl Fn(&[u8]) -> bool,
    ) -> bool {
        if self.renames.is_empty() {
            return false;
        }
        let mut path = path.to_vec();
        let mut later = Later::ThanEvent(time);
        for _ in 0..self.most_steps() {
            let Some(at) = self.first(End::Source, home, &path, later) else {
                return false;
            };
            // Another file got this name first, so the one in question was gone.
            if self
                .first(End::Target, home, &path, later)
                .is_some_and(|replaced| replaced < at)
            {
                return false;
            }
            let Some(rename) = self.renames.get(at) else {
                return false;
            };
            let inside = path.get(rename.from.len()..).unwrap_or_default();
            path = [&rename.to[..], inside].concat();
            if is_accepted(&path) {
                return true;
            }
            later = Later::ThanRename(at);
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        self.is_cut_short.store(true, Ordering::Relaxed);
        false
    }

    /// Returns whether a path was renamed more often than it was followed, so that names of it may be missing.
    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short.load(Ordering::Relaxed)
    }

    fn most_steps(&self) -> usize {
        match self.steps.load(Ordering::Relaxed) < self.many_steps {
            true => MOST_STEPS,
            false => FEW_STEPS,
        }
    }

    /// Returns the first of the later renames that has a path, or a directory above it, at this end.
    fn first(&self, end: End, home: &str, path: &[u8], later: Later<'_>) -> Option<usize> {
        let map = match end {
            End::Source => &self.by_source,
            End::Target => &self.by_target,
        };
        let slashes = (1..path.len()).filter(|at| path.get(*at) == Some(&b'/'));
        let prefixes = slashes
            .chain([path.len()])
            .filter_map(|length| path.get(..length));
        let first_of = |prefix: &[u8]| {
            let candidates = map.get(&self.hashes.hash_one((home, prefix)))?;
            let first = candidates.partition_point(|at| !self.is_later(*at, end, later));
            let is_it = |at: &&usize| {
                self.renames.get(**at).is_some_and(|rename| {
                    let its = match end {
                        End::Source => &rename.from,
                        End::Target => &rename.to,
                    };
                    rename.home == home && its == prefix
                })
            };
            candidates.get(first..)?.iter().find(is_it).copied()
        };
        prefixes.filter_map(first_of).min()
    }

    fn is_later(&self, at: usize, end: End, later: Later<'_>) -> bool {
        match later {
            Later::ThanRename(other) => at > other,
            Later::ThanEvent(time) => self.renames.get(at).is_some_and(|rename| match end {
                End::Source => &*rename.time >= time,
                // What has got the name in the moment of the event is what the event is about.
                End::Target => &*rename.time > time,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(renames: &[(&str, &str, &str)]) -> RenameIndex {
        let renames = renames.iter().map(|(time, from, to)| LoggedRename {
            home: "/h".to_owned(),
            from: (*from).into(),
            to: (*to).into(),
            time: (*time).to_owned(),
        });
        RenameIndex::new(renames.collect())
    }

    /// Returns all names that a file got after an event.
    fn names(index: &RenameIndex, path: &str, time: &str) -> Vec<String> {
        let names = std::cell::RefCell::new(Vec::new());
        index.later_name("/h", path.as_bytes(), time, |name| {
            names
                .borrow_mut()
                .push(String::from_utf8_lossy(name).into_owned());
            false
        });
        names.into_inner()
    }

    #[test]
    fn a_path_is_followed_through_renames_of_directories() {
        let index = index(&[
            ("2", "/d", "/e"),
            ("4", "/e/x", "/e/y"),
            ("5", "/e", "/f/g"),
            ("7", "/f/g", "/d"),
        ]);
        let check = |path: &str, time: &str, expected: &[&str]| {
            assert_eq!(names(&index, path, time), expected, "{path} {time}");
        };
        check("/d/x", "1", &["/e/x", "/e/y", "/f/g/y", "/d/y"]);
        check("/d/a/b", "1", &["/e/a/b", "/f/g/a/b", "/d/a/b"]);
        check("/d", "2", &["/e", "/f/g", "/d"]);
        check("/d/x", "3", &[]);
        check("/e/x", "3", &["/e/y", "/f/g/y", "/d/y"]);
        // It was replaced.
        check("/e/y", "3", &[]);
        check("/e/y", "4", &["/f/g/y", "/d/y"]);
        check("/dd/x", "1", &[]);
        check("/", "1", &[]);
        assert!(!index.later_name("/another home", b"/d/x", "1", |_| true));
    }

    #[test]
    fn names_that_are_exchanged_all_the_time_are_followed_to_a_limit() {
        let times: Vec<String> = (0..2 * MOST_STEPS).map(|time| format!("{time:09}")).collect();
        let renames: Vec<(&str, &str, &str)> = times
            .iter()
            .enumerate()
            .map(|(at, time)| match at % 2 {
                0 => (&**time, "/a", "/b"),
                _ => (&**time, "/b", "/a"),
            })
            .collect();
        let mut index = index(&renames);
        let later = &times[MOST_STEPS + 2];
        assert_eq!(names(&index, "/a/x", later).len(), MOST_STEPS - 2);
        assert!(!index.is_cut_short());
        assert_eq!(names(&index, "/a/x", &times[0]).len(), MOST_STEPS);
        assert!(index.is_cut_short());
        // After many steps of other paths, each is followed less far.
        index.many_steps = MOST_STEPS as u64;
        assert_eq!(names(&index, "/a/x", &times[0]).len(), FEW_STEPS);
    }
}
