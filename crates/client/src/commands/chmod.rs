//! `chmod`: sets permissions of files on the server, with `-R` of all in a directory. Links in directories are left
//! alone: setting them would reach what they point to.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::mode_change::ModeChange;
use super::session::{RemotePath, Session};
use super::tree_reader::{TreeEvent, TreeReader};
use super::verb::Verb;
use crate::link::{Link, RemoteError};
use crate::names::join;
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
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        for found in session.matching(&link, word).await? {
            code = code.max(change(session, args, &link, found).await);
        }
    }
    Ok(code)
}

/// Changes the permissions of a path that was named, and returns the exit code.
async fn change(session: &Session, args: &ChmodArgs, link: &Arc<Link>, found: RemotePath) -> u8 {
    let complain = |failed: &RemoteError| {
        session.complain(&found.shown, &format!("cannot set its permissions: {failed}"));
        1
    };
    if !args.recursive && !args.mode.needs_mode() {
        return match set(link, &found.path, args.mode.apply(0, false)).await {
            Ok(()) => 0,
            Err(failed) => complain(&failed),
        };
    }
    let attrs = match link.stat(&found.path).await {
        Ok(attrs) => attrs,
        Err(failed) => return complain(&failed),
    };
    let is_directory = attrs.is_directory() == Some(true);
    if args.recursive && is_directory {
        return tree(session, args, link, found, attrs).await;
    }
    match changed(args, link, &found.path, &attrs).await {
        Ok(()) => 0,
        Err(failed) => complain(&failed),
    }
}

async fn changed(
    args: &ChmodArgs,
    link: &Link,
    path: &[u8],
    attrs: &Attributes,
) -> std::result::Result<(), RemoteError> {
    match new_mode(args, attrs) {
        Some(mode) => set(link, path, mode).await,
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

async fn set(link: &Link, path: &[u8], mode: u32) -> std::result::Result<(), RemoteError> {
    let attrs = Attributes {
        permissions: Some(mode),
        ..Attributes::default()
    };
    link.set(path, &attrs).await
}

/// Changes a directory and all that is in it. Directories that lose permissions are changed last, because they could
/// not be read any more.
async fn tree(
    session: &Session,
    args: &ChmodArgs,
    link: &Arc<Link>,
    top: RemotePath,
    attrs: Attributes,
) -> u8 {
    let mut run = TreeRun {
        session,
        args,
        link,
        later: Vec::new(),
        code: 0,
    };
    run.directory(top.shown.clone(), &top.path, attrs).await;
    let mut reader = TreeReader::new(link, top.path, top.shown.clone());
    while let Some(event) = reader.next().await {
        let (directory, shown, entries) = match event {
            TreeEvent::Entries(batch) => (batch.path, batch.known, batch.entries),
            TreeEvent::End(_, None) => continue,
            TreeEvent::End(directory, Some(failed)) => {
                run.fail(&directory.known, &format!("cannot list the directory: {failed}"));
                continue;
            }
            TreeEvent::Lost(lost) => {
                run.fail(&top.shown, &lost);
                return run.code;
            }
        };
        for entry in entries.iter().filter(|entry| !entry.attrs.is_symlink()) {
            if link.channel.is_lost() {
                // The reader says so next.
                break;
            }
            let (path, shown) = (join(&directory, &entry.name), join(&shown, &entry.name));
            if entry.attrs.is_directory() != Some(true) {
                if let Err(failed) = changed(args, link, &path, &entry.attrs).await {
                    run.fail(&shown, &format!("cannot set its permissions: {failed}"));
                }
                continue;
            }
            run.directory(shown.clone(), &path, entry.attrs).await;
            if let Err(why) = reader.enter(&entry.name, shown.clone()) {
                run.fail(&shown, &why);
            }
        }
    }
    for (shown, path, mode) in std::mem::take(&mut run.later).into_iter().rev() {
        if let Err(failed) = set(link, &path, mode).await {
            run.fail(&shown, &format!("cannot set its permissions: {failed}"));
        }
    }
    run.code
}

/// One run through a tree.
struct TreeRun<'a> {
    session: &'a Session,
    args: &'a ChmodArgs,
    link: &'a Arc<Link>,
    /// Directories that are changed at the end: what is shown of them, their paths, and their permissions.
    later: Vec<(Vec<u8>, Vec<u8>, u32)>,
    code: u8,
}

impl TreeRun<'_> {
    fn fail(&mut self, shown: &[u8], why: &dyn std::fmt::Display) {
        self.code = 1;
        self.session.complain(shown, why);
    }

    /// Changes a directory, now if that only adds permissions.
    async fn directory(&mut self, shown: Vec<u8>, path: &[u8], attrs: Attributes) {
        let Some(mode) = new_mode(self.args, &attrs) else {
            return self.fail(&shown, &"the server does not say its permissions");
        };
        let before = attrs.permissions.unwrap_or(0o7777) & 0o7777;
        if before & !mode != 0 {
            self.later.push((shown, path.to_vec(), mode));
        } else if let Err(failed) = set(self.link, path, mode).await {
            self.fail(&shown, &format!("cannot set its permissions: {failed}"));
        }
    }
}
