//! `cp`: copies files on the server, with `-r` directories too. Links in directories are copied as links.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::{Attributes, FileType};

use super::candidates::Candidates;
use super::session::Session;
use super::tree_reader::{TreeEvent, TreeReader};
use super::verb::Verb;
use crate::link::{Link, Name, RemoteError, copy, symlink};
use crate::names::{join, last};
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
    #[arg(short, long)]
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
    let link = session.link().await?;
    let Some((target, words)) = args.words.split_last() else {
        return Err(Error::new("cp needs a file and a name for its copy"));
    };
    let sources = session.matching_all(&link, words).await?;
    let target = session.path(target);
    let is_directory = is_directory(&link, &target).await;
    if !is_directory && (sources.len() > 1 || target.ends_with(b"/") && !args.recursive) {
        return Err(
            Error::new(format!("\"{}\" is not a directory", printable(&target)))
                .hint("make it first, or name one that is there"),
        );
    }
    let mut job = CopyJob {
        session,
        args,
        link,
        code: 0,
    };
    for source in sources {
        let to = match is_directory {
            true => join(&target, last(&source.path)),
            false => target.clone(),
        };
        match job.link.stat(&source.path).await {
            Err(failed) => job.fail(&source.path, &failed),
            Ok(attrs) if attrs.is_directory() == Some(true) => job.tree(source.path, to, attrs).await,
            Ok(attrs) => job.file(&source.path, &to, attrs).await,
        }
        if job.link.channel.is_lost() {
            break;
        }
    }
    Ok(job.code)
}

async fn is_directory(link: &Link, path: &[u8]) -> bool {
    let attrs = link.stat(path).await;
    attrs.is_ok_and(|attrs| attrs.is_directory() == Some(true))
}

/// The run of one command.
struct CopyJob<'a> {
    session: &'a Session,
    args: &'a CpArgs,
    link: Arc<Link>,
    code: u8,
}

impl CopyJob<'_> {
    fn fail(&mut self, path: &[u8], why: &dyn std::fmt::Display) {
        self.code = 1;
        self.session.complain(path, why);
    }

    /// Copies one file. `attrs` are those of what it points to, if it is a link.
    async fn file(&mut self, from: &[u8], to: &[u8], attrs: Attributes) {
        match attrs.file_type() {
            Some(FileType::Regular) | None => {}
            Some(FileType::Directory) => return self.fail(from, &"is a directory (hint: cp -r)"),
            Some(_) => return self.fail(from, &"is not a regular file"),
        }
        let there = self.link.lstat(to).await;
        if self.args.no_clobber && there.is_ok() {
            return;
        }
        // Emptying the target would empty the source.
        if there.is_ok() && self.is_same(from, to).await {
            return self.fail(from, &"is the same file as its copy would be");
        }
        if let Err(failed) = copy(&self.link, from, to).await {
            let to = printable(to);
            return self.fail(from, &format!("cannot copy it to \"{to}\": {failed}"));
        }
        if self.args.preserve {
            self.keep(to, attrs).await;
        }
    }

    /// Whether both paths lead to the same file, as far as names and links show.
    async fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        match tokio::join!(self.link.realpath(one), self.link.realpath(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
    }

    async fn keep(&mut self, path: &[u8], attrs: Attributes) {
        let kept = Attributes {
            permissions: attrs.permissions.map(|mode| mode & 0o7777),
            times: attrs.times,
            ..Attributes::default()
        };
        if let Err(failed) = self.link.set(path, &kept).await {
            self.fail(path, &format!("cannot keep times and permissions: {failed}"));
        }
    }

    /// Copies a directory with its contents.
    async fn tree(&mut self, from: Vec<u8>, to: Vec<u8>, attrs: Attributes) {
        if !self.args.recursive {
            return self.fail(&from, &"is a directory (hint: cp -r)");
        }
        if self.is_inside(&from, &to).await {
            return self.fail(&from, &"cannot be copied into itself");
        }
        if let Err(failed) = self.directory(&to).await {
            return self.fail(&to, &format!("cannot make the directory: {failed}"));
        }
        // The times of a directory change with each new entry, so they are set at the end.
        let mut directories = vec![(to.clone(), attrs)];
        let mut tree = TreeReader::new(&self.link, from, to);
        while let Some(event) = tree.next().await {
            let (from, to, entries) = match event {
                TreeEvent::Entries(batch) => (batch.path, batch.known, batch.entries),
                TreeEvent::End(_, None) => continue,
                TreeEvent::End(directory, Some(failed)) => {
                    self.fail(&directory.path, &format!("cannot list the directory: {failed}"));
                    continue;
                }
            };
            for entry in entries {
                let (source, target) = (join(&from, &entry.name), join(&to, &entry.name));
                if entry.attrs.is_directory() != Some(true) {
                    self.entry(&source, &target, &entry).await;
                    continue;
                }
                if let Err(failed) = self.directory(&target).await {
                    self.fail(&target, &format!("cannot make the directory: {failed}"));
                } else if let Err(why) = tree.enter(&entry.name, target.clone()) {
                    self.fail(&source, &why);
                } else {
                    directories.push((target, entry.attrs));
                }
            }
        }
        if self.args.preserve {
            for (path, attrs) in directories.into_iter().rev() {
                self.keep(&path, attrs).await;
            }
        }
    }

    /// Copies an entry of a directory that is not a directory itself.
    async fn entry(&mut self, from: &[u8], to: &[u8], entry: &Name) {
        if !entry.attrs.is_symlink() {
            return self.file(from, to, entry.attrs).await;
        }
        if self.args.no_clobber && self.link.lstat(to).await.is_ok() {
            return;
        }
        let made = match self.link.readlink(from).await {
            Ok(target) => {
                // A link that is there is replaced. If nothing is there, this does nothing.
                if self.link.lstat(to).await.is_ok_and(|attrs| attrs.is_symlink()) {
                    let _ = self.link.remove(to).await;
                }
                symlink(&self.link, &target, to).await
            }
            Err(failed) => Err(failed),
        };
        if let Err(failed) = made {
            self.fail(from, &format!("cannot copy the link: {failed}"));
        }
    }

    /// Makes a directory, unless it is there.
    async fn directory(&self, path: &[u8]) -> std::result::Result<(), RemoteError> {
        match self.link.mkdir(path).await {
            Err(_) if is_directory(&self.link, path).await => Ok(()),
            made => made,
        }
    }

    /// Whether `to` is `from` or lies in it.
    async fn is_inside(&self, from: &[u8], to: &[u8]) -> bool {
        let Ok(from) = self.link.realpath(from).await else {
            return false;
        };
        // A target that does not exist yet lies where the directory above it is.
        let real = match self.link.realpath(to).await {
            Ok(real) => real,
            Err(_) => match self.link.realpath(crate::names::parent(to)).await {
                Ok(above) => join(&above, last(to)),
                Err(_) => return false,
            },
        };
        real.strip_prefix(&from[..])
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || from == b"/")
    }
}
