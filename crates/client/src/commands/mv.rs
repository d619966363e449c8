//! `mv`: renames one thing, or moves several into a directory.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::refusal::{refused, unless_lost};
use super::session::Session;
use super::verb::Verb;
use crate::link::RemoteError;
use crate::names::{join, last};
use crate::transfer::RemoteWork;
use base::error::{Error, Result};
use base::visible::printable;

/// Rename a file of the server, or move files to a directory
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport mv [OPTIONS] [USER@]HOST:PATH... [USER@]HOST:TARGET",
    after_help = "Examples:\n  homeport mv HOST:draft HOST:final\n  homeport mv HOST:a HOST:b HOST:directory"
)]
pub struct MvArgs {
    /// A file and its new name, or several files and the directory that they are moved to.
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for MvArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(mv(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn mv(session: &Arc<Session>, args: &MvArgs) -> Result<u8> {
    let Some((target, words)) = args.words.split_last() else {
        return Err(Error::new("mv needs a name and a new one"));
    };
    let sources = NamedPaths::of(session, words).all().await?;
    let target = session.path(target);
    let is_directory = session
        .is_directory(&target)
        .await
        .map_err(refused("look at it"))?;
    if sources.len() > 1 && !is_directory {
        return Err(
            Error::new(format!("\"{}\" is not a directory", printable(&target)))
                .hint("several things can only be moved into a directory"),
        );
    }
    let mut code = 0;
    let mut moved = HashSet::new();
    let mut names = NamedPaths::known(session, sources);
    while let Some(source) = names.next().await? {
        let to = if is_directory {
            join(&target, last(&source.path))
        } else {
            target.clone()
        };
        // A second source of the same name would replace the first one.
        let renamed = match moved.contains(&to) {
            true => Err("another one was just moved there".to_owned()),
            false => {
                let renamed = session.work(RemoteWork::Rename(&source.path, &to)).await;
                let renamed = unless_lost(renamed).map_err(|lost| names.lost(lost))?;
                renamed.map_err(|failed| reason(&failed, &source.path, &to))
            }
        };
        match renamed {
            Ok(_) => drop(moved.insert(to)),
            Err(why) => {
                code = 1;
                let to = printable(&to);
                session.complain(&source.shown, &format!("cannot rename it to \"{to}\": {why}"));
            }
        }
    }
    Ok(code)
}

/// Why a path was not renamed. What servers say of a directory that would lie in itself explains nothing.
fn reason(failed: &RemoteError, from: &[u8], to: &[u8]) -> String {
    let from = from.strip_suffix(b"/").unwrap_or(from);
    let is_inside = to.strip_prefix(from).is_some_and(|rest| rest.starts_with(b"/"));
    match failed {
        RemoteError::Refused { .. } if is_inside => "it cannot be moved into itself".to_owned(),
        failed => failed.to_string(),
    }
}
