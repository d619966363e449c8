//! `cp`: copies files on the server, with `-r` directories too. Links in directories are copied as links.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::{Attributes, FileType};

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::refusal::{refused, unless_lost};
use super::session::Session;
use super::tree_reader::{TreeEvent, TreeReader};
use super::verb::Verb;
use crate::link::{Answered as _, ConnectionLost, Link, Name, RemoteError, copy, symlink};
use crate::names::{join, last};
use crate::transfer::RemoteWork;
use base::error::{Error, Result};
use base::visible::printable;

/// Copy files on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport cp [OPTIONS] [USER@]HOST:PATH... [USER@]HOST:TARGET",
    after_help = "Examples:\n  \
    homeport cp HOST:config HOST:config.old\n  \
    homeport cp -r HOST:site HOST:backup/    a directory with its contents"
)]
pub struct CpArgs {
    /// Also copy directories with their contents.
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// Keep the times and permissions of files.
    #[arg(short, long)]
    pub preserve: bool,
    /// Do not replace files that exist.
    #[arg(short, long)]
    pub no_clobber: bool,
    /// A file and the name of its copy, or several files and the directory for their copies.
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for CpArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(cp(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn cp(session: &Arc<Session>, args: &CpArgs) -> Result<u8> {
    let Some((target, words)) = args.words.split_last() else {
        return Err(Error::new("cp needs a file and a name for its copy"));
    };
    let sources = NamedPaths::of(session, words).all().await?;
    let target = session.path(target);
    let is_directory = session
        .is_directory(&target)
        .await
        .map_err(refused("look at it"))?;
    if !is_directory && (sources.len() > 1 || target.ends_with(b"/") && !args.recursive) {
        return Err(
            Error::new(format!("\"{}\" is not a directory", printable(&target)))
                .hint("make it first, or name one that is there"),
        );
    }
    let mut job = CopyJob {
        session,
        args,
        code: 0,
    };
    let mut names = NamedPaths::known(session, sources);
    while let Some(source) = names.next().await? {
        let to = match is_directory {
            true => join(&target, last(&source.path)),
            false => target.clone(),
        };
        let copied = job.copy(source.path, to).await;
        copied.map_err(|lost| names.lost(lost))?;
    }
    Ok(job.code)
}

/// The result of a step whose refusals were reported.
type Reported = std::result::Result<(), ConnectionLost>;

/// The run of one command.
struct CopyJob<'a> {
    session: &'a Session,
    args: &'a CpArgs,
    code: u8,
}

impl CopyJob<'_> {
    fn fail(&mut self, path: &[u8], why: &dyn std::fmt::Display) {
        self.code = 1;
        self.session.complain(path, why);
    }

    /// Copies what has a name.
    async fn copy(&mut self, from: Vec<u8>, to: Vec<u8>) -> Reported {
        match unless_lost(self.session.stat(&from).await)? {
            Ok(attrs) if attrs.is_directory() == Some(true) => self.tree(from, to, attrs).await,
            Ok(attrs) => self.file(&from, &to, attrs).await,
            Err(failed) => {
                self.fail(&from, &failed);
                Ok(())
            }
        }
    }

    /// Copies one file. `attrs` are those of what it points to, if it is a link.
    async fn file(&mut self, from: &[u8], to: &[u8], attrs: Attributes) -> Reported {
        match attrs.file_type() {
            Some(FileType::Regular) | None => {}
            Some(FileType::Directory) => {
                self.fail(from, &"is a directory (hint: cp -r)");
                return Ok(());
            }
            Some(_) => {
                self.fail(from, &"is not a regular file");
                return Ok(());
            }
        }
        // What the server does not show may be there.
        let may_be_there = match self.session.lstat(to).await.unless_missing() {
            Ok(there) => there.is_some(),
            Err(RemoteError::ConnectionLost(lost)) => return Err(lost),
            Err(refusal) if self.args.no_clobber => {
                self.fail(to, &format!("cannot look whether it is there: {refusal}"));
                return Ok(());
            }
            Err(RemoteError::Refused { .. } | RemoteError::UnexpectedReply(_)) => true,
        };
        if self.args.no_clobber && may_be_there {
            return Ok(());
        }
        // Emptying the target would empty the source.
        if may_be_there && self.is_same(from, to).await? {
            self.fail(from, &"is the same file as its copy would be");
            return Ok(());
        }
        let copying = self
            .session
            .repeated(|link, again| copy_file(link, from, to, again));
        if let Err(failed) = unless_lost(copying.await)? {
            let to = printable(to);
            self.fail(from, &format!("cannot copy it to \"{to}\": {failed}"));
        } else if self.args.preserve {
            self.keep(to, attrs).await?;
        }
        Ok(())
    }

    /// Whether both paths lead to the same file, as far as names and links show.
    async fn is_same(&self, one: &[u8], other: &[u8]) -> std::result::Result<bool, ConnectionLost> {
        let (one, other) = tokio::try_join!(self.real(one), self.real(other))?;
        Ok(one.is_some() && one == other)
    }

    /// The path with links resolved. `None`: the server does not say it.
    async fn real(&self, path: &[u8]) -> std::result::Result<Option<Vec<u8>>, ConnectionLost> {
        self.session.realpath(path).await.unless_refused()
    }

    async fn keep(&mut self, path: &[u8], attrs: Attributes) -> Reported {
        let kept = Attributes {
            permissions: attrs.permissions.map(|mode| mode & 0o7777),
            times: attrs.times,
            ..Attributes::default()
        };
        let set = self.session.work(RemoteWork::Set(path, &kept)).await;
        if let Err(failed) = unless_lost(set)? {
            self.fail(path, &format!("cannot keep times and permissions: {failed}"));
        }
        Ok(())
    }

    /// Copies a directory with its contents.
    async fn tree(&mut self, from: Vec<u8>, to: Vec<u8>, attrs: Attributes) -> Reported {
        if !self.args.recursive {
            self.fail(&from, &"is a directory (hint: cp -r)");
            return Ok(());
        }
        if self.is_inside(&from, &to).await? {
            self.fail(&from, &"cannot be copied into itself");
            return Ok(());
        }
        if let Err(failed) = unless_lost(self.directory(&to).await)? {
            self.fail(&to, &format!("cannot make the directory: {failed}"));
            return Ok(());
        }
        // The times of a directory change with each new entry, so they are set at the end.
        let mut directories = vec![(to.clone(), attrs)];
        let mut tree = TreeReader::new(self.session, from, to);
        while let Some(event) = tree.next().await {
            let (from, to, entries) = match event {
                TreeEvent::Entries(batch) => (batch.path, batch.known, batch.entries),
                TreeEvent::End(_, None) => continue,
                TreeEvent::End(directory, Some(failed)) => {
                    self.fail(&directory.path, &format!("cannot list the directory: {failed}"));
                    continue;
                }
                TreeEvent::Lost(lost) => return Err(lost),
            };
            for entry in entries {
                let (source, target) = (join(&from, &entry.name), join(&to, &entry.name));
                if entry.attrs.is_directory() != Some(true) {
                    self.entry(&source, &target, &entry).await?;
                    continue;
                }
                match self.directory(&target).await {
                    Ok(()) => match tree.enter(&entry.name, target.clone()) {
                        Ok(()) => directories.push((target, entry.attrs)),
                        Err(why) => self.fail(&source, &why),
                    },
                    Err(RemoteError::ConnectionLost(lost)) => return Err(lost),
                    Err(failed) => self.fail(&target, &format!("cannot make the directory: {failed}")),
                }
            }
        }
        if self.args.preserve {
            for (path, attrs) in directories.into_iter().rev() {
                self.keep(&path, attrs).await?;
            }
        }
        Ok(())
    }

    /// Copies an entry of a directory that is not a directory itself.
    async fn entry(&mut self, from: &[u8], to: &[u8], entry: &Name) -> Reported {
        if !entry.attrs.is_symlink() {
            return self.file(from, to, entry.attrs).await;
        }
        if self.args.no_clobber && self.session.lstat(to).await.unless_refused()?.is_some() {
            return Ok(());
        }
        let copying = self.session.repeated(|link, _| copy_link(link, from, to));
        if let Err(failed) = unless_lost(copying.await)? {
            self.fail(from, &format!("cannot copy the link: {failed}"));
        }
        Ok(())
    }

    /// Makes a directory, unless it is there.
    async fn directory(&self, path: &[u8]) -> std::result::Result<(), RemoteError> {
        let making = self.session.repeated(|link, _| async move {
            match link.mkdir(path).await {
                Err(RemoteError::ConnectionLost(lost)) => Err(lost.into()),
                Err(refusal) => match link.is_directory(path).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(refusal),
                    Err(lost) => Err(lost.into()),
                },
                Ok(()) => Ok(()),
            }
        });
        making.await
    }

    /// Whether `to` is `from` or lies in it.
    async fn is_inside(&self, from: &[u8], to: &[u8]) -> std::result::Result<bool, ConnectionLost> {
        let Some(from) = self.real(from).await? else {
            return Ok(false);
        };
        // A target that does not exist yet lies where the directory above it is.
        let to = match self.real(to).await? {
            Some(to) => to,
            None => match self.real(crate::names::parent(to)).await? {
                Some(above) => join(&above, last(to)),
                None => return Ok(false),
            },
        };
        let rest = to.strip_prefix(&from[..]);
        Ok(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || from == b"/"))
    }
}

/// Copies the bytes of a file. When the connection broke at an earlier attempt, all of them are copied again.
async fn copy_file(
    link: Arc<Link>,
    from: &[u8],
    to: &[u8],
    again: bool,
) -> std::result::Result<(), RemoteError> {
    let copied = copy(&link, from, to).await;
    let is_denied = copied.as_ref().is_err_and(RemoteError::is_denied);
    // The earlier attempt was carried out, and the copy of a file that cannot be written cannot be written either.
    if !(again && is_denied && is_closed(&link, from).await? && is_closed(&link, to).await?) {
        return copied.map(drop);
    }
    let writable = Attributes {
        permissions: Some(0o600),
        ..Attributes::default()
    };
    link.set(to, &writable).await?;
    copy(&link, from, to).await.map(drop)
}

/// Whether the permissions of a file deny its owner to write it.
async fn is_closed(link: &Link, path: &[u8]) -> std::result::Result<bool, RemoteError> {
    let permissions = link.stat(path).await?.permissions;
    Ok(permissions.is_some_and(|mode| mode & 0o200 == 0))
}

/// Copies a link. A link that has the name is replaced.
async fn copy_link(link: Arc<Link>, from: &[u8], to: &[u8]) -> std::result::Result<(), RemoteError> {
    let target = link.readlink(from).await?;
    let there = link.lstat(to).await.unless_refused()?;
    if there.is_some_and(|attrs| attrs.is_symlink()) {
        // If that is refused, the server says why when the new one is made.
        link.remove(to).await.unless_refused()?;
    }
    symlink(&link, &target, to).await
}
