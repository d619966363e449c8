//! `less`: shows a file of the server in the pager of this machine. The file is read as far as the pager wants it.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::cat::{cat, open_for_reading};
use super::local_program::LocalProgram;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::interrupt::{self, SigintMeaning};
use crate::link::{OpenFile, ReadAhead};
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
        let link = session.link().await?;
        let (mut files, mut code) = (Vec::new(), 0);
        for word in words {
            for RemotePath { shown, path } in session.matching(&link, word).await? {
                match open_for_reading(&link, &path).await {
                    Ok(file) => files.push(file),
                    Err(why) => {
                        code = 1;
                        session.complain(&shown, &why);
                    }
                }
            }
        }
        Ok((files, code))
    };
    let (files, mut code) = session.stoppable(opening).await?;
    let pager = LocalProgram::choose(&["PAGER"], &["less", "more", "cat"])?;
    for file in files {
        code = code.max(show(&pager, &file).await?);
    }
    Ok(code)
}

/// Shows one file, until the pager ends.
async fn show(pager: &LocalProgram, file: &OpenFile) -> Result<u8> {
    let _theirs = interrupt::meaning(SigintMeaning::Ignore);
    let mut child = pager.start_with_pipe()?;
    let mut input = child.stdin.take();
    let mut reader = file.reader(0, ReadAhead::FEW);
    let mut failed = None;
    while let Some(mut pipe) = input.take() {
        match reader.next().await {
            Ok(Some(bytes)) => {
                // The pager reads when it wants more, or closes the pipe.
                let written =
                    tokio::task::spawn_blocking(move || pipe.write_all(&bytes).map(|()| pipe)).await;
                input = written.map_err(io::Error::other).flatten().ok();
            }
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    ended
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| Error::new("cannot wait for the pager").because(error))?;
    match failed {
        Some(failed) => Err(Error::new("the file could not be read to its end").because(failed)),
        None => Ok(0),
    }
}
