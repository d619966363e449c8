//! `chmod`: sets permissions of files on the server, with `-R` of all in a directory. Links in directories are left
//! alone: setting them would reach what they point to.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::mode_change::ModeChange;
use super::named_paths::NamedPaths;
use super::refusal::unless_lost;
use super::session::{RemotePath, Session};
use super::tree_reader::{TreeEvent, TreeReader};
use super::verb::Verb;
use crate::link::{ConnectionLost, RemoteError};
use crate::names::join;
use crate::transfer::RemoteWork;
use base::error::Result;

/// Change the permissions of files on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport chmod 640 HOST:notes.txt\n  \
    homeport chmod u+x,go-w HOST:'bin/*'\n  \
    homeport chmod -R a=rX HOST:site     readable; executable where it is, and directories")]
pub struct ChmodArgs {
    /// Also change all that is in directories.
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// The permissions: octal digits such as 644, or changes such as u+x,go-w or a=rX.
    #[arg(value_name = "MODE", allow_hyphen_values = true)]
    pub mode: ModeChange,
    /// The files, directories or patterns whose permissions are changed.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for ChmodArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(chmod(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            // The permissions.
            0 => &[],
            _ => &[Candidates::Remote],
        }
    }
}

async fn chmod(session: &Arc<Session>, args: &ChmodArgs) -> Result<u8> {
    let mut names = NamedPaths::of(session, &args.words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        let changed = change(session, args, found).await;
        code = code.max(changed.map_err(|lost| names.lost(lost))?);
    }
    Ok(code)
}

/// The exit code, unless there is no connection any more.
type ChangeResult = std::result::Result<u8, ConnectionLost>;

/// Changes the permissions of a path that was named, and returns the exit code.
async fn change(session: &Session, args: &ChmodArgs, found: RemotePath) -> ChangeResult {
    let path = &found.path[..];
    let changed = if !args.recursive && !args.mode.needs_mode() {
        set(session, path, args.mode.apply(0, false)).await
    } else {
        match session.stat(path).await {
            Ok(attrs) if args.recursive && attrs.is_directory() == Some(true) => {
                return tree(session, args, found, attrs).await;
            }
            Ok(attrs) => changed(session, args, path, &attrs).await,
            Err(failed) => Err(failed),
        }
    };
    let Err(failed) = unless_lost(changed)? else {
        return Ok(0);
    };
    session.complain(&found.shown, &format!("cannot set its permissions: {failed}"));
    Ok(1)
}

async fn changed(
    session: &Session,
    args: &ChmodArgs,
    path: &[u8],
    attrs: &Attributes,
) -> std::result::Result<(), RemoteError> {
    match new_mode(args, attrs) {
        Some(mode) => set(session, path, mode).await,
        None => Err(RemoteError::UnexpectedReply("the permissions of the file")),
    }
}

/// The permissions of a file after the change. `None`: the change depends on what the server does not say.
fn new_mode(args: &ChmodArgs, attrs: &Attributes) -> Option<u32> {
    let is_directory = attrs.is_directory() == Some(true);
    match (attrs.permissions, args.mode.needs_mode()) {
        (Some(mode), _) => Some(args.mode.apply(mode, is_directory)),
        (None, false) => Some(args.mode.apply(0, is_directory)),
        (None, true) => None,
    }
}

async fn set(session: &Session, path: &[u8], mode: u32) -> std::result::Result<(), RemoteError> {
    let attrs = Attributes {
        permissions: Some(mode),
        ..Attributes::default()
    };
    session.work(RemoteWork::Set(path, &attrs)).await.map(drop)
}

/// Changes a directory and all that is in it. Directories that lose permissions are changed last, because they could
/// not be read any more.
async fn tree(session: &Session, args: &ChmodArgs, top: RemotePath, attrs: Attributes) -> ChangeResult {
    let mut run = TreeRun {
        session,
        args,
        later: Vec::new(),
        code: 0,
    };
    run.directory(top.shown.clone(), &top.path, attrs).await?;
    let mut reader = TreeReader::new(session, top.path, top.shown);
    while let Some(event) = reader.next().await {
        let (directory, shown, entries) = match event {
            TreeEvent::Entries(batch) => (batch.path, batch.known, batch.entries),
            TreeEvent::End(_, None) => continue,
            TreeEvent::End(directory, Some(failed)) => {
                run.fail(&directory.known, &format!("cannot list the directory: {failed}"));
                continue;
            }
            TreeEvent::Lost(lost) => return Err(lost),
        };
        for entry in entries.iter().filter(|entry| !entry.attrs.is_symlink()) {
            let (path, shown) = (join(&directory, &entry.name), join(&shown, &entry.name));
            if entry.attrs.is_directory() != Some(true) {
                let changed = changed(session, args, &path, &entry.attrs).await;
                run.report(&shown, changed)?;
                continue;
            }
            run.directory(shown.clone(), &path, entry.attrs).await?;
            if let Err(why) = reader.enter(&entry.name, shown.clone()) {
                run.fail(&shown, &why);
            }
        }
    }
    for (shown, path, mode) in std::mem::take(&mut run.later).into_iter().rev() {
        let changed = set(session, &path, mode).await;
        run.report(&shown, changed)?;
    }
    Ok(run.code)
}

/// One run through a tree.
struct TreeRun<'a> {
    session: &'a Session,
    args: &'a ChmodArgs,
    /// Directories that are changed at the end: what is shown of them, their paths, and their permissions.
    later: Vec<(Vec<u8>, Vec<u8>, u32)>,
    code: u8,
}

impl TreeRun<'_> {
    fn fail(&mut self, shown: &[u8], why: &dyn std::fmt::Display) {
        self.code = 1;
        self.session.complain(shown, why);
    }

    /// Prints why permissions were refused, if they were.
    fn report(
        &mut self,
        shown: &[u8],
        changed: std::result::Result<(), RemoteError>,
    ) -> std::result::Result<(), ConnectionLost> {
        if let Err(failed) = unless_lost(changed)? {
            self.fail(shown, &format!("cannot set its permissions: {failed}"));
        }
        Ok(())
    }

    /// Changes a directory, now if that only adds permissions.
    async fn directory(
        &mut self,
        shown: Vec<u8>,
        path: &[u8],
        attrs: Attributes,
    ) -> std::result::Result<(), ConnectionLost> {
        let Some(mode) = new_mode(self.args, &attrs) else {
            self.fail(&shown, &"the server does not say its permissions");
            return Ok(());
        };
        let before = attrs.permissions.unwrap_or(0o7777) & 0o7777;
        if before & !mode != 0 {
            self.later.push((shown, path.to_vec(), mode));
            return Ok(());
        }
        let changed = set(self.session, path, mode).await;
        self.report(&shown, changed)
    }
}
