//! `cat`: prints files of the server, in order, to standard output.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::resumed_read::{ByteSink, ReadFailure, ReadStart, ResumedRead};
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::ReadAhead;
use crate::output::print_bytes;
use base::error::{Error, Result};

/// Print files of the server to standard output
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport cat HOST:notes.txt\n  \
    homeport cat HOST:part1 HOST:part2 > whole\n  \
    homeport cat HOST:dump.sql.gz | gunzip | psql")]
pub struct CatArgs {
    /// The files or patterns to print.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for CatArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(cat(session, &self.words)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

/// Prints the files that words stand for. Returns the exit code.
pub(super) async fn cat(session: &Session, words: &[OsString]) -> Result<u8> {
    let mut names = NamedPaths::of(session, words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        code = code.max(print_file(session, &names, &found, ReadStart::Beginning).await?);
    }
    Ok(code)
}

/// Prints a file from here to its end. Returns the exit code.
pub(super) async fn print_file(
    session: &Session,
    names: &NamedPaths<'_>,
    found: &RemotePath,
    start: ReadStart,
) -> Result<u8> {
    let reading = ResumedRead::new(session, &found.path, start, ReadAhead::MANY);
    let read = reading.run(&mut StdoutSink).await;
    match read {
        Ok(()) => Ok(0),
        Err(ReadFailure::Lost(lost)) => Err(names.lost(lost)),
        Err(ReadFailure::Sink(failed)) => Err(failed),
        Err(ReadFailure::File(why)) => {
            session.complain(&found.shown, &why);
            Ok(1)
        }
    }
}

/// The sink that prints bytes to standard output.
struct StdoutSink;

#[async_trait]
impl ByteSink for StdoutSink {
    async fn take(&mut self, bytes: Vec<u8>) -> Result<bool> {
        print_aside(bytes).await?;
        Ok(true)
    }
}

/// Writes bytes to standard output on another thread: its reader may be slow, and the connection is kept up meanwhile.
pub(super) async fn print_aside(bytes: Vec<u8>) -> Result<()> {
    let printed = tokio::task::spawn_blocking(move || print_bytes(&bytes)).await;
    printed.map_err(|error| Error::new("cannot write to standard output").because(error))?
}
