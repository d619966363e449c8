//! Directories of the target while something in them changes: they can be written meanwhile, and get their times and
//! permissions at the end. [`run`](super::run) sets these.

use std::collections::{BTreeMap, BTreeSet};

use sftp_wire::Attributes;
use tokio_util::sync::CancellationToken;

use super::entry::{EntryKind, TreeEntry, order};
use super::target::TargetTree;
use crate::local_attributes::opened_mode;
use crate::names::parent;

/// The directories that are set at the end.
#[derive(Debug, Default)]
pub(super) struct ChangedDirectories {
    /// Those in which something has changed, or that were made or opened.
    changed: BTreeSet<Vec<u8>>,
    /// Those whose permissions differ from the source's, which is reported as a change.
    different: BTreeSet<Vec<u8>>,
}

impl ChangedDirectories {
    /// Notes that something in the directory of a path has changed.
    pub(super) fn touch(&mut self, path: &[u8]) {
        self.add(parent(path));
    }

    /// Notes that a directory was made or opened.
    pub(super) fn add(&mut self, path: &[u8]) {
        self.changed.insert(path.to_vec());
    }

    /// Opens directories, with the permissions that [`closed`] has found. They get those of the source at the end.
    pub(super) async fn open(
        &mut self,
        target: &TargetTree,
        stop: &CancellationToken,
        closed: Vec<(Vec<u8>, Attributes)>,
    ) {
        let open = |target: TargetTree, (path, attrs): (Vec<u8>, Attributes)| async move {
            target.set(&path, &attrs).await
        };
        for ((path, _), result) in target.each(closed, stop, open).await {
            // What cannot be opened is named by the change that fails in it.
            if result.is_ok() {
                self.add(&path);
            }
        }
    }

    /// Notes that a directory gets other permissions.
    pub(super) fn differs(&mut self, path: &[u8]) {
        self.different.insert(path.to_vec());
    }

    /// Whether a directory gets other permissions.
    pub(super) fn is_different(&self, path: &[u8]) -> bool {
        self.different.contains(path)
    }

    /// The directories of the source whose times and permissions the target gets, the innermost first: permissions may
    /// close the way to what is below.
    pub(super) fn levels<'a>(&self, source: &'a [TreeEntry]) -> Vec<Vec<&'a TreeEntry>> {
        let mut levels: BTreeMap<usize, Vec<&TreeEntry>> = BTreeMap::new();
        for entry in source.iter().filter(|entry| entry.kind == EntryKind::Directory) {
            if self.changed.contains(&*entry.path) || self.different.contains(&*entry.path) {
                levels.entry(depth(&entry.path)).or_default().push(entry);
            }
        }
        levels.into_values().rev().collect()
    }
}

/// The directories of the target that deny their owner to change anything in them, of those in which one of these paths
/// lies, with the permissions that open them.
pub(super) fn closed<'a>(
    target: &[TreeEntry],
    paths: impl Iterator<Item = &'a [u8]>,
) -> Vec<(Vec<u8>, Attributes)> {
    let directories: BTreeSet<&[u8]> = paths.map(parent).collect();
    let closed = directories.into_iter().filter_map(|path| {
        let found = target.binary_search_by(|entry| order(&entry.path, path)).ok()?;
        let entry = target
            .get(found)
            .filter(|entry| entry.kind == EntryKind::Directory)?;
        let mode = entry.mode.and_then(opened_mode)?;
        let attrs = Attributes {
            permissions: Some(mode),
            ..Attributes::default()
        };
        Some((path.to_vec(), attrs))
    });
    closed.collect()
}

/// The number of directories in which a path lies.
pub(super) fn depth(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: EntryKind, mode: Option<u32>) -> TreeEntry {
        TreeEntry {
            path: path.into(),
            kind,
            mode,
            modified: None,
            link: None,
        }
    }

    #[test]
    fn only_closed_directories_with_changes_are_opened() {
        let directory = EntryKind::Directory;
        let mut target = vec![
            entry(b"closed", directory, Some(0o555)),
            entry(b"closed/deep", directory, Some(0o500)),
            entry(b"file", EntryKind::File(1), Some(0o444)),
            entry(b"open", directory, Some(0o755)),
            entry(b"other", directory, Some(0o555)),
            entry(b"unknown", directory, None),
        ];
        target.sort_by(|left, right| order(&left.path, &right.path));
        let paths: [&[u8]; 6] = [
            b"top",
            b"closed/a",
            b"closed/deep/b",
            b"open/a",
            b"file/x",
            b"unknown/a",
        ];
        let opened = closed(&target, paths.into_iter());
        let opened: Vec<(&[u8], Option<u32>)> = opened
            .iter()
            .map(|(path, attrs)| (&path[..], attrs.permissions))
            .collect();
        assert_eq!(
            opened,
            [(&b"closed"[..], Some(0o755)), (b"closed/deep", Some(0o700))]
        );
    }

    #[test]
    fn the_innermost_directories_are_set_first() {
        let source = [&b"a"[..], b"a/b", b"a/b/c", b"d"].map(|path| entry(path, EntryKind::Directory, None));
        let mut directories = ChangedDirectories::default();
        directories.touch(b"a/b/file");
        directories.add(b"a");
        directories.differs(b"d");
        let levels = directories.levels(&source);
        let paths: Vec<Vec<&[u8]>> = levels
            .iter()
            .map(|level| level.iter().map(|entry| &*entry.path).collect())
            .collect();
        assert_eq!(paths, [vec![&b"a/b"[..]], vec![b"a", b"d"]]);
        assert!(directories.is_different(b"d") && !directories.is_different(b"a"));
    }
}
