//! Lists a tree of this machine ([`local`]), or of the server ([`remote`]), without what a filter excludes. It changes
//! nothing.
//!
//! In a source, a link to a file stands for that file, and other links are listed as links; `--follow` has those to
//! directories stand for them, too, and with `--links` none stands for anything but itself. In a target, links are never
//! followed. What cannot be listed is reported as a failure, and takes no part.

pub(super) mod local;
pub(super) mod remote;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::entry::{EntryKind, TreeEntry, is_below, sorted};
use super::filter::{Filter, Participation};
use crate::symlinks::LinkRule;

/// Trees that are deeper than this are not listed: a malicious server could present an endless one.
const MAX_DEPTH: usize = 512;
/// The most names of one tree, because a malicious server could present names without end.
const MAX_ENTRIES: usize = 20_000_000;
/// How many names a message shows.
const SHOWN_NAMES: usize = 5;

/// The side of a comparison that a tree is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Links to files stand for the files.
    Source,
    /// Links stand for nothing but themselves.
    Target,
}

/// Which names of a tree are listed, and how.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub role: Role,
    pub filter: &'a Filter,
}

impl Scope<'_> {
    fn participation(&self, path: &[u8], is_directory: bool) -> Participation {
        match self.role {
            Role::Target if self.filter.reserved.as_deref() == Some(path) => Participation::Excluded,
            Role::Source | Role::Target => self.filter.participation(path, is_directory),
        }
    }

    /// Whether links take part as links, on both sides.
    fn copies_links(&self) -> bool {
        self.filter.links.keeps_links()
    }

    /// Whether a link takes part that leads out of the tree. One of a source is made on the other side.
    fn takes_links_out(&self) -> bool {
        self.role == Role::Target || self.filter.links == LinkRule::Compare
    }

    /// Whether a link of the source may stand for the file to which it points.
    fn follows_files(&self) -> bool {
        self.role == Role::Source && !self.copies_links()
    }

    /// Whether a link of the source may stand for the directory to which it points.
    fn follows_directories(&self) -> bool {
        self.role == Role::Source && self.filter.links == LinkRule::Follow
    }
}

/// The names of a tree.
#[derive(Debug, Default)]
pub struct Listing {
    /// The names of the tree, in their order.
    pub entries: Vec<TreeEntry>,
    /// Names that could not be listed, and why.
    pub failures: Vec<(Vec<u8>, String)>,
    /// Names that take no part although no option leaves them out.
    pub(super) temporary: NamesLeftOut,
}

/// Names under which uploads grow, and which take no part.
#[derive(Debug, Default)]
pub(super) struct NamesLeftOut {
    /// The number of all of them.
    pub(super) count: usize,
    /// The first of them.
    pub(super) shown: Vec<Vec<u8>>,
}

impl NamesLeftOut {
    fn add(&mut self, path: &[u8]) {
        self.count += 1;
        if self.shown.len() < SHOWN_NAMES {
            self.shown.push(path.to_vec());
        }
    }
}

impl Listing {
    /// Whether a name takes part. Takes note of one that does not although no option leaves it out.
    fn admits(&mut self, scope: Scope<'_>, path: &[u8], is_directory: bool) -> bool {
        match scope.participation(path, is_directory) {
            Participation::TakesPart => true,
            Participation::Excluded => false,
            Participation::Temporary => {
                self.temporary.add(path);
                false
            }
        }
    }

    fn fail(&mut self, path: &[u8], why: String) {
        self.failures.push((path.to_vec(), why));
    }

    /// Takes note that nothing is known about what is in a directory.
    fn fail_directory(&mut self, path: &[u8], why: String) {
        self.fail(path, why);
        if !path.is_empty() {
            self.entries.push(excluded(path.to_vec()));
        }
    }

    /// Whether nothing is known about the tree, because its top could not be listed.
    pub fn top_failure(&self) -> Option<&str> {
        let top = self.failures.iter().find(|(path, _)| path.is_empty());
        top.map(|(_, why)| &**why)
    }

    /// Sorts the names. A directory that could not be listed was noted a second time, which counts. Only a directory has
    /// names below it: a server that says twice what something is must not have files written through its link.
    fn finish(mut self) -> Self {
        self.entries
            .sort_by_key(|entry| entry.kind != EntryKind::Excluded);
        let mut leaf: Option<Box<[u8]>> = None;
        self.entries = sorted(self.entries)
            .into_iter()
            .filter(|entry| {
                if leaf.as_deref().is_some_and(|leaf| is_below(&entry.path, leaf)) {
                    return false;
                }
                leaf = (entry.kind != EntryKind::Directory).then(|| entry.path.clone());
                true
            })
            .collect();
        self
    }
}

fn excluded(path: Vec<u8>) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: EntryKind::Excluded,
        mode: None,
        modified: None,
        link: None,
    }
}

/// The place of a path in a tree of this machine.
pub(super) fn below(top: &Path, path: &[u8]) -> std::path::PathBuf {
    match path {
        b"" => top.to_owned(),
        _ => top.join(std::ffi::OsStr::from_bytes(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_counted_and_backups_are_only_left_out_of_a_target() {
        let filter = Filter {
            reserved: Some(b"old".to_vec()),
            ..Filter::default()
        };
        for (role, takes_backups) in [(Role::Source, true), (Role::Target, false)] {
            let scope = Scope {
                role,
                filter: &filter,
            };
            let mut listing = Listing::default();
            assert_eq!(listing.admits(scope, b"old", true), takes_backups, "{role:?}");
            for number in 0..SHOWN_NAMES + 1 {
                assert!(!listing.admits(scope, format!("{number}.homeport.part").as_bytes(), false));
            }
            assert!(listing.admits(scope, b"a.part", false));
            assert_eq!(listing.temporary.count, SHOWN_NAMES + 1);
            assert_eq!(listing.temporary.shown.len(), SHOWN_NAMES);
            assert_eq!(listing.temporary.shown[0], b"0.homeport.part");
        }
    }

    #[test]
    fn only_a_directory_has_names_below_it() {
        let entry = |path: &str, kind| TreeEntry {
            kind,
            ..excluded(path.as_bytes().to_vec())
        };
        let (link, directory, file) = (EntryKind::Link, EntryKind::Directory, EntryKind::File(1));
        let listing = Listing {
            entries: vec![
                entry("twice/below/file", file),
                entry("d", directory),
                entry("twice", link),
                entry("twice", directory),
                entry("twice/below", directory),
                entry("twice.txt", file),
                entry("d/file", file),
                entry("unknown", directory),
                entry("unknown/file", file),
                entry("unknown", EntryKind::Excluded),
            ],
            ..Listing::default()
        };
        let left = listing.finish().entries;
        let paths: Vec<_> = left
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.path))
            .collect();
        assert_eq!(paths, ["d", "d/file", "twice", "twice.txt", "unknown"]);
    }
}
