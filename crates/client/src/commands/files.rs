//! `mkdir`, `rm` and `mv`.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use sftp_wire::{Attributes, Request};

use super::Session;
use super::ahead::{Ahead, Answered};
use super::args::{ChmodArgs, MkdirArgs, MvArgs, RmArgs};
use super::walk::MAX_DEPTH;
use crate::link::Link;
use crate::names::{is_single_name, join, last, parent};
use crate::printable::printable;
use crate::remote::failed::{Failed, done};
use base::error::{Error, Result};

/// Removals under way at once.
const REMOVALS: usize = 64;

/// Makes directories. Returns the exit code.
///
/// # Errors
/// When there is no server to ask.
pub async fn mkdir(session: &Arc<Session>, args: &MkdirArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        let path = session.path(word);
        let made = match args.parents {
            true => with_parents(&link, &path).await,
            false => make(&link, &path).await,
        };
        if let Err(failed) = made {
            code = 1;
            session.complain(&path, &failed);
        }
    }
    Ok(code)
}

/// The server's "failure" says nothing: whether something is there is looked at.
async fn make(link: &Link, path: &[u8]) -> std::result::Result<(), String> {
    match link.mkdir(path).await {
        Ok(()) => Ok(()),
        Err(failed) => match link.lstat(path).await {
            Ok(_) => Err("cannot make the directory: something with that name is there".to_owned()),
            Err(_) => Err(format!("cannot make the directory: {failed}")),
        },
    }
}

async fn with_parents(link: &Link, path: &[u8]) -> std::result::Result<(), String> {
    let mut missing = vec![path.to_vec()];
    while let Some(next) = missing.last().cloned() {
        let is_directory = link
            .stat(&next)
            .await
            .is_ok_and(|attrs| attrs.is_directory() == Some(true));
        let above = parent(&next).to_vec();
        if is_directory {
            missing.pop();
            break;
        }
        if above.is_empty() || above == b"/" {
            break;
        }
        missing.push(above);
    }
    for above in missing.iter().rev() {
        make(link, above).await.map_err(|why| match above == path {
            true => why,
            false => format!("\"{}\": {why}", printable(above)),
        })?;
    }
    Ok(())
}

/// Sets permissions. Returns the exit code.
///
/// # Errors
/// When there is no server to ask.
pub async fn chmod(session: &Arc<Session>, args: &ChmodArgs) -> Result<u8> {
    let link = session.link().await?;
    let attrs = Attributes {
        permissions: Some(args.mode),
        ..Attributes::default()
    };
    let mut code = 0;
    for word in &args.words {
        for found in session.matching(&link, word).await? {
            if let Err(failed) = link.set(&found.path, &attrs).await {
                code = 1;
                session.complain(&found.shown, &format!("cannot set its permissions: {failed}"));
            }
        }
    }
    Ok(code)
}

/// Removes files, and with `-r` directories with all that is in them. Returns the exit code.
///
/// # Errors
/// When there is no server to ask, or nobody who could be asked whether it is meant.
pub async fn rm(session: &Arc<Session>, args: &RmArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        for found in session.matching(&link, word).await? {
            let removed = match last(&found.shown) {
                // An empty variable in a script must not cost the home. rm(1) refuses `.` and `..` as well.
                name if name.is_empty() || session.is_home(&found.path) => {
                    Err("is not removed: it has no name of its own (hint: name what is in it)".to_owned())
                }
                _ => remove(session, args, &link, &found.path).await?,
            };
            if let Err(failed) = removed {
                code = 1;
                session.complain(&found.shown, &failed);
            }
        }
    }
    Ok(code)
}

async fn remove(
    session: &Arc<Session>,
    args: &RmArgs,
    link: &Arc<Link>,
    path: &[u8],
) -> Result<std::result::Result<(), String>> {
    let attrs = match link.lstat(path).await {
        Ok(attrs) => attrs,
        Err(failed) if failed.is_missing() && args.force => return Ok(Ok(())),
        Err(failed) => return Ok(Err(format!("cannot remove it: {failed}"))),
    };
    if attrs.is_directory() != Some(true) {
        return Ok(link
            .remove(path)
            .await
            .map_err(|failed| format!("cannot remove it: {failed}")));
    }
    if !args.recursive {
        return Ok(Err("is a directory (hint: rm -r)".to_owned()));
    }
    if !args.force && !agreed(session, path).await? {
        return Ok(Err("was not removed".to_owned()));
    }
    let stop = session.stop();
    tokio::select! {
        removed = tree(link, path) => Ok(removed),
        () = stop.cancelled() => Ok(Err("stopped; a part of it may be gone".to_owned())),
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

/// A directory's contents first. Links are removed, never followed.
async fn tree(link: &Arc<Link>, top: &[u8]) -> std::result::Result<(), String> {
    let mut first_error = None;
    let mut keep = |path: &[u8], failed: &dyn std::fmt::Display| {
        first_error.get_or_insert_with(|| format!("cannot remove \"{}\": {failed}", printable(path)));
    };
    let mut ahead = Ahead::new(link, |link, path| Box::pin(async move { link.list(&path).await }));
    ahead.push(top.to_vec(), 0);
    // The outer ones before the inner ones.
    let mut directories = vec![Vec::new()];
    while let Some(Answered {
        path: directory,
        known: depth,
        answer,
    }) = ahead.next().await
    {
        let entries = match answer {
            Ok(_) if depth >= MAX_DEPTH => return Err("it is nested too deeply".to_owned()),
            Ok(entries) => entries,
            Err(failed) => {
                keep(&directory, &failed);
                continue;
            }
        };
        let mut files = Vec::new();
        for entry in entries.iter().filter(|entry| is_single_name(&entry.name)) {
            let path = join(&directory, &entry.name);
            match entry.attrs.is_directory() {
                Some(true) => ahead.push(path, depth + 1),
                _ => files.push(path),
            }
        }
        all(link, &files, |path| Request::Remove { path }, &mut keep).await?;
        if directories.len() <= depth {
            directories.push(Vec::new());
        }
        if let Some(level) = directories.last_mut() {
            level.push(directory);
        }
    }
    for level in directories.iter().rev() {
        all(link, level, |path| Request::Rmdir { path }, &mut keep).await?;
    }
    first_error.map_or(Ok(()), Err)
}

/// Asks the same for many paths, some at once; what is refused is told.
async fn all<'a>(
    link: &Link,
    paths: &'a [Vec<u8>],
    request: impl Fn(&'a [u8]) -> Request<'a>,
    keep: &mut impl FnMut(&[u8], &dyn std::fmt::Display),
) -> std::result::Result<(), String> {
    for batch in paths.chunks(REMOVALS) {
        let asked: Vec<_> = batch.iter().map(|path| link.begin(&request(path))).collect();
        for (path, answer) in batch.iter().zip(asked) {
            let removed = match answer.await {
                Ok(reply) => done(reply),
                Err(_) => return Err(Failed::from(link.lost()).to_string()),
            };
            if let Err(failed) = removed {
                keep(path, &failed);
            }
        }
    }
    Ok(())
}

/// Renames one thing, or moves several into a directory. Returns the exit code.
///
/// # Errors
/// When there is no server to ask, or several do not go into a directory.
pub async fn mv(session: &Arc<Session>, args: &MvArgs) -> Result<u8> {
    let link = session.link().await?;
    let Some((target, words)) = args.words.split_last() else {
        return Err(Error::new("mv needs a name and a new one"));
    };
    let mut sources = Vec::new();
    for word in words {
        sources.extend(session.matching(&link, word).await?);
    }
    let target = session.path(target);
    let is_directory = link
        .stat(&target)
        .await
        .is_ok_and(|attrs| attrs.is_directory() == Some(true));
    if sources.len() > 1 && !is_directory {
        return Err(Error::new(format!("\"{}\" is no directory", printable(&target)))
            .hint("several things can only be moved into a directory"));
    }
    let mut code = 0;
    let mut moved = HashSet::new();
    for source in sources {
        let to = if is_directory {
            join(&target, last(&source.path))
        } else {
            target.clone()
        };
        // The one that was moved there just now would be lost.
        let renamed = match moved.contains(&to) {
            true => Err("another one was just moved there".to_owned()),
            false => link
                .rename(&source.path, &to)
                .await
                .map_err(|failed| failed.to_string()),
        };
        match renamed {
            Ok(()) => drop(moved.insert(to)),
            Err(why) => {
                code = 1;
                let to = printable(&to);
                session.complain(&source.shown, &format!("cannot rename it to \"{to}\": {why}"));
            }
        }
    }
    Ok(code)
}
