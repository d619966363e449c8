//! Finds the files of a transfer: names, directories with their contents, and the destination of each. It creates
//! directories, and transfers nothing.
//!
//! Symbolic links to files are followed, and those to directories are left out, unless an option says otherwise. What
//! is left out or cannot be read is printed and counted, and the rest goes on. Names from the server become local only
//! if they are a single component.

use std::ffi::OsStr;
use std::fs::{DirEntry, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};

use super::left_out::leave_out;
use super::links::FoundLink;
use super::prefetch::{Prefetch, Prefetched};
use super::target_directory::{make_local, open_local, open_remote, remote_directory};
use crate::branch::{Branch, FileId};
use crate::link::{Answered as _, Link, Name, RemoteError};
use crate::local_attributes::local_attributes;
use crate::names::{is_single_name, join};
use crate::plan::ExistingEntry;
use crate::symlinks::LinkRule;
use crate::transfer::progress_hub::ProgressHub;
use crate::transfer::{Direction, Job};
use crate::unmade::{NamesBelow, UnmadeDirectories};
use base::error::Error;
use base::visible::printable;

/// Trees that are deeper than this are not walked: a malicious server could present an endless one.
pub(super) const MAX_DEPTH: usize = 512;
/// The most files of one run, because a malicious server could present names without end.
const MAX_JOBS: usize = 20_000_000;

/// Why a link to a directory is left out.
const LINK_TO_DIRECTORY: &str =
    "a link to a directory (hint: --follow copies what it points to, --links the link)";
/// Why a link is left out that leads back to where it was found.
const LOOP: &str = "a link to a directory that contains it";

/// A directory of this machine that is to be walked through, with those above it.
type LocalDirectory = (PathBuf, Metadata, Arc<Branch<FileId>>);
/// The target and the attributes of a directory of the server that is to be walked through, with those above it.
type RemoteDirectory = (PathBuf, Attributes, Arc<Branch<Vec<u8>>>);

/// The files and directories that a walk has found.
#[derive(Default)]
pub struct WalkResult {
    /// The files that are to be transferred.
    pub jobs: Vec<Job>,
    /// Directories on the server whose times and permissions are set at the end.
    pub remote_directories: Vec<(Vec<u8>, Attributes)>,
    /// Directories of this machine whose times and permissions are set at the end.
    pub local_directories: Vec<(PathBuf, Attributes)>,
    /// The links that are copied as links.
    pub links: Vec<FoundLink>,
    /// How many links and special files are left out.
    pub left_out: u64,
    /// How many names could not be read or made.
    pub failed: u64,
}

impl WalkResult {
    /// Whether nothing was found but files that are transferred.
    pub fn has_only_jobs(&self) -> bool {
        self.links.is_empty() && self.left_out == 0 && self.failed == 0
    }
}

/// Walks through directories, creates the target directories, and reports what is left out.
pub struct Walk<'a> {
    /// The connection to the server.
    pub link: Arc<Link>,
    /// The hub to which skipped and failed files are reported.
    pub hub: &'a ProgressHub,
    /// Whether the contents of directories are included.
    pub recursive: bool,
    /// What is done with symbolic links.
    pub links: LinkRule,
    /// Whether directories get the permissions of the source at the end, so that they can be opened until then.
    pub preserve: bool,
    /// The files and directories that were found so far.
    pub found: WalkResult,
}

impl Walk<'_> {
    fn fail(&mut self, name: &[u8], why: &dyn std::fmt::Display) {
        self.found.failed += 1;
        self.hub.fail(name, &why.to_string());
    }

    fn leave_out(&mut self, name: &[u8], why: &str) {
        self.found.left_out += 1;
        self.hub.left_out(&format!("{}: skipped: {why}", printable(name)));
    }

    /// Reports a directory that could not be made, with what is left out below it.
    fn fail_unmade(&mut self, directory: &[u8], why: &str, below: NamesBelow) {
        self.found.left_out += below.count;
        self.fail(directory, &below.behind(why));
    }

    /// Walks through a file or directory of this machine that goes to `remote`.
    pub async fn up(
        &mut self,
        local: &Path,
        remote: Vec<u8>,
        destination: Option<ExistingEntry>,
    ) -> Result<(), RemoteError> {
        let name = local.as_os_str().as_bytes();
        if self.links == LinkRule::Copy && !name.ends_with(b"/") && local.is_symlink() {
            let link = FoundLink::up(local.to_owned(), remote);
            self.found.links.push(link);
            return Ok(());
        }
        let meta = match std::fs::metadata(local) {
            Ok(meta) => meta,
            Err(error) => {
                self.fail(name, &Error::new("cannot look at it").because(error));
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
        let root = Branch::root(FileId::of(&meta));
        prefetch.push(remote, (local.to_owned(), meta, root));
        while let Some(Prefetched {
            path: remote,
            known: (local, meta, branch),
            answer,
        }) = prefetch.next().await
        {
            let known = match answer {
                Ok(known) => known,
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                Err(failed) => {
                    let why = format!("cannot make the directory on the server: {failed}");
                    self.fail_unmade(&remote, &why, NamesBelow::of_local(&local));
                    continue;
                }
            };
            let attrs = local_attributes(&meta);
            if self.preserve {
                open_remote(&self.link, &remote, &attrs).await?;
            }
            self.found.remote_directories.push((remote.clone(), attrs));
            let entries = match std::fs::read_dir(&local).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
                Ok(entries) => entries,
                Err(error) => {
                    let why = Error::new("cannot read the directory").because(error);
                    self.fail(local.as_os_str().as_bytes(), &why);
                    continue;
                }
            };
            for entry in entries {
                let name = entry.file_name();
                let destination = known.get(name.as_bytes()).copied();
                let destination = destination.unwrap_or(Some(ExistingEntry::Nothing));
                let target = join(&remote, name.as_bytes());
                if let Some((path, directory)) = self.entry_up(&entry, target, &branch, destination) {
                    prefetch.push(path, directory);
                }
            }
        }
        Ok(())
    }

    /// Takes an entry of a directory of this machine. A directory is returned, to be walked through.
    fn entry_up(
        &mut self,
        entry: &DirEntry,
        target: Vec<u8>,
        branch: &Arc<Branch<FileId>>,
        destination: Option<ExistingEntry>,
    ) -> Option<(Vec<u8>, LocalDirectory)> {
        let path = entry.path();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if is_link && self.links == LinkRule::Copy {
            self.found.links.push(FoundLink::up(path, target));
            return None;
        }
        let name = path.as_os_str().as_bytes();
        match std::fs::metadata(&path) {
            Err(error) => self.fail(name, &Error::new("cannot look at it").because(error)),
            Ok(meta) if meta.is_dir() && is_link && self.links != LinkRule::Follow => {
                self.leave_out(name, LINK_TO_DIRECTORY)
            }
            Ok(meta) if meta.is_dir() && branch.contains(&FileId::of(&meta)) => self.leave_out(name, LOOP),
            Ok(meta) if meta.is_dir() && branch.depth() >= MAX_DEPTH => self.fail(name, &"nested too deeply"),
            Ok(meta) if meta.is_dir() => {
                let below = branch.below(FileId::of(&meta));
                return Some((target, (path, meta, below)));
            }
            Ok(meta) if !meta.is_file() => self.leave_out(name, "not a regular file"),
            Ok(meta) => self.push_up(path, target, &meta, destination),
        }
        None
    }

    /// Walks through a file or directory of the server that goes to `local`.
    pub async fn down(&mut self, remote: Vec<u8>, local: PathBuf) -> Result<(), RemoteError> {
        if self.links == LinkRule::Copy && !remote.ends_with(b"/") {
            let itself = self.link.lstat(&remote).await.unless_refused()?;
            if itself.is_some_and(|attrs| attrs.is_symlink()) {
                self.found.links.push(FoundLink::down(remote, local, 0));
                return Ok(());
            }
        }
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

    /// The path of a directory of the server without links, if links are followed.
    async fn real(&self, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
        if self.links != LinkRule::Follow {
            return Ok(path.to_vec());
        }
        let real = self.link.realpath(path).await.unless_refused()?;
        // A server without REALPATH: the depth still ends the walk.
        Ok(real.unwrap_or_else(|| path.to_vec()))
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
        let root = Branch::root(self.real(&remote).await?);
        let mut unmade = UnmadeDirectories::default();
        prefetch.push(remote, (local, attrs, root));
        while let Some(Prefetched {
            path: remote,
            known: (local, attrs, branch),
            answer,
        }) = prefetch.next().await
        {
            if !unmade.covers(&remote)
                && let Err(error) = make_local(&local)
            {
                let why = Error::new("cannot make the directory").because(error);
                unmade.add(&remote, local.as_os_str().as_bytes(), why.to_string());
            }
            let listed = match answer {
                Ok(listed) => listed,
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
                Err(_) if unmade.covers(&remote) => continue,
                Err(failed) => {
                    self.fail(&remote, &format!("cannot list the directory: {failed}"));
                    continue;
                }
            };
            if unmade.covers(&remote) {
                for (path, attrs) in leave_out(&mut unmade, &remote, listed) {
                    prefetch.push(path, (local.clone(), attrs, Arc::clone(&branch)));
                }
                continue;
            }
            if self.preserve && attrs.permissions.is_some() {
                open_local(&local);
            }
            self.found.local_directories.push((local.clone(), attrs));
            for entry in listed {
                let into = self.entry_down(&entry, (&remote, &local), &branch).await?;
                if let Some((path, directory)) = into {
                    prefetch.push(path, directory);
                }
            }
        }
        for directory in unmade.into_directories() {
            self.fail_unmade(&directory.shown, &directory.why, directory.below);
        }
        Ok(())
    }

    /// Takes an entry of a directory of the server, which goes from the first to the second of the directories. A
    /// directory is returned, to be walked through.
    async fn entry_down(
        &mut self,
        entry: &Name,
        (remote, local): (&[u8], &Path),
        branch: &Arc<Branch<Vec<u8>>>,
    ) -> Result<Option<(Vec<u8>, RemoteDirectory)>, RemoteError> {
        if !is_single_name(&entry.name) {
            let why = "the server sent a name that would leave the directory";
            self.fail(&entry.name, &why);
            return Ok(None);
        }
        let path = join(remote, &entry.name);
        let target = local.join(OsStr::from_bytes(&entry.name));
        let is_link = entry.attrs.is_symlink();
        if is_link && self.links == LinkRule::Copy {
            let link = FoundLink::down(path, target, branch.depth());
            self.found.links.push(link);
            return Ok(None);
        }
        let attrs = match entry.attrs.file_type() {
            Some(FileType::Symlink) | None => self.link.stat(&path).await,
            Some(_) => Ok(entry.attrs),
        };
        let attrs = match attrs {
            Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
            Err(failed) => {
                self.fail(&path, &failed);
                return Ok(None);
            }
            Ok(attrs) => attrs,
        };
        match attrs.file_type() {
            Some(FileType::Directory) if is_link && self.links != LinkRule::Follow => {
                self.leave_out(&path, LINK_TO_DIRECTORY)
            }
            Some(FileType::Directory) if branch.depth() >= MAX_DEPTH => {
                self.fail(&path, &"nested too deeply")
            }
            Some(FileType::Directory) => {
                let real = match is_link {
                    true => self.real(&path).await?,
                    false => join(branch.key(), &entry.name),
                };
                match is_link && branch.contains(&real) {
                    true => self.leave_out(&path, LOOP),
                    false => return Ok(Some((path, (target, attrs, branch.below(real))))),
                }
            }
            Some(FileType::Regular) | None if self.found.jobs.len() < MAX_JOBS => {
                self.push_down(path, target, attrs)
            }
            _ => self.leave_out(&path, "not a regular file"),
        }
        Ok(None)
    }
}
