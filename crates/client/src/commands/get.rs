//! `get`: fetches files of the server to this machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::place::{into_local, is_inside};
use super::server_words::{BareHost, UsageError, take_server};
use super::session::{RemotePath, Session};
use super::stream::{get_to_stdout, is_stream};
use super::transfer::{TargetKind, TransferArgs, TransferRoutes, TransferRun, insufficient_space};
use super::verb::Verb;
use crate::connect::{PathArgument, Target};
use crate::globs;
use crate::transfer::free_space::missing_space_here;
use base::error::Result;
use base::glob::{escape, unescape};

/// Fetch files from the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport get [OPTIONS] [USER@]HOST:FILE... [DESTINATION]",
    after_help = "Examples:\n  homeport get HOST:backup.tar\n  homeport get -r HOST:photos .\n  homeport get HOST:x.tar - | tar t"
)]
pub struct GetArgs {
    /// The options, the files, and their destination.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

#[async_trait]
impl Verb for GetArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let words = &self.transfer.words;
        if let [sources @ .., target] = &words[..]
            && !sources.is_empty()
            && is_stream(target)
        {
            return get_to_stdout(session, &self.transfer, sources).await;
        }
        // A single file goes to the current directory. The last of several words is the destination.
        let (sources, target) = match words.split_last() {
            Some((target, sources)) if !sources.is_empty() => (sources, one_local(target)),
            _ => (&words[..], PathBuf::from(".")),
        };
        get(session, &self.transfer, sources, &target).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.transfer.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        let words = &mut self.transfer.words;
        let local = match words.last().map(|last| PathArgument::parse(last)) {
            Some(Ok(PathArgument::Local(path))) => {
                words.pop();
                path
            }
            _ => PathBuf::from("."),
        };
        let server = take_server(words, BareHost::Refused)?;
        // The user's shell has expanded patterns already, so the word is a plain name.
        words.push(OsString::from_vec(escape(local.as_os_str().as_bytes())));
        Ok(server)
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::Remote],
            // Another file, or the target directory.
            _ => &[Candidates::Remote, Candidates::LocalDirectories],
        }
    }
}

/// Returns the local path that a word means. A pattern stands for its match if that is a single directory.
fn one_local(word: &OsStr) -> PathBuf {
    match &globs::local(word.as_bytes())[..] {
        [one] => one.clone(),
        _ => PathBuf::from(OsString::from_vec(unescape(word.as_bytes()))),
    }
}

/// Fetches files of the server to `target`. Returns the exit code.
///
/// # Errors
/// When the transfer cannot begin. Later failures are printed and counted, and show in the exit code.
pub async fn get(
    session: &Arc<Session>,
    args: &TransferArgs,
    patterns: &[OsString],
    target: &Path,
) -> Result<u8> {
    let run = TransferRun::new(session, args);
    let sources = run.sources(patterns).await?;
    let is_directory = target.is_dir();
    let into = run.target_kind(is_directory, sources.len(), target.as_os_str().as_bytes())?;
    let goal = |source: RemotePath| {
        let local = match into {
            TargetKind::Name => target.to_owned(),
            // The typed path decides whether the directory keeps its name in the target.
            TargetKind::Directory if is_inside(&source.shown) || session.is_home(&source.path) => {
                target.to_owned()
            }
            TargetKind::Directory => into_local(target, &source.path),
        };
        (source.path, local)
    };
    let routes = sources.into_iter().map(goal).collect();
    let found = run.found(&TransferRoutes::Down(routes)).await?;
    let engine = run.engine();
    if let Some(lack) = missing_space_here(&found.jobs, engine.context.settings.conflicts) {
        return Err(
            insufficient_space("here", lack, "fetched").hint("make room, or choose another directory")
        );
    }
    run.transfer(engine, found, into).await
}
