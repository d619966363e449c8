//! Copies symbolic links as links, after all files.
//!
//! **Invariant:** on this machine, a link points to something in the directory that is fetched. Otherwise a server
//! could send a link to `/home/alice/.ssh`, and with the next transfer a file that is written through it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sftp_wire::{Attributes, Extension};
use tokio::task::JoinSet;

use crate::link::{Answered as _, ConnectionLost, Link, RemoteError};
use crate::plan::Policy;
use crate::symlinks::stays_within;
use crate::transfer::{
    Direction, Engine, ProgressAtBreak, RemoteWork, Settings, Summary, TransferContext, endings,
    temporary_name, with_ending,
};
use base::error::Clause;
use base::visible::printable;

/// How many links are copied at once: each costs some round trips, which they share.
const AT_ONCE: usize = 64;

/// A symbolic link that is copied as a link.
#[derive(Debug, Clone)]
pub struct FoundLink {
    direction: Direction,
    local: PathBuf,
    remote: Vec<u8>,
    /// How many directories of the transfer lie above the directory of the link.
    depth: usize,
}

/// What was done with a link.
enum CopiedLink {
    Made,
    Same,
    Skipped,
    /// It points out of the directory that is fetched. Holds the path to which it points.
    Outside(Vec<u8>),
}

/// Why a link was not copied.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("{0}")]
    ConnectionLost(ConnectionLost),
    #[error("cannot {0} on the server: {1}")]
    Remote(&'static str, RemoteError),
    #[error("cannot {what}: {}", Clause(.error))]
    Local { what: &'static str, error: io::Error },
    #[error("something else is there (hint: --overwrite, --skip, --rename or --update decides)")]
    Conflict,
    #[error(
        "something else is there, and which of the two is newer is not known (hint: --overwrite or --skip decides)"
    )]
    NoDates,
    #[error("a directory is there; it is not replaced by a link")]
    Directory,
    #[error("all other names are taken, too")]
    NoName,
}

impl LinkError {
    fn remote(what: &'static str) -> impl Fn(RemoteError) -> Self {
        move |failed| match failed {
            RemoteError::ConnectionLost(lost) => Self::ConnectionLost(lost),
            failed => Self::Remote(what, failed),
        }
    }

    fn local(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Local { what, error }
    }
}

/// Copies the links, and counts them in the summary. A failure does not stop the others.
pub(super) async fn copy_links(engine: &Arc<Engine>, links: Vec<FoundLink>, summary: &mut Summary) {
    let mut running = JoinSet::new();
    for link in links {
        if running.len() >= AT_ONCE
            && let Some(Ok((link, copied))) = running.join_next().await
        {
            count(engine, summary, &link, copied);
        }
        if engine.context.stop.is_cancelled() {
            summary.stopped = true;
            break;
        }
        let engine = Arc::clone(engine);
        running.spawn(async move {
            let copied = link.copy(&engine).await;
            (link, copied)
        });
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((link, copied)) => count(engine, summary, &link, copied),
            Err(_) => summary.failed += 1,
        }
    }
}

fn count(engine: &Engine, summary: &mut Summary, link: &FoundLink, copied: Result<CopiedLink, LinkError>) {
    let hub = &engine.context.hub;
    match copied {
        Ok(CopiedLink::Made) => summary.links += 1,
        Ok(CopiedLink::Same) => summary.same += 1,
        Ok(CopiedLink::Skipped) => summary.skipped += 1,
        Ok(CopiedLink::Outside(target)) => {
            summary.left_out += 1;
            let (name, target) = (printable(link.path()), printable(&target));
            hub.left_out(&format!(
                "{name}: skipped: the link points out of the directory that is fetched, to {target}"
            ));
        }
        Err(LinkError::ConnectionLost(lost)) => {
            summary.failed += 1;
            hub.not_done(&printable(link.path()), &lost.into());
        }
        Err(error) => {
            summary.failed += 1;
            hub.fail(link.path(), &error.to_string());
        }
    }
}

impl FoundLink {
    /// A link of this machine that goes to `remote`.
    pub(super) fn up(local: PathBuf, remote: Vec<u8>) -> Self {
        Self {
            direction: Direction::Up,
            local,
            remote,
            depth: 0,
        }
    }

    /// A link of the server that goes to `local`, which lies in a directory with `depth` others of the transfer above
    /// it.
    pub(super) fn down(remote: Vec<u8>, local: PathBuf, depth: usize) -> Self {
        Self {
            direction: Direction::Down,
            local,
            remote,
            depth,
        }
    }

    /// The path of the link that is copied.
    fn path(&self) -> &[u8] {
        match self.direction {
            Direction::Up => self.local.as_os_str().as_bytes(),
            Direction::Down => &self.remote,
        }
    }

    /// Copies the link, on as many connections as it takes.
    async fn copy(&self, engine: &Engine) -> Result<CopiedLink, LinkError> {
        let settings = &engine.context.settings;
        let hub = &engine.context.hub;
        let mut breaks = engine.context.breaks();
        loop {
            let link = engine.context.link().await;
            let link = link.map_err(LinkError::remote("make the link"))?;
            let copied = match self.direction {
                Direction::Up => self.copy_up(&link, &engine.context).await,
                Direction::Down => self.copy_down(&link, settings).await,
            };
            match copied {
                Err(LinkError::ConnectionLost(lost)) => {
                    let reached = ProgressAtBreak {
                        run: hub.done(),
                        file: 0,
                    };
                    if !breaks.allow_another(reached) {
                        return Err(LinkError::ConnectionLost(lost));
                    }
                }
                copied => {
                    hub.operation_ended();
                    return copied;
                }
            }
        }
    }

    /// Each step that changes something is repeated by itself when the connection breaks, because it may have been
    /// carried out: a look from the start would take our own link for another.
    async fn copy_up(&self, link: &Link, context: &TransferContext) -> Result<CopiedLink, LinkError> {
        let target = std::fs::read_link(&self.local).map_err(LinkError::local("read the link"))?;
        let target = target.as_os_str().as_bytes();
        let path = &self.remote;
        let there = match link.lstat(path).await {
            Err(failed) if failed.is_missing() => None,
            looked => Some(looked.map_err(LinkError::remote("look at the link"))?),
        };
        let Some(there) = there else {
            return make_remote(context, target, path).await;
        };
        if there.is_symlink()
            && link
                .readlink(path)
                .await
                .map_err(LinkError::remote("read the link"))?
                == target
        {
            return Ok(CopiedLink::Same);
        }
        let own = std::fs::symlink_metadata(&self.local).map(|meta| meta.mtime());
        let dates = (own.ok(), remote_date(&there));
        match policy(&context.settings, dates)? {
            Policy::Skip => Ok(CopiedLink::Skipped),
            Policy::Overwrite if there.is_directory() == Some(true) => Err(LinkError::Directory),
            Policy::Overwrite => {
                let renames = link.channel.offers(Extension::PosixRename);
                let replaced = replace_remote(context, target, path, renames).await;
                replaced.map_err(not_made)?;
                Ok(CopiedLink::Made)
            }
            Policy::Rename => {
                for ending in endings() {
                    let other = [&path[..], ending.as_bytes()].concat();
                    match link.lstat(&other).await {
                        Err(failed) if failed.is_missing() => {
                            return make_remote(context, target, &other).await;
                        }
                        looked => {
                            looked.map_err(LinkError::remote("look at the link"))?;
                        }
                    }
                }
                Err(LinkError::NoName)
            }
            Policy::Ask => Err(LinkError::Conflict),
        }
    }

    async fn copy_down(&self, link: &Link, settings: &Settings) -> Result<CopiedLink, LinkError> {
        let target = link.readlink(&self.remote).await;
        let target = target.map_err(LinkError::remote("read the link"))?;
        if !stays_within(&target, real_directories(&self.local, self.depth)) {
            return Ok(CopiedLink::Outside(target));
        }
        let (target, path) = (Path::new(OsStr::from_bytes(&target)), &self.local);
        let make = LinkError::local("make the link");
        let Ok(there) = std::fs::symlink_metadata(path) else {
            symlink(target, path).map_err(make)?;
            return Ok(CopiedLink::Made);
        };
        if there.is_symlink() && std::fs::read_link(path).is_ok_and(|old| old == target) {
            return Ok(CopiedLink::Same);
        }
        let own = match settings.update {
            true => Some(
                link.lstat(&self.remote)
                    .await
                    .map_err(LinkError::remote("look at the link"))?,
            ),
            false => None,
        };
        let dates = (own.as_ref().and_then(remote_date), Some(there.mtime()));
        match policy(settings, dates)? {
            Policy::Skip => Ok(CopiedLink::Skipped),
            Policy::Overwrite if there.is_dir() => Err(LinkError::Directory),
            Policy::Overwrite => {
                let temporary = OsString::from_vec(temporary_name(path.as_os_str().as_bytes()));
                // It may be there from an earlier run.
                let _ = std::fs::remove_file(&temporary);
                symlink(target, &temporary).map_err(&make)?;
                std::fs::rename(&temporary, path).map_err(make)?;
                Ok(CopiedLink::Made)
            }
            Policy::Rename => {
                for ending in endings() {
                    match symlink(target, with_ending(path, &ending)) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        made => return made.map(|()| CopiedLink::Made).map_err(make),
                    }
                }
                Err(LinkError::NoName)
            }
            Policy::Ask => Err(LinkError::Conflict),
        }
    }
}

/// The time of the last change of a file or link of the server, in seconds since 1970.
fn remote_date(attrs: &Attributes) -> Option<i64> {
    attrs.times.map(|times| i64::from(times.modified))
}

/// What is done about something else that has the name of a link. With `--update` their dates decide, as for files:
/// what is there is replaced if the link is newer. `dates` are those of the link and of what is there.
fn policy(settings: &Settings, dates: (Option<i64>, Option<i64>)) -> Result<Policy, LinkError> {
    match (settings.update, dates) {
        (false, _) => Ok(settings.conflicts),
        (true, (Some(own), Some(there))) if own > there => Ok(Policy::Overwrite),
        (true, (Some(_), Some(_))) => Ok(Policy::Skip),
        (true, _) => Err(LinkError::NoDates),
    }
}

/// How many of the `most` directories in which a path lies are directories themselves, the innermost first. Behind a
/// link, which may be from an earlier transfer, the next ones up are others than the path says.
fn real_directories(path: &Path, most: usize) -> usize {
    let directories = path.ancestors().skip(1).take(most);
    directories
        .take_while(|directory| !directory.is_symlink())
        .count()
}

/// Makes a link on the server where nothing has the name, on as many connections as it takes.
async fn make_remote(context: &TransferContext, target: &[u8], path: &[u8]) -> Result<CopiedLink, LinkError> {
    let made = RemoteWork::Symlink(target, path).run(context).await;
    made.map(|_| CopiedLink::Made).map_err(not_made)
}

/// The error of a step that has been repeated already. So a lost connection is final.
fn not_made(failed: RemoteError) -> LinkError {
    LinkError::Remote("make the link", failed)
}

/// Makes a link in the place of a file or another link, on as many connections as it takes. `renames`: the server's
/// rename replaces what has the new name.
async fn replace_remote(
    context: &TransferContext,
    target: &[u8],
    path: &[u8],
    renames: bool,
) -> Result<(), RemoteError> {
    if !renames {
        RemoteWork::Remove(path).run(context).await?;
        RemoteWork::Symlink(target, path).run(context).await?;
        return Ok(());
    }
    let temporary = temporary_name(path);
    // It may be there from an earlier run.
    RemoteWork::Remove(&temporary)
        .run(context)
        .await
        .unless_refused()?;
    RemoteWork::Symlink(target, &temporary).run(context).await?;
    RemoteWork::Rename(&temporary, path).run(context).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_above_a_link_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::create_dir_all(top.join("s/below")).unwrap();
        symlink("../../s", top.join("a/b/to-s")).unwrap();
        for (path, most, expected) in [
            ("link", 0, 0),
            ("a/link", 1, 1),
            ("a/b/link", 2, 2),
            ("a/b/to-s", 2, 2),
            ("a/b/to-s/link", 3, 0),
            ("a/b/to-s/below/link", 4, 1),
        ] {
            assert_eq!(real_directories(&top.join(path), most), expected, "{path}");
        }
    }
}
