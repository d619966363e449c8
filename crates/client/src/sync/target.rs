//! The tree that is changed: one operation each, on this machine or on the server.
//!
//! Paths are those of listings, which lead nowhere outside. What is a link is removed, renamed or replaced itself, never
//! what it points to. What is done already counts as done, because a connection may break before the reply.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, renameat_with, utimensat};
use rustix::io::Errno;
use sftp_wire::{Attributes, Extension, Times};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::change_error::ChangeError;
use super::entry::{EntryKind, TreeEntry};
use super::list::below;
use crate::link::RemoteError;
use crate::names::join;
use crate::transfer::{Engine, RemoteWork};

/// How many operations are under way at once.
const AT_ONCE: usize = 64;

/// The tree that is changed.
#[derive(Clone)]
pub(super) enum TargetTree {
    /// A directory of this machine.
    Local(PathBuf),
    /// A directory of the server.
    Remote(Arc<Engine>, Vec<u8>),
}

/// Changes something on the server, on as many connections as it takes.
async fn change(engine: &Engine, work: RemoteWork<'_>) -> Result<(), ChangeError> {
    work.run(&engine.context).await?;
    Ok(())
}

/// The result of a removal. What is not there is removed.
fn gone(removed: io::Result<()>) -> Result<(), ChangeError> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

impl TargetTree {
    /// Does the same work for many items, some at once. Returns the items with the results, in their order; those that
    /// were not begun when `stop` was cancelled are left out.
    pub(super) async fn each<T, F>(
        &self,
        items: Vec<T>,
        stop: &CancellationToken,
        work: impl Fn(Self, T) -> F,
    ) -> Vec<(T, Result<(), ChangeError>)>
    where
        T: Clone + Send + 'static,
        F: Future<Output = Result<(), ChangeError>> + Send + 'static,
    {
        let mut results: BTreeMap<usize, (T, Result<(), ChangeError>)> = BTreeMap::new();
        let mut waiting = items.into_iter().enumerate();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && !stop.is_cancelled()
                && let Some((number, item)) = waiting.next()
            {
                let work = work(self.clone(), item.clone());
                running.spawn(async move { (number, (item, work.await)) });
            }
            match running.join_next().await {
                None => return results.into_values().collect(),
                Some(done) => results.extend(done.ok()),
            }
        }
    }

    /// Makes a directory. `b""` is the top of the tree.
    pub(super) async fn make(&self, path: &[u8]) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => {
                let path = below(top, path);
                match std::fs::create_dir(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        match std::fs::symlink_metadata(&path) {
                            Ok(meta) if meta.is_dir() => Ok(()),
                            _ => Err(error.into()),
                        }
                    }
                    made => Ok(made?),
                }
            }
            Self::Remote(engine, top) => change(engine, RemoteWork::Make(&join(top, path))).await,
        }
    }

    /// Removes a name. A directory must be empty.
    pub(super) async fn remove(&self, entry: &TreeEntry) -> Result<(), ChangeError> {
        match self {
            _ if entry.kind != EntryKind::Directory => self.unlink(&entry.path).await,
            Self::Local(top) => gone(std::fs::remove_dir(below(top, &entry.path))),
            Self::Remote(engine, top) => {
                let path = join(top, &entry.path);
                change(engine, RemoteWork::RemoveDirectory(&path)).await
            }
        }
    }

    /// Removes a name that is not a directory.
    pub(super) async fn unlink(&self, path: &[u8]) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => gone(std::fs::remove_file(below(top, path))),
            Self::Remote(engine, top) => change(engine, RemoteWork::Remove(&join(top, path))).await,
        }
    }

    /// Makes a link to this target. Nothing may have the name.
    pub(super) async fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => {
                let target = std::ffi::OsStr::from_bytes(target);
                Ok(std::os::unix::fs::symlink(target, below(top, path))?)
            }
            Self::Remote(engine, top) => change(engine, RemoteWork::Symlink(target, &join(top, path))).await,
        }
    }

    /// Whether a rename replaces what has the new name.
    pub(super) async fn replaces_by_rename(&self) -> Result<bool, ChangeError> {
        match self {
            Self::Local(_) => Ok(true),
            Self::Remote(engine, _) => {
                let link = engine.context.link().await?;
                Ok(link.channel.offers(Extension::PosixRename))
            }
        }
    }

    /// Sets times, and permissions if there are any. Links are not followed on this machine.
    pub(super) async fn set(&self, path: &[u8], attrs: &Attributes) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => Ok(set_local(&below(top, path), attrs)?),
            Self::Remote(engine, top) => change(engine, RemoteWork::Set(&join(top, path), attrs)).await,
        }
    }

    /// Renames a name to another path, which is relative to the top, or absolute. A link of that name is replaced.
    pub(super) async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => Ok(std::fs::rename(below(top, from), below(top, to))?),
            Self::Remote(engine, top) => {
                let (from, to) = (join(top, from), join(top, to));
                change(engine, RemoteWork::Rename(&from, &to)).await
            }
        }
    }

    /// Renames a name to another path, as [`TargetTree::rename`] does, unless something has that path.
    pub(super) async fn rename_to_new(&self, from: &[u8], to: &[u8]) -> Result<(), ChangeError> {
        match self {
            Self::Local(top) => {
                let (from, to) = (below(top, from), below(top, to));
                let flags = RenameFlags::NOREPLACE;
                match renameat_with(CWD, &from, CWD, &to, flags) {
                    // The file system does not know the flag.
                    Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(std::fs::rename(&from, &to)?),
                    renamed => Ok(renamed.map_err(io::Error::from)?),
                }
            }
            Self::Remote(engine, top) => {
                let (from, to) = (join(top, from), join(top, to));
                change(engine, RemoteWork::RenameToNew(&from, &to)).await
            }
        }
    }

    /// Whether something has the name.
    ///
    /// # Errors
    /// When that cannot be found out. Then the name must not be taken for free.
    pub(super) async fn exists(&self, path: &[u8]) -> Result<bool, ChangeError> {
        match self {
            Self::Local(top) => match std::fs::symlink_metadata(below(top, path)) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error.into()),
            },
            Self::Remote(engine, top) => {
                let there = RemoteWork::Look(&join(top, path)).run(&engine.context).await?;
                Ok(there.is_some())
            }
        }
    }

    /// The time of the last modification of a name. `None`: the target does not tell it.
    ///
    /// # Errors
    /// When this machine cannot look at the name, or the server can no longer be asked.
    pub(super) async fn modified(&self, path: &[u8]) -> Result<Option<u32>, ChangeError> {
        match self {
            Self::Local(top) => {
                use std::os::unix::fs::MetadataExt as _;
                let meta = std::fs::symlink_metadata(below(top, path))?;
                Ok(u32::try_from(meta.mtime()).ok())
            }
            Self::Remote(engine, top) => {
                match RemoteWork::Look(&join(top, path)).run(&engine.context).await {
                    Ok(there) => Ok(there.and_then(|attrs| attrs.times).map(|times| times.modified)),
                    // A drop box may show nothing.
                    Err(RemoteError::Refused { .. }) => Ok(None),
                    Err(failed) => Err(failed.into()),
                }
            }
        }
    }
}

fn set_local(path: &std::path::Path, attrs: &Attributes) -> io::Result<()> {
    if let Some(mode) = attrs.permissions {
        // A link has no permissions of its own.
        let meta = std::fs::symlink_metadata(path)?;
        if !meta.is_symlink() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o777))?;
        }
    }
    if let Some(Times { accessed, modified }) = attrs.times {
        let at = |seconds: u32| Timespec {
            tv_sec: i64::from(seconds),
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: at(accessed),
            last_modification: at(modified),
        };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_looked_at_is_not_taken_for_missing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let target = TargetTree::Local(dir.path().to_owned());
        for (path, expected) in [
            (&b"file"[..], Some(true)),
            (b"link", Some(true)),
            (b"missing", Some(false)),
            // It is not known what lies below a file.
            (b"file/below", None),
        ] {
            let name = String::from_utf8_lossy(path);
            assert_eq!(target.exists(path).await.ok(), expected, "{name}");
            assert_eq!(
                target.modified(path).await.is_ok(),
                expected == Some(true),
                "{name}"
            );
        }
    }
}
