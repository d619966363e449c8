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
use super::filter::Filter;
use crate::symlinks::LinkRule;

/// Trees that are deeper than this are not listed: a malicious server could present an endless one.
const MAX_DEPTH: usize = 512;
/// The most names of one tree, because a malicious server could present names without end.
const MAX_ENTRIES: usize = 20_000_000;

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
    /// Whether links take part as links, on both sides.
    fn copies_links(&self) -> bool {
        self.filter.links == LinkRule::Copy
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
}

impl Listing {
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
            failures: Vec::new(),
        };
        let left = listing.finish().entries;
        let paths: Vec<_> = left
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.path))
            .collect();
        assert_eq!(paths, ["d", "d/file", "twice", "twice.txt", "unknown"]);
    }
}
