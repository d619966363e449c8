//! Lists a tree of this machine.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::{Listing, MAX_DEPTH, Scope, below, excluded};
use crate::branch::{Branch, FileId};
use crate::local_attributes::local_attributes;
use crate::names::join;
use crate::sync::entry::{EntryKind, TreeEntry};
use base::error::Error;

fn kind_of_local(meta: &Metadata) -> EntryKind {
    let kind = meta.file_type();
    if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        EntryKind::Special
    } else {
        EntryKind::File(meta.len())
    }
}

/// Lists a directory of this machine with all that is in it.
pub(in crate::sync) fn list(top: &Path, scope: Scope<'_>) -> Listing {
    let mut listing = Listing::default();
    let root = match std::fs::metadata(top) {
        Ok(meta) => Branch::root(FileId::of(&meta)),
        Err(error) => {
            let error = Error::new("cannot list the directory").because(error);
            listing.fail_directory(b"", error.to_string());
            return listing.finish();
        }
    };
    let mut waiting = vec![(Vec::new(), root)];
    while let Some((directory, branch)) = waiting.pop() {
        let place = below(top, &directory);
        let read = std::fs::read_dir(place).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = match read {
            _ if branch.depth() >= MAX_DEPTH => {
                listing.fail_directory(&directory, "it is nested too deeply".to_owned());
                continue;
            }
            Ok(found) => found,
            Err(error) => {
                let error = Error::new("cannot list the directory").because(error);
                listing.fail_directory(&directory, error.to_string());
                continue;
            }
        };
        for found in found {
            let path = join(&directory, found.file_name().as_bytes());
            let meta = metadata(&found.path(), scope, &branch);
            let is_directory = meta.as_ref().is_ok_and(Metadata::is_dir);
            let entry = match meta {
                _ if !listing.admits(scope, &path, is_directory) => Ok(excluded(path.clone())),
                Ok(meta) => {
                    if is_directory {
                        waiting.push((path.clone(), branch.below(FileId::of(&meta))));
                    }
                    entry(&path, &found.path(), &meta, scope)
                }
                Err(error) => Err(error),
            };
            match entry {
                Ok(entry) => listing.entries.push(entry),
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let error = Error::new("cannot look at it").because(error);
                    listing.fail_directory(&path, error.to_string());
                }
            }
        }
    }
    listing.finish()
}

/// The attributes of a name in a directory, or of what it stands for if it is a link. A link that leads to a directory in
/// which it lies stays a link.
fn metadata(place: &Path, scope: Scope<'_>, branch: &Branch<FileId>) -> io::Result<Metadata> {
    let itself = std::fs::symlink_metadata(place)?;
    if !itself.is_symlink() || !scope.follows_files() {
        return Ok(itself);
    }
    let stands_for = |meta: &Metadata| {
        meta.is_file()
            || (meta.is_dir() && scope.follows_directories() && !branch.contains(&FileId::of(meta)))
    };
    let followed = std::fs::metadata(place).ok().filter(stands_for);
    Ok(followed.unwrap_or(itself))
}

fn entry(path: &[u8], place: &Path, meta: &Metadata, scope: Scope<'_>) -> io::Result<TreeEntry> {
    let attrs = local_attributes(meta);
    let link = match meta.is_symlink() && scope.copies_links() {
        true => Some(std::fs::read_link(place)?.into_os_string().into_vec().into()),
        false => None,
    };
    Ok(TreeEntry {
        path: path.into(),
        kind: kind_of_local(meta),
        mode: attrs.permissions,
        modified: attrs.times.map(|times| times.modified),
        link,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::symlinks::LinkRule;
    use crate::sync::filter::Filter;
    use crate::sync::list::Role;

    #[test]
    fn what_a_link_stands_for_depends_on_the_rule_and_the_side() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        std::fs::create_dir(top.join("d")).unwrap();
        std::fs::write(top.join("d/f"), "f").unwrap();
        symlink("d", top.join("to-d")).unwrap();
        symlink("d/f", top.join("to-f")).unwrap();
        symlink("..", top.join("d/loop")).unwrap();
        let source = "d directory, d/f file, d/loop link";
        for (links, role, expected) in [
            (
                LinkRule::Files,
                Role::Source,
                format!("{source}, to-d link, to-f file"),
            ),
            (
                LinkRule::Follow,
                Role::Source,
                format!("{source}, to-d directory, to-d/f file, to-d/loop link, to-f file"),
            ),
            (
                LinkRule::Copy,
                Role::Source,
                "d directory, d/f file, d/loop link .., to-d link d, to-f link d/f".to_owned(),
            ),
            (
                LinkRule::Follow,
                Role::Target,
                format!("{source}, to-d link, to-f link"),
            ),
            (
                LinkRule::Copy,
                Role::Target,
                "d directory, d/f file, d/loop link .., to-d link d, to-f link d/f".to_owned(),
            ),
        ] {
            let filter = Filter {
                links,
                ..Filter::default()
            };
            let listing = list(
                top,
                Scope {
                    role,
                    filter: &filter,
                },
            );
            let words = |entry: &TreeEntry| {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                let link = entry.link.as_deref().map(String::from_utf8_lossy);
                format!("{path} {} {}", entry.kind.name(), link.unwrap_or_default())
                    .trim_end()
                    .to_owned()
            };
            let found: Vec<String> = listing.entries.iter().map(words).collect();
            assert_eq!(found.join(", "), expected, "{links:?} {role:?}");
            assert!(listing.failures.is_empty());
        }
    }
}
