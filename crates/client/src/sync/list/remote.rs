//! Lists a tree of the server.

use std::collections::HashMap;
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};
use tokio::task::JoinSet;

use super::{Listing, MAX_DEPTH, MAX_ENTRIES, Scope, excluded};
use crate::link::{Answered as _, Link, Name, RemoteError};
use crate::names::{is_single_name, join, parent};
use crate::symlinks::stays_within;
use crate::sync::entry::{EntryKind, TreeEntry, from_outermost};

/// The number of directories, and of links, that are asked about at once.
const AT_ONCE: usize = 16;

/// Lists a directory of the server with all that is in it.
///
/// # Errors
/// When the connection is lost.
pub(in crate::sync) async fn list(
    link: &Arc<Link>,
    top: &[u8],
    scope: Scope<'_>,
) -> Result<Listing, RemoteError> {
    let mut lister = TreeLister {
        link,
        top,
        scope,
        followed: HashMap::new(),
        listing: Listing::default(),
    };
    if scope.follows_directories() {
        let real = real_path(link, top).await?;
        lister.followed.insert(Vec::new(), real);
    }
    let mut waiting = vec![Vec::new()];
    loop {
        let unclear = lister.list_all(waiting).await?;
        // These are directories that the server's listings did not call so, or that links stand for.
        waiting = lister.look_at(unclear).await?;
        if waiting.is_empty() {
            return Ok(lister.listing.finish());
        }
    }
}

/// The number of directories in which a path lies.
fn depth(path: &[u8]) -> usize {
    match path {
        b"" => 0,
        _ => path.iter().filter(|byte| **byte == b'/').count() + 1,
    }
}

/// The real path of a directory. A server without REALPATH leaves it as it is; the depth still ends the listing.
async fn real_path(link: &Link, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
    let real = link.realpath(path).await.unless_refused()?;
    Ok(real.unwrap_or_else(|| path.to_vec()))
}

/// A listing of a tree of the server, while it grows.
struct TreeLister<'a> {
    link: &'a Arc<Link>,
    top: &'a [u8],
    scope: Scope<'a>,
    /// The real paths of the top and of directories behind links, by their paths below the top.
    followed: HashMap<Vec<u8>, Vec<u8>>,
    listing: Listing,
}

impl TreeLister<'_> {
    /// Lists directories with all that is in them. Returns the names that have to be looked at one by one: those without a
    /// type, and links of a source.
    async fn list_all(&mut self, mut waiting: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RemoteError> {
        let looks_at_links = self.scope.follows_files() || self.scope.copies_links();
        let mut unclear = Vec::new();
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < AT_ONCE
                && let Some(directory) = waiting.pop()
            {
                let (link, place) = (Arc::clone(self.link), join(self.top, &directory));
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
                    self.listing
                        .fail_directory(&directory, "it is nested too deeply".to_owned());
                    continue;
                }
                Ok(names) => names,
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                Err(failed) => {
                    self.listing
                        .fail_directory(&directory, format!("cannot list the directory: {failed}"));
                    continue;
                }
            };
            for Name { name, attrs, .. } in names {
                let path = join(&directory, &name);
                let is_directory = attrs.is_directory() == Some(true);
                if !is_single_name(&name) {
                    let why = "the server sent a name that would leave the directory";
                    self.listing.fail(&name, why.to_owned());
                } else if self.listing.entries.len() >= MAX_ENTRIES {
                    let why = "the directory has too many names".to_owned();
                    self.listing.fail_directory(&directory, why);
                    break;
                } else if !self.listing.admits(self.scope, &path, is_directory) {
                    self.listing.entries.push(excluded(path));
                } else if attrs.file_type().is_none() || (attrs.is_symlink() && looks_at_links) {
                    unclear.push(path);
                } else {
                    if is_directory {
                        waiting.push(path.clone());
                    }
                    self.listing.entries.push(entry(path, &attrs, None));
                }
            }
        }
    }

    /// Looks at names one by one, and returns the directories among them.
    async fn look_at(&mut self, names: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RemoteError> {
        let mut directories = Vec::new();
        let mut names = names.into_iter();
        let mut asked = JoinSet::new();
        let wanted = WantedLook {
            follows_files: self.scope.follows_files(),
            follows_directories: self.scope.follows_directories(),
            copies_links: self.scope.copies_links(),
        };
        loop {
            while asked.len() < AT_ONCE
                && let Some(path) = names.next()
            {
                let (link, place) = (Arc::clone(self.link), join(self.top, &path));
                asked.spawn(async move { (path, wanted.look(&link, &place).await) });
            }
            match asked.join_next().await {
                None => return Ok(directories),
                Some(Ok((path, Ok(found)))) => {
                    let is_directory = self.add(path.clone(), found);
                    directories.extend(is_directory.then_some(path));
                }
                Some(Ok((_, Err(RemoteError::ConnectionLost(lost))))) => return Err(lost.into()),
                // It was removed meanwhile.
                Some(Ok((_, Err(failed)))) if failed.is_missing() => {}
                Some(Ok((path, Err(failed)))) => {
                    self.listing
                        .fail_directory(&path, format!("cannot look at it: {failed}"));
                }
                Some(Err(_)) => return Err(RemoteError::UnexpectedReply("attributes")),
            }
        }
    }

    /// Adds a name that was looked at. Returns whether it is a directory that is to be listed.
    fn add(&mut self, path: Vec<u8>, found: FoundName) -> bool {
        let FoundName {
            itself,
            followed,
            real,
            target,
        } = found;
        let loops = real.as_ref().is_some_and(|real| self.is_above(&path, real));
        let attrs = followed.filter(|_| !loops).unwrap_or(itself);
        if let Some(real) = real.filter(|_| !loops) {
            self.followed.insert(path.clone(), real);
        }
        // A link that leads out of the directory is not made on this machine, because files could be written through it.
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        let target = target.filter(|target| self.scope.takes_links_out() || stays_within(target, depth));
        let is_directory = attrs.is_directory() == Some(true);
        let takes_part = !is_directory || self.listing.admits(self.scope, &path, true);
        self.listing.entries.push(match takes_part {
            true => entry(path, &attrs, target),
            false => excluded(path),
        });
        is_directory && takes_part
    }

    /// Whether a real path is that of a directory in which the path lies.
    fn is_above(&self, path: &[u8], real: &[u8]) -> bool {
        let above = parent(path);
        let mut directories = std::iter::once(&b""[..]).chain(from_outermost(above));
        directories.any(|directory| real_of(&self.followed, directory) == real)
    }
}

/// The real path of a directory below the top. `followed` has the real paths of the top, and of directories behind links.
fn real_of(followed: &HashMap<Vec<u8>, Vec<u8>>, directory: &[u8]) -> Vec<u8> {
    let mut real = followed.get(&b""[..]).map_or(&[][..], Vec::as_slice);
    let mut rest = directory;
    for above in from_outermost(directory) {
        if let Some(known) = followed.get(above) {
            real = known;
            let behind = directory.get(above.len()..).unwrap_or_default();
            rest = behind.strip_prefix(b"/").unwrap_or(behind);
        }
    }
    join(real, rest)
}

/// What has to be known about a name that is looked at.
#[derive(Clone, Copy)]
struct WantedLook {
    follows_files: bool,
    follows_directories: bool,
    copies_links: bool,
}

/// What was found at a name.
struct FoundName {
    itself: Attributes,
    /// The attributes of what a link stands for.
    followed: Option<Attributes>,
    /// The real path of a directory for which a link stands.
    real: Option<Vec<u8>>,
    /// The path to which a link points that takes part as a link.
    target: Option<Vec<u8>>,
}

impl WantedLook {
    async fn look(self, link: &Link, path: &[u8]) -> Result<FoundName, RemoteError> {
        let itself = link.lstat(path).await?;
        let mut found = FoundName {
            itself,
            followed: None,
            real: None,
            target: None,
        };
        if !itself.is_symlink() {
            return Ok(found);
        }
        if self.copies_links {
            // It is there, even if the server says that it is not: then it takes no part, and nothing is deleted for it.
            found.target = link.readlink(path).await.unless_refused()?;
        }
        if self.follows_files {
            let followed = link.stat(path).await.unless_refused()?;
            let stands_for = |attrs: &Attributes| match attrs.file_type() {
                Some(FileType::Regular) => true,
                Some(FileType::Directory) => self.follows_directories,
                _ => false,
            };
            found.followed = followed.filter(stands_for);
        }
        if found
            .followed
            .is_some_and(|attrs| attrs.is_directory() == Some(true))
        {
            found.real = Some(real_path(link, path).await?);
        }
        Ok(found)
    }
}

fn entry(path: Vec<u8>, attrs: &Attributes, link: Option<Vec<u8>>) -> TreeEntry {
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
        link: link.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_path_of_a_directory_is_below_the_last_link() {
        let followed: HashMap<Vec<u8>, Vec<u8>> = [
            (&b""[..], &b"/real"[..]),
            (b"a/to-x", b"/x"),
            (b"a/to-x/b/to-y", b"/real/y"),
        ]
        .into_iter()
        .map(|(path, real)| (path.to_vec(), real.to_vec()))
        .collect();
        for (directory, expected) in [
            (&b""[..], &b"/real"[..]),
            (b"a", b"/real/a"),
            (b"a/to-x", b"/x"),
            (b"a/to-x/b", b"/x/b"),
            (b"a/to-x/b/to-y/c", b"/real/y/c"),
        ] {
            assert_eq!(real_of(&followed, directory), expected);
        }
    }
}
