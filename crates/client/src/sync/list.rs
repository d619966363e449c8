//! Lists a tree of this machine, or of the server, without what a filter excludes. It changes nothing.
//!
//! In a source, a link to a file stands for that file, and other links are listed as links. In a target, links are
//! never followed. What cannot be listed is reported as a failure, and takes no part.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};
use tokio::task::JoinSet;

use super::entry::{EntryKind, TreeEntry, sorted};
use super::filter::Filter;
use crate::link::{Link, Name, RemoteError};
use crate::local_attributes::local_attributes;
use crate::names::{is_single_name, join};
use base::error::Error;

/// Trees that are deeper than this are not listed: a malicious server could present an endless one.
const MAX_DEPTH: usize = 512;
/// The most names of one tree, because a malicious server could present names without end.
const MAX_ENTRIES: usize = 20_000_000;
/// The number of directories, and of links, that are asked about at once.
const AT_ONCE: usize = 16;

/// The side of a comparison that a tree is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Links to files stand for the files.
    Source,
    /// Links are links.
    Target,
}

/// Which names of a tree are listed, and how.
#[derive(Clone, Copy)]
struct Scope<'a> {
    role: Role,
    filter: &'a Filter,
}

/// The names of a tree.
#[derive(Debug, Default)]
pub struct Listing {
    /// The names, sorted.
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

    /// Sorts the names. A directory that could not be listed was noted a second time, which counts.
    fn finish(mut self) -> Self {
        self.entries
            .sort_by_key(|entry| entry.kind != EntryKind::Excluded);
        self.entries = sorted(self.entries);
        self
    }
}

fn excluded(path: Vec<u8>) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: EntryKind::Excluded,
        mode: None,
        modified: None,
    }
}

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
pub fn local(top: &Path, role: Role, filter: &Filter) -> Listing {
    let mut listing = Listing::default();
    let mut waiting = vec![(Vec::new(), 0)];
    while let Some((directory, depth)) = waiting.pop() {
        let place = below(top, &directory);
        let read = std::fs::read_dir(place).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = match read {
            _ if depth >= MAX_DEPTH => {
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
            let mut meta = std::fs::symlink_metadata(found.path());
            if role == Role::Source
                && meta.as_ref().is_ok_and(Metadata::is_symlink)
                && let Ok(followed) = std::fs::metadata(found.path())
                && followed.is_file()
            {
                meta = Ok(followed);
            }
            let is_directory = meta.as_ref().is_ok_and(Metadata::is_dir);
            match meta {
                _ if !filter.takes(&path, is_directory) => listing.entries.push(excluded(path)),
                // It was removed meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let error = Error::new("cannot look at it").because(error);
                    listing.fail_directory(&path, error.to_string());
                }
                Ok(meta) => {
                    if is_directory {
                        waiting.push((path.clone(), depth + 1));
                    }
                    let attrs = local_attributes(&meta);
                    listing.entries.push(TreeEntry {
                        path: path.into(),
                        kind: kind_of_local(&meta),
                        mode: attrs.permissions,
                        modified: attrs.times.map(|times| times.modified),
                    });
                }
            }
        }
    }
    listing.finish()
}

/// The place of a path in a tree of this machine.
pub(super) fn below(top: &Path, path: &[u8]) -> std::path::PathBuf {
    match path {
        b"" => top.to_owned(),
        _ => top.join(std::ffi::OsStr::from_bytes(path)),
    }
}

/// Lists a directory of the server with all that is in it.
///
/// # Errors
/// When the connection is lost.
pub async fn remote(
    link: &Arc<Link>,
    top: &[u8],
    role: Role,
    filter: &Filter,
) -> Result<Listing, RemoteError> {
    let mut listing = Listing::default();
    let mut waiting = vec![Vec::new()];
    loop {
        let unclear = list_all(link, top, Scope { role, filter }, waiting, &mut listing).await?;
        waiting = look_at(link, top, role, unclear, &mut listing).await?;
        if waiting.is_empty() {
            return Ok(listing.finish());
        }
        // These are directories that the server's listings did not call so.
        waiting.retain(|path| filter.takes(path, true));
    }
}

/// The number of directories in which a path lies.
fn depth(path: &[u8]) -> usize {
    match path {
        b"" => 0,
        _ => path.iter().filter(|byte| **byte == b'/').count() + 1,
    }
}

/// Lists directories with all that is in them. Returns the names that have to be looked at one by one: those without a
/// type, and links of a source.
async fn list_all(
    link: &Arc<Link>,
    top: &[u8],
    scope: Scope<'_>,
    mut waiting: Vec<Vec<u8>>,
    listing: &mut Listing,
) -> Result<Vec<Vec<u8>>, RemoteError> {
    let Scope { role, filter } = scope;
    let mut unclear = Vec::new();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < AT_ONCE
            && let Some(directory) = waiting.pop()
        {
            let (link, place) = (Arc::clone(link), join(top, &directory));
            asked.spawn(async move { (directory, link.list(&place).await) });
        }
        let Some(answer) = asked.join_next().await else {
            return Ok(unclear);
        };
        let Ok((directory, listed)) = answer else {
            return Err(RemoteError::UnexpectedReply("a listing"));
        };
        let names = match listed {
            Ok(_) if depth(&directory) >= MAX_DEPTH => {
                listing.fail_directory(&directory, "it is nested too deeply".to_owned());
                continue;
            }
            Ok(names) => names,
            Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
            Err(failed) => {
                listing.fail_directory(&directory, format!("cannot list the directory: {failed}"));
                continue;
            }
        };
        for Name { name, attrs, .. } in names {
            let path = join(&directory, &name);
            let is_directory = attrs.is_directory() == Some(true);
            if !is_single_name(&name) {
                let why = "the server sent a name that would leave the directory";
                listing.fail(&name, why.to_owned());
            } else if !filter.takes(&path, is_directory) {
                listing.entries.push(excluded(path));
            } else if listing.entries.len() >= MAX_ENTRIES {
                listing.fail_directory(&path, "there are too many names".to_owned());
            } else if attrs.file_type().is_none() || (attrs.is_symlink() && role == Role::Source) {
                unclear.push(path);
            } else {
                if is_directory {
                    waiting.push(path.clone());
                }
                listing.entries.push(entry(path, &attrs));
            }
        }
    }
}

/// Looks at names one by one, and returns the directories among them. A directory behind a link stays a link.
async fn look_at(
    link: &Arc<Link>,
    top: &[u8],
    role: Role,
    names: Vec<Vec<u8>>,
    listing: &mut Listing,
) -> Result<Vec<Vec<u8>>, RemoteError> {
    let mut directories = Vec::new();
    let mut names = names.into_iter();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < AT_ONCE
            && let Some(path) = names.next()
        {
            let (link, place) = (Arc::clone(link), join(top, &path));
            asked.spawn(async move { (path, attributes(&link, &place, role).await) });
        }
        match asked.join_next().await {
            None => return Ok(directories),
            Some(Ok((path, Ok(attrs)))) => {
                if attrs.is_directory() == Some(true) {
                    directories.push(path.clone());
                }
                listing.entries.push(entry(path, &attrs));
            }
            Some(Ok((_, Err(RemoteError::ConnectionLost(lost))))) => return Err(lost.into()),
            // It was removed meanwhile.
            Some(Ok((_, Err(failed)))) if failed.is_missing() => {}
            Some(Ok((path, Err(failed)))) => {
                listing.fail_directory(&path, format!("cannot look at it: {failed}"));
            }
            Some(Err(_)) => return Err(RemoteError::UnexpectedReply("attributes")),
        }
    }
}

/// The attributes of a name, or of the file to which a link of a source points.
async fn attributes(link: &Link, path: &[u8], role: Role) -> Result<Attributes, RemoteError> {
    let itself = link.lstat(path).await?;
    if role == Role::Target || !itself.is_symlink() {
        return Ok(itself);
    }
    let followed = link.stat(path).await.ok();
    let is_file = |attrs: &Attributes| attrs.file_type() == Some(FileType::Regular);
    Ok(followed.filter(is_file).unwrap_or(itself))
}

fn entry(path: Vec<u8>, attrs: &Attributes) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: match (attrs.file_type(), attrs.size) {
            (Some(FileType::Directory), _) => EntryKind::Directory,
            (Some(FileType::Symlink), _) => EntryKind::Link,
            (Some(FileType::Regular) | None, Some(size)) => EntryKind::File(size),
            _ => EntryKind::Special,
        },
        mode: attrs.permissions.map(|mode| mode & 0o777),
        modified: attrs.times.map(|times| times.modified),
    }
}
