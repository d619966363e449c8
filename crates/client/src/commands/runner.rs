//! The shell's commands, done.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Session, files, ls, sum, transfer};
use crate::globs;
use crate::shell::{Command, Run};

/// Does what the shell understood. Words are patterns on both sides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Runner;

#[async_trait]
impl Run for Runner {
    async fn run(&self, session: &Arc<Session>, command: Command) -> u8 {
        let result = match command {
            Command::Ls(args) => session.stoppable(ls::ls(session, &args)).await,
            Command::Mkdir(args) => session.stoppable(files::mkdir(session, &args)).await,
            Command::Rm(args) => session.stoppable(files::rm(session, &args)).await,
            Command::Mv(args) => session.stoppable(files::mv(session, &args)).await,
            Command::Chmod(args) => session.stoppable(files::chmod(session, &args)).await,
            Command::Sum(args) => session.stoppable(sum::sum(session, &args)).await,
            Command::Df(args) => session.stoppable(sum::df(session, &args)).await,
            Command::Get(args) => {
                // One word comes here; of several the last says where to.
                let (sources, target) = match args.words.split_last() {
                    Some((target, sources)) if !sources.is_empty() => (sources, one_local(target)),
                    _ => (&args.words[..], PathBuf::from(".")),
                };
                transfer::get(session, &args, sources, &target).await
            }
            Command::Put(args) => {
                let (sources, target) = match args.words.split_last() {
                    Some((target, sources)) if !sources.is_empty() => (sources, session.path(target)),
                    _ => (&args.words[..], session.directory()),
                };
                let sources = sources
                    .iter()
                    .flat_map(|word| globs::local(word.as_bytes()))
                    .collect();
                transfer::put(session, &args, sources, &target).await
            }
        };
        if session.stop().is_cancelled() {
            session.remote.questions_end().await;
        }
        result.unwrap_or_else(|error| {
            eprintln!("homeport: {error}");
            1
        })
    }
}

/// Where something of this machine goes: a pattern may stand for the one directory that it fits.
fn one_local(word: &OsStr) -> PathBuf {
    match &globs::local(word.as_bytes())[..] {
        [one] => one.clone(),
        _ => PathBuf::from(OsString::from_vec(globs::unescape(word.as_bytes()))),
    }
}
