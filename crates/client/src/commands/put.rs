//! `put`: sends files of this machine to the server.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::place::into_remote;
use super::server_words::{UsageError, path_word};
use super::session::Session;
use super::stream::{is_stream, put_stdin};
use super::transfer::{TargetKind, TransferArgs, TransferRoutes, TransferRun, insufficient_space, refused};
use super::verb::Verb;
use crate::connect::{PathArgument, Target};
use crate::globs;
use crate::link::{Link, RemoteError, Space};
use crate::names::parent;
use crate::plan::ExistingEntry;
use crate::transfer::free_space::missing_space;
use base::error::Result;
use base::glob::escape;

/// The server's answer about the room at a path: `None` if it does not tell.
type SpaceAnswer = std::result::Result<Option<Space>, RemoteError>;

/// Send files to the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport put [OPTIONS] FILE... [USER@]HOST:[DESTINATION]",
    after_help = "Examples:\n  homeport put backup.tar HOST:\n  homeport put -r -p photos HOST:\n  tar c . | homeport put - HOST:x.tar"
)]
pub struct PutArgs {
    /// The options, the files, and their destination.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

#[async_trait]
impl Verb for PutArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let words = &self.transfer.words;
        let (sources, target) = match words.split_last() {
            Some((target, sources)) if !sources.is_empty() => (sources, session.path(target)),
            _ => (&words[..], session.directory()),
        };
        if sources.iter().any(|word| is_stream(word)) {
            return put_stdin(session, &self.transfer, target).await;
        }
        let sources = sources
            .iter()
            .flat_map(|word| globs::local(word.as_bytes()))
            .collect();
        put(session, &self.transfer, sources, &target).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.transfer.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        let hint = "homeport put FILE… [USER@]HOST:PATH";
        let Some((last, sources)) = self.transfer.words.split_last() else {
            return Err(UsageError::new("nothing is named", hint));
        };
        let target = match PathArgument::parse(last) {
            Ok(PathArgument::Remote(target)) => target,
            Ok(PathArgument::Local(_)) => {
                let with_colon = host_of(last).map(|host| format!("a server has a colon behind it: {host}:"));
                let hint = with_colon.as_deref().unwrap_or(hint);
                return Err(UsageError::new(format!("{last:?} names no server"), hint));
            }
            Err(error) => return Err(UsageError::new(error.to_string(), hint)),
        };
        if sources.is_empty() {
            return Err(UsageError::new("no file is named", hint));
        }
        for source in sources {
            if let Ok(PathArgument::Remote(_)) = PathArgument::parse(source) {
                return Err(UsageError::new(
                    format!("{source:?} is on a server"),
                    "only files of this machine are sent; a name with a colon is written ./a:b",
                ));
            }
        }
        // The user's shell has expanded patterns already, so the words are plain names.
        let names = sources
            .iter()
            .map(|source| OsString::from_vec(escape(source.as_bytes())));
        self.transfer.words = names.chain([path_word(&target)]).collect();
        Ok(target)
    }

    fn check(&self) -> std::result::Result<(), UsageError> {
        match self.transfer.words.split_last() {
            Some((_, sources @ [_, _, ..])) if sources.iter().any(|word| is_stream(word)) => {
                Err(UsageError::new(
                    "\"-\" is one of several sources",
                    "standard input goes to a file of its own: put - HOST:NAME",
                ))
            }
            _ => Ok(()),
        }
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::Local],
            // Another file, or the target directory.
            _ => &[Candidates::Local, Candidates::RemoteDirectories],
        }
    }
}

/// Sends files of this machine to `target`, an absolute path of the server. Returns the exit code.
///
/// # Errors
/// When the transfer cannot begin. Later failures are printed and counted, and show in the exit code.
pub async fn put(
    session: &Arc<Session>,
    args: &TransferArgs,
    sources: Vec<PathBuf>,
    target: &[u8],
) -> Result<u8> {
    let run = TransferRun::new(session, args);
    let looking = |link| look_at_target(link, target);
    let (there, space) = run.repeated("look at the target", looking).await?;
    let is_directory = there.is_some_and(|attrs| attrs.is_directory() == Some(true));
    let space = match space {
        // If the target cannot be used, creating the file there reports why.
        Err(failed) if failed.is_missing() => None,
        space => space.map_err(refused("look for room"))?,
    };
    let into = run.target_kind(is_directory, sources.len(), target)?;
    let goal = |source: PathBuf| {
        let remote = match into {
            TargetKind::Name => target.to_vec(),
            TargetKind::Directory => into_remote(target, &source),
        };
        (source, remote)
    };
    let routes = sources.into_iter().map(goal).collect();
    // A moment ago nothing had this name.
    let seen = match (into, there) {
        (TargetKind::Name, None) => Some(ExistingEntry::Nothing),
        _ => None,
    };
    let found = run.found(&TransferRoutes::Up(routes, seen)).await?;
    let engine = run.engine();
    let looking = async {
        let lack = missing_space(&engine.context, &found.jobs, space).await;
        lack.map_err(refused("look for room"))
    };
    if let Some(lack) = session.stoppable(looking).await? {
        return Err(
            insufficient_space("on the server", lack, "sent").hint("make room, or ask for a larger quota")
        );
    }
    run.transfer(engine, found, into).await
}

/// Looks at the target, and at the room for what is written there. The inner error is about the room only.
async fn look_at_target(
    link: Arc<Link>,
    target: &[u8],
) -> std::result::Result<(Option<Attributes>, SpaceAnswer), RemoteError> {
    // All requests are sent at once, because each round trip to a distant server takes noticeable time.
    let (there, inside, above) = tokio::join!(
        link.look(target),
        Space::at(&link, target),
        Space::at(&link, above(target))
    );
    let there = there?;
    let is_directory = there.is_some_and(|attrs| attrs.is_directory() == Some(true));
    let space = if is_directory { inside } else { above };
    match space {
        Err(lost @ RemoteError::ConnectionLost(_)) => Err(lost),
        space => Ok((there, space)),
    }
}

/// The word, if a host may have been meant by it.
fn host_of(word: &OsStr) -> Option<&str> {
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    let word = word.to_str()?;
    word.chars().all(is_of_host).then_some(word)
}

/// The directory that a path lies in.
fn above(path: &[u8]) -> &[u8] {
    match parent(path) {
        b"" => b".",
        above => above,
    }
}
