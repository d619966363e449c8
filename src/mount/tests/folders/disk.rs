//! What lies in the storages of a test, and how it differs from what lay there before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The place of a name: the number of the storage, and the path in it, which begins with `/`.
pub(super) type NamedPlace = (usize, String);

/// What a name stands for on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) inode: u64,
    /// `d`, `f` or `l`: a directory, a file or a symbolic link.
    pub(super) kind: char,
    /// The permission bits; 0 for a link, which has none.
    pub(super) mode: u32,
    /// The content of a file, or the target of a link.
    pub(super) content: Vec<u8>,
}

/// Everything in all storages.
#[derive(Debug, Default)]
pub(super) struct Trees(BTreeMap<NamedPlace, TreeEntry>);

impl Trees {
    /// Reads all storages.
    pub(super) fn read(roots: &[PathBuf]) -> Self {
        let mut trees = Self::default();
        for (storage, root) in roots.iter().enumerate() {
            let root_entry = entry(root);
            trees.0.insert((storage, "/".to_owned()), root_entry);
            trees.read_below(storage, root, root);
        }
        trees
    }

    fn read_below(&mut self, storage: usize, root: &Path, directory: &Path) {
        for child in fs::read_dir(directory).unwrap() {
            let at = child.unwrap().path();
            let found = entry(&at);
            if found.kind == 'd' {
                self.read_below(storage, root, &at);
            }
            let name = format!("/{}", at.strip_prefix(root).unwrap().to_str().unwrap());
            self.0.insert((storage, name), found);
        }
    }

    pub(super) fn get(&self, storage: usize, name: &str) -> Option<&TreeEntry> {
        self.0.get(&(storage, name.to_owned()))
    }

    /// Returns what lies in one storage, by its path.
    pub(super) fn of(&self, storage: usize) -> impl Iterator<Item = (&str, &TreeEntry)> {
        let all = self.0.iter().filter(move |((of, _), _)| *of == storage);
        all.map(|((_, name), found)| (name.as_str(), found))
    }

    /// Returns the names in a directory.
    pub(super) fn names_in(&self, storage: usize, directory: &str) -> Vec<String> {
        let prefix = match directory {
            "/" => "/".to_owned(),
            other => format!("{other}/"),
        };
        let below = self
            .of(storage)
            .filter_map(|(name, _)| name.strip_prefix(&prefix));
        let children = below.filter(|name| !name.is_empty() && !name.contains('/'));
        children.map(str::to_owned).collect()
    }

    /// Returns how `after` differs.
    pub(super) fn changes_to(&self, after: &Self) -> TreeChanges {
        let mut changes = TreeChanges::default();
        for (place, old) in &self.0 {
            match after.0.get(place) {
                Some(new) if new.inode == old.inode => {
                    if new.content != old.content {
                        changes.rewritten.push(place.clone());
                    }
                    if new.mode != old.mode {
                        changes.chmodded.push(place.clone());
                    }
                }
                _ => changes.gone.push(place.clone()),
            }
        }
        for (place, new) in &after.0 {
            if self.0.get(place).is_none_or(|old| old.inode != new.inode) {
                changes.made.push(place.clone());
            }
        }
        changes
    }
}

/// How the storages differ after a step.
#[derive(Debug, Default)]
pub(super) struct TreeChanges {
    /// The names that are there no more, or stand for something else.
    pub(super) gone: Vec<NamedPlace>,
    /// The names that were not there, or stood for something else.
    pub(super) made: Vec<NamedPlace>,
    /// The names whose file has another content.
    pub(super) rewritten: Vec<NamedPlace>,
    /// The names of what has another mode.
    pub(super) chmodded: Vec<NamedPlace>,
}

impl TreeChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &NamedPlace> {
        let names = self.gone.iter().chain(&self.made);
        names.chain(&self.rewritten).chain(&self.chmodded)
    }
}

fn entry(at: &Path) -> TreeEntry {
    let meta = at.symlink_metadata().unwrap();
    let mode = meta.permissions().mode() & 0o7777;
    let (kind, mode, content) = match (meta.is_dir(), meta.is_file()) {
        (true, _) => ('d', mode, Vec::new()),
        (_, true) => ('f', mode, fs::read(at).unwrap()),
        _ => (
            'l',
            0,
            fs::read_link(at).unwrap().into_os_string().into_encoded_bytes(),
        ),
    };
    TreeEntry {
        inode: meta.ino(),
        kind,
        mode,
        content,
    }
}
