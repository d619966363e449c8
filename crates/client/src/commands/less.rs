//! `less`: shows a file of the server in the pager of this machine. The file is read as far as the pager wants it.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ChildStdin;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::cat::cat;
use super::local_program::LocalProgram;
use super::named_paths::NamedPaths;
use super::resumed_read::{ByteSink, OpenedFile, ReadFailure, ReadStart, ResumedRead};
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::interrupt::{self, SigintMeaning};
use crate::link::{ReadAhead, RemoteError};
use base::error::{Error, Result};

/// Show files of the server in the pager of this machine
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    after_help = "The pager is $PAGER, or else less. It gets the file piece by piece, so that the beginning of a \
    huge file is there at once.\n\nExamples:\n  \
    homeport less HOST:app.log\n  \
    PAGER='less -N' homeport less HOST:notes.txt"
)]
pub struct LessArgs {
    /// The files or patterns to show, one after the other.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for LessArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        match io::stdout().is_terminal() {
            true => less(session, &self.words).await,
            // As less(1) does it.
            false => session.stoppable(cat(session, &self.words)).await,
        }
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn less(session: &Arc<Session>, words: &[OsString]) -> Result<u8> {
    let opening = async {
        let mut names = NamedPaths::of(session, words);
        let (mut files, mut code) = (Vec::new(), 0);
        while let Some(found) = names.next().await? {
            match can_be_read(session, &found.path).await {
                Ok(Ok(())) => files.push(found),
                Ok(Err(why)) => {
                    code = 1;
                    session.complain(&found.shown, &why);
                }
                Err(failed) => code = code.max(names.fail(&found, failed, "")?),
            }
        }
        Ok((files, code))
    };
    let (files, mut code) = session.stoppable(opening).await?;
    let pager = LocalProgram::choose(&["PAGER"], &["less", "more", "cat"])?;
    for file in files {
        code = code.max(show(session, &pager, &file).await?);
    }
    Ok(code)
}

/// Looks whether a file can be read, before the pager takes the screen. The inner error says what is wrong with it.
async fn can_be_read(
    session: &Session,
    path: &[u8],
) -> std::result::Result<std::result::Result<(), String>, RemoteError> {
    let looking = session.repeated(|link, _| async move {
        match OpenedFile::open(&link, path).await {
            Ok(_) => Ok(Ok(())),
            Err(ReadFailure::Lost(lost)) => Err(RemoteError::from(lost)),
            Err(ReadFailure::File(why)) => Ok(Err(why)),
            Err(ReadFailure::Sink(failed)) => Ok(Err(failed.to_string())),
        }
    });
    looking.await
}

/// The input of the pager.
struct PagerPipe(Option<ChildStdin>);

#[async_trait]
impl ByteSink for PagerPipe {
    /// The pager reads when it wants more, or closes the pipe.
    async fn take(&mut self, bytes: Vec<u8>) -> Result<bool> {
        let Some(mut pipe) = self.0.take() else {
            return Ok(false);
        };
        let written = tokio::task::spawn_blocking(move || pipe.write_all(&bytes).map(|()| pipe)).await;
        self.0 = written.map_err(io::Error::other).flatten().ok();
        Ok(self.0.is_some())
    }
}

/// Shows one file, until the pager ends.
async fn show(session: &Session, pager: &LocalProgram, found: &RemotePath) -> Result<u8> {
    let _theirs = interrupt::meaning(SigintMeaning::Ignore);
    let mut child = pager.start_with_pipe()?;
    let mut input = PagerPipe(child.stdin.take());
    let reading = ResumedRead::new(session, &found.path, ReadStart::Beginning, ReadAhead::FEW);
    let read = reading.run(&mut input).await;
    drop(input);
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    ended
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| Error::new("cannot wait for the pager").because(error))?;
    let unread = |why: String| Error::new(format!("the file could not be read to its end: {why}"));
    match read {
        Ok(()) => Ok(0),
        Err(ReadFailure::Sink(failed)) => Err(failed),
        Err(ReadFailure::File(why)) => Err(unread(why)),
        Err(ReadFailure::Lost(lost)) => Err(unread(lost.to_string())),
    }
}
