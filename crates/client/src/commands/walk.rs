//! Finds the files of a transfer: names, directories with their contents, and the destination of each. It creates
//! directories, and transfers nothing.
//!
//! Symbolic links to files are followed; those to directories are skipped with a message, so that a walk ends. What
//! cannot be read is printed and counted, and the rest goes on. Names from the server become local only if they are a
//! single component.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};

use super::prefetch::{Prefetch, Prefetched};
use crate::link::Link;
use crate::link::RemoteError;
use crate::local_attributes::local_attributes;
use crate::names::{is_single_name, join, last};
use crate::plan::ExistingEntry;
use crate::transfer::progress_hub::ProgressHub;
use crate::transfer::{Direction, Job};
use base::visible::printable;

/// Trees that are deeper than this are not walked: a malicious server could present an endless one.
pub(super) const MAX_DEPTH: usize = 512;
/// The most files of one run, because a malicious server could present names without end.
const MAX_JOBS: usize = 20_000_000;

/// The files and directories that a walk has found.
#[derive(Default)]
pub struct WalkResult {
    /// The files that are to be transferred.
    pub jobs: Vec<Job>,
    /// Directories on the server whose times and permissions are set at the end.
    pub remote_directories: Vec<(Vec<u8>, Attributes)>,
    /// Directories of this machine whose times and permissions are set at the end.
    pub local_directories: Vec<(PathBuf, Attributes)>,
    /// How many names could not be read or made.
    pub failed: u64,
}

/// Walks through directories, creates the target directories, and reports what is left out.
pub struct Walk<'a> {
    /// The connection to the server.
    pub link: Arc<Link>,
    /// The hub to which skipped and failed files are reported.
    pub hub: &'a ProgressHub,
    /// Whether the contents of directories are included.
    pub recursive: bool,
    /// The files and directories that were found so far.
    pub found: WalkResult,
}

impl Walk<'_> {
    fn fail(&mut self, name: &[u8], why: &dyn std::fmt::Display) {
        self.found.failed += 1;
        self.hub.fail(&printable(name), &why.to_string());
    }

    fn skip(&self, name: &[u8], why: &str) {
        self.hub.warn(&format!("{}: skipped: {why}", printable(name)));
    }

    /// Walks through a file or directory of this machine that goes to `remote`.
    pub async fn up(
        &mut self,
        local: &Path,
        remote: Vec<u8>,
        destination: Option<ExistingEntry>,
    ) -> Result<(), RemoteError> {
        let name = local.as_os_str().as_bytes();
        let meta = match std::fs::metadata(local) {
            Ok(meta) => meta,
            Err(error) => {
                self.fail(name, &base::error::Error::new("cannot look at it").because(error));
                return Ok(());
            }
        };
        if meta.is_dir() {
            if !self.recursive {
                self.fail(name, &"is a directory (hint: -r)");
                return Ok(());
            }
            return self.tree_up(local, remote, meta).await;
        }
        self.push_up(local.to_owned(), remote, &meta, destination);
        Ok(())
    }

    fn push_up(
        &mut self,
        local: PathBuf,
        remote: Vec<u8>,
        meta: &Metadata,
        destination: Option<ExistingEntry>,
    ) {
        if !meta.is_file() {
            self.fail(local.as_os_str().as_bytes(), &"is not a regular file");
            return;
        }
        let size = meta.len();
        let direction = Direction::Up;
        self.found.jobs.push(Job {
            direction,
            local,
            remote,
            size,
            destination,
            known: None,
        });
    }

    async fn tree_up(&mut self, local: &Path, remote: Vec<u8>, meta: Metadata) -> Result<(), RemoteError> {
        let mut prefetch = Prefetch::new(&self.link, |link, path| {
            Box::pin(async move { remote_directory(&link, &path).await })
        });
        prefetch.push(remote, (local.to_owned(), meta, 0));
        while let Some(Prefetched {
            path: remote,
            known: (local, meta, depth),
            answer,
        }) = prefetch.next().await
        {
            let known = match answer {
                Ok(known) => known,
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                Err(failed) => {
                    self.fail(
                        &remote,
                        &format!("cannot make the directory on the server: {failed}"),
                    );
                    continue;
                }
            };
            let attrs = local_attributes(&meta);
            self.found.remote_directories.push((remote.clone(), attrs));
            let entries = match std::fs::read_dir(&local).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
                Ok(entries) => entries,
                Err(error) => {
                    self.fail(
                        local.as_os_str().as_bytes(),
                        &base::error::Error::new("cannot read the directory").because(error),
                    );
                    continue;
                }
            };
            for entry in entries {
                let (path, name) = (entry.path(), entry.file_name());
                let target = join(&remote, name.as_bytes());
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                match std::fs::metadata(&path) {
                    Err(error) => self.fail(
                        path.as_os_str().as_bytes(),
                        &base::error::Error::new("cannot look at it").because(error),
                    ),
                    Ok(meta) if meta.is_dir() && is_link => {
                        self.skip(path.as_os_str().as_bytes(), "a link to a directory")
                    }
                    Ok(meta) if meta.is_dir() && depth >= MAX_DEPTH => {
                        self.fail(path.as_os_str().as_bytes(), &"nested too deeply")
                    }
                    Ok(meta) if meta.is_dir() => prefetch.push(target, (path, meta, depth + 1)),
                    Ok(meta) if !meta.is_file() => {
                        self.skip(path.as_os_str().as_bytes(), "not a regular file")
                    }
                    Ok(meta) => {
                        let destination = known
                            .get(name.as_bytes())
                            .copied()
                            .unwrap_or(Some(ExistingEntry::Nothing));
                        self.push_up(path, target, &meta, destination);
                    }
                }
            }
        }
        Ok(())
    }

    /// Walks through a file or directory of the server that goes to `local`.
    pub async fn down(&mut self, remote: Vec<u8>, local: PathBuf) -> Result<(), RemoteError> {
        let attrs = match self.link.stat(&remote).await {
            Ok(attrs) => attrs,
            Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
            Err(failed) => {
                self.fail(&remote, &failed);
                return Ok(());
            }
        };
        match attrs.file_type() {
            Some(FileType::Directory) if !self.recursive => self.fail(&remote, &"is a directory (hint: -r)"),
            Some(FileType::Directory) => return self.tree_down(remote, local, attrs).await,
            Some(FileType::Regular) | None => self.push_down(remote, local, attrs),
            Some(_) => self.fail(&remote, &"is not a regular file"),
        }
        Ok(())
    }

    fn push_down(&mut self, remote: Vec<u8>, local: PathBuf, attrs: Attributes) {
        let size = attrs.size.unwrap_or(0);
        let direction = Direction::Down;
        self.found.jobs.push(Job {
            direction,
            local,
            remote,
            size,
            destination: None,
            known: Some(attrs),
        });
    }

    async fn tree_down(
        &mut self,
        remote: Vec<u8>,
        local: PathBuf,
        attrs: Attributes,
    ) -> Result<(), RemoteError> {
        let mut prefetch = Prefetch::new(&self.link, |link, path| {
            Box::pin(async move { link.list(&path).await })
        });
        prefetch.push(remote, (local, attrs, 0));
        while let Some(Prefetched {
            path: remote,
            known: (local, attrs, depth),
            answer,
        }) = prefetch.next().await
        {
            if let Err(error) = make_local(&local) {
                self.fail(
                    local.as_os_str().as_bytes(),
                    &base::error::Error::new("cannot make the directory").because(error),
                );
                continue;
            }
            let listed = match answer {
                Ok(listed) => listed,
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                Err(failed) => {
                    self.fail(&remote, &format!("cannot list the directory: {failed}"));
                    continue;
                }
            };
            self.found.local_directories.push((local.clone(), attrs));
            for entry in listed {
                if !is_single_name(&entry.name) {
                    self.fail(
                        &entry.name,
                        &"the server sent a name that would leave the directory",
                    );
                    continue;
                }
                let path = join(&remote, &entry.name);
                let target = local.join(OsStr::from_bytes(&entry.name));
                let is_link = entry.attrs.is_symlink();
                let attrs = match entry.attrs.file_type() {
                    Some(FileType::Directory | FileType::Regular) => Ok(entry.attrs),
                    Some(FileType::Symlink) | None => self.link.stat(&path).await,
                    Some(_) => {
                        self.skip(&path, "not a regular file");
                        continue;
                    }
                };
                match attrs {
                    Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                    Err(failed) => self.fail(&path, &failed),
                    Ok(attrs) => match attrs.file_type() {
                        Some(FileType::Directory) if is_link => self.skip(&path, "a link to a directory"),
                        Some(FileType::Directory) if depth >= MAX_DEPTH => {
                            self.fail(&path, &"nested too deeply")
                        }
                        Some(FileType::Directory) => prefetch.push(path, (target, attrs, depth + 1)),
                        Some(FileType::Regular) | None if self.found.jobs.len() < MAX_JOBS => {
                            self.push_down(path, target, attrs)
                        }
                        _ => self.skip(&path, "not a regular file"),
                    },
                }
            }
        }
        Ok(())
    }
}

/// Makes a directory on the server, or lists the one that is there. Returns what is known about each name in it.
async fn remote_directory(
    link: &Link,
    remote: &[u8],
) -> Result<HashMap<Vec<u8>, Option<ExistingEntry>>, RemoteError> {
    let refused = match link.mkdir(remote).await {
        Ok(()) => return Ok(HashMap::new()),
        Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
        Err(refused) => refused,
    };
    // The directory may exist. If it does not, the error of MKDIR says more than that of the listing.
    let listed = match link.list(remote).await {
        Ok(listed) => listed,
        Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
        Err(_) => return Err(refused),
    };
    let there = |attrs: &Attributes| match (attrs.file_type(), attrs.size) {
        (Some(FileType::Regular), Some(size)) => Some(ExistingEntry::File(size)),
        (Some(FileType::Directory), _) => Some(ExistingEntry::Directory),
        // A link has to be followed first.
        _ => None,
    };
    Ok(listed
        .iter()
        .map(|entry| (entry.name.to_vec(), there(&entry.attrs)))
        .collect())
}

fn make_local(directory: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether the path means the contents of a directory. As cp(1) has it, `DIR/.` is not copied as DIR, but into the
/// target.
pub fn is_inside(path: &[u8]) -> bool {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    matches!(
        path.rsplit(|byte| *byte == b'/').next(),
        None | Some(b"" | b"." | b"..")
    )
}

/// The place of a file of this machine in a directory of the server.
pub fn into_remote(directory: &[u8], local: &Path) -> Vec<u8> {
    match local.file_name() {
        Some(name) if !is_inside(local.as_os_str().as_bytes()) => join(directory, name.as_bytes()),
        _ => directory.to_vec(),
    }
}

/// The place of a file of the server in a directory of this machine.
pub fn into_local(directory: &Path, remote: &[u8]) -> PathBuf {
    // A path without a name, such as `/`, goes into the directory itself.
    match last(remote) {
        b"" => directory.to_owned(),
        name => directory.join(OsStr::from_bytes(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_copied_under_its_name_and_its_contents_without_it() {
        for (path, up, down) in [
            ("a/b", "/t/b", "to/b"),
            ("a/b/", "/t/b", "to/b"),
            ("/a/b/.", "/t", "to"),
            ("a/b/./", "/t", "to"),
            (".", "/t", "to"),
            ("a/..", "/t", "to"),
            ("/", "/t", "to"),
            ("", "/t", "to"),
            (".a", "/t/.a", "to/.a"),
        ] {
            assert_eq!(into_remote(b"/t", Path::new(path)), up.as_bytes(), "{path}");
            assert_eq!(
                into_local(Path::new("to"), path.as_bytes()),
                Path::new(down),
                "{path}"
            );
        }
    }
}
