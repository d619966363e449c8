//! `rm`: removes files, and with `-r` directories with their contents. Links are removed, never followed.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::Request;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::prefetch::{Prefetch, Prefetched};
use super::refusal::unless_lost;
use super::session::Session;
use super::verb::Verb;
use super::walk::MAX_DEPTH;
use crate::link::{Answered as _, ConnectionLost, Link, RemoteError, done};
use crate::names::{is_single_name, join, last};
use crate::transfer::{RemoteWork, WorkAttempts};
use base::error::{Error, Result};
use base::visible::printable;

/// The number of removals that are under way at once.
const REMOVALS: usize = 64;

/// Remove files on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  homeport rm HOST:'*.tmp'\n  homeport rm -r HOST:old")]
pub struct RmArgs {
    /// Also remove directories with their contents.
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// Do not ask for confirmation, and ignore files that do not exist.
    #[arg(short, long)]
    pub force: bool,
    /// The files, directories or patterns to remove.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for RmArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(rm(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

/// Whether a removal was refused, and why.
type Removal = std::result::Result<(), String>;

async fn rm(session: &Arc<Session>, args: &RmArgs) -> Result<u8> {
    let mut names = NamedPaths::of(session, &args.words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        let removed = match last(&found.shown) {
            // An empty variable in a script must not remove the home. rm(1) refuses `.` and `..` as well.
            name if name.is_empty() || session.is_home(&found.path) => Err(
                "it is not removed, because it has no name of its own (hint: name what is in it)".to_owned(),
            ),
            _ => remove(session, args, &names, &found.path).await?,
        };
        if let Err(failed) = removed {
            code = 1;
            session.complain(&found.shown, &failed);
        }
    }
    Ok(code)
}

async fn remove(
    session: &Arc<Session>,
    args: &RmArgs,
    names: &NamedPaths<'_>,
    path: &[u8],
) -> Result<Removal> {
    let lost = |lost| names.lost(lost);
    let attrs = match unless_lost(session.lstat(path).await).map_err(lost)? {
        Ok(attrs) => attrs,
        Err(failed) if failed.is_missing() && args.force => return Ok(Ok(())),
        Err(failed) => return Ok(Err(format!("cannot remove it: {failed}"))),
    };
    // The LSTAT of some servers follows links, as that of ProFTPD does. What a link points to is not removed.
    let is_link = match attrs.is_directory() {
        Some(true) => {
            let reading = session.repeated(|link, _| async move { link.readlink(path).await });
            reading.await.unless_refused().map_err(lost)?.is_some()
        }
        _ => true,
    };
    if is_link {
        let removed = session.work(RemoteWork::RemoveExisting(path)).await;
        let removed = unless_lost(removed).map_err(lost)?;
        return Ok(removed
            .map(drop)
            .map_err(|failed| format!("cannot remove it: {failed}")));
    }
    if !args.recursive {
        return Ok(Err("it is a directory (hint: rm -r)".to_owned()));
    }
    if !args.force && !agreed(session, path).await? {
        return Ok(Err("it was not removed".to_owned()));
    }
    let stop = session.stop();
    tokio::select! {
        removed = tree(session, path) => removed.map_err(lost),
        () = stop.cancelled() => Ok(Err("stopped; a part of it may have been removed".to_owned())),
    }
}

async fn agreed(session: &Arc<Session>, path: &[u8]) -> Result<bool> {
    let question = format!("Remove \"{}\" and all that is in it", printable(path));
    let prompts = Arc::clone(session.remote.prompts());
    let asked = tokio::task::spawn_blocking(move || prompts.confirm(&question)).await;
    asked.map_err(io::Error::other).flatten().map_err(|error| {
        if error.kind() == io::ErrorKind::Interrupted {
            return Error::new("stopped");
        }
        Error::new(format!(
            "nobody can be asked whether \"{}\" and all that is in it is to be removed",
            printable(path)
        ))
        .hint("rm -r -f does not ask")
    })
}

/// Removes a directory: its contents first, then itself. Links are removed, never followed. When the connection breaks,
/// what is left is looked for again.
async fn tree(session: &Session, top: &[u8]) -> std::result::Result<Removal, ConnectionLost> {
    let mut attempts = session.connection().attempts();
    loop {
        let link = match unless_lost(attempts.link().await)? {
            Ok(link) => link,
            Err(failed) => return Ok(Err(failed.to_string())),
        };
        let removal = TreeRemoval {
            link,
            attempts: &mut attempts,
            first_error: None,
        };
        match removal.run(top).await {
            Ok(removed) => return Ok(removed),
            Err(lost) => {
                if !attempts.allow_another() {
                    return Err(lost);
                }
            }
        }
    }
}

/// The removal of a tree over one connection.
struct TreeRemoval<'a> {
    link: Arc<Link>,
    attempts: &'a mut WorkAttempts,
    /// The first refusal.
    first_error: Option<String>,
}

impl TreeRemoval<'_> {
    async fn run(mut self, top: &[u8]) -> std::result::Result<Removal, ConnectionLost> {
        let mut prefetch = Prefetch::new(&self.link, |link, path| {
            Box::pin(async move { link.list(&path).await })
        });
        prefetch.push(top.to_vec(), 0);
        // The outer directories stand before the inner ones.
        let mut directories = vec![Vec::new()];
        while let Some(Prefetched {
            path: directory,
            known: depth,
            answer,
        }) = prefetch.next().await
        {
            let entries = match unless_lost(answer)? {
                Ok(_) if depth >= MAX_DEPTH => return Ok(Err("it is nested too deeply".to_owned())),
                Ok(entries) => entries,
                Err(failed) => {
                    self.keep(&directory, &failed);
                    continue;
                }
            };
            let mut files = Vec::new();
            for entry in entries.iter().filter(|entry| is_single_name(&entry.name)) {
                let path = join(&directory, &entry.name);
                match entry.attrs.is_directory() {
                    Some(true) => prefetch.push(path, depth + 1),
                    _ => files.push(path),
                }
            }
            self.all(&files, |path| Request::Remove { path }).await?;
            if directories.len() <= depth {
                directories.push(Vec::new());
            }
            if let Some(level) = directories.last_mut() {
                level.push(directory);
            }
        }
        for level in directories.iter().rev() {
            self.all(level, |path| Request::Rmdir { path }).await?;
        }
        Ok(self.first_error.map_or(Ok(()), Err))
    }

    /// Keeps the first refusal. What an earlier attempt has removed may be gone.
    fn keep(&mut self, path: &[u8], failed: &RemoteError) {
        if failed.is_missing() && self.attempts.is_again() {
            return;
        }
        self.first_error
            .get_or_insert_with(|| format!("cannot remove \"{}\": {failed}", printable(path)));
    }

    /// Sends the same request for many paths, some at once.
    async fn all<'a>(
        &mut self,
        paths: &'a [Vec<u8>],
        request: impl Fn(&'a [u8]) -> Request<'a>,
    ) -> std::result::Result<(), ConnectionLost> {
        for batch in paths.chunks(REMOVALS) {
            let asked: Vec<_> = batch
                .iter()
                .map(|path| self.link.channel.begin(&request(path)))
                .collect();
            for (path, answer) in batch.iter().zip(asked) {
                let removed = match answer.await {
                    Ok(reply) => done(reply),
                    Err(_) => return Err(self.link.channel.lost()),
                };
                match removed {
                    Ok(()) => self.attempts.advanced(),
                    Err(failed) => self.keep(path, &failed),
                }
            }
        }
        Ok(())
    }
}
