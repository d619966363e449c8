//! `get`: fetches files of the server to this machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::server_words::{BareHost, UsageError, take_server};
use super::session::{RemotePath, Session};
use super::transfer::{TargetKind, TransferArgs, TransferRoutes, TransferRun, no_room};
use super::verb::Verb;
use super::walk::{into_local, is_inside};
use crate::connect::{PathArgument, Target};
use crate::globs;
use crate::transfer::free_space::lacks_room_here;
use base::error::Result;
use base::glob::{escape, unescape};

/// Fetch files from the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "From a command line:\n  homeport get HOST:FILE… [WHERE]")]
pub struct GetArgs {
    /// The options, and the words: files, and where they go.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

#[async_trait]
impl Verb for GetArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let words = &self.transfer.words;
        // A single file comes to the current directory. Of several words the last says where they go.
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
        // The shell in which it was typed has expanded it: it is a name.
        words.push(OsString::from_vec(escape(local.as_os_str().as_bytes())));
        Ok(server)
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::Remote],
            // Another file, or the directory where they go.
            _ => &[Candidates::Remote, Candidates::LocalDirectories],
        }
    }
}

/// The place on this machine that a word means. A pattern may stand for the one directory that it fits.
fn one_local(word: &OsStr) -> PathBuf {
    match &globs::local(word.as_bytes())[..] {
        [one] => one.clone(),
        _ => PathBuf::from(OsString::from_vec(unescape(word.as_bytes()))),
    }
}

/// Fetches files of the server to `target`. Returns the exit code.
///
/// # Errors
/// When nothing could be begun. Later failures are printed and counted, and show in the exit code.
pub async fn get(
    session: &Arc<Session>,
    args: &TransferArgs,
    patterns: &[OsString],
    target: &Path,
) -> Result<u8> {
    let run = TransferRun::new(session, args);
    let link = session.link().await?;
    let matching = async {
        let mut sources = Vec::new();
        for pattern in patterns {
            sources.extend(session.matching(&link, pattern).await?);
        }
        Ok(sources)
    };
    let sources = session.stoppable(matching).await?;
    let is_directory = target.is_dir();
    let into = run.target_kind(is_directory, sources.len(), target.as_os_str().as_bytes())?;
    let goal = |source: RemotePath| {
        let local = match into {
            TargetKind::Name => target.to_owned(),
            // What was typed decides under which name, if any.
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
    if let Some(lack) = lacks_room_here(&found.jobs, engine.context.settings.conflicts) {
        return Err(no_room("here", lack, "fetched").hint("make room, or choose another directory"));
    }
    run.transfer(engine, found, into).await
}
