//! `tail`: prints the last lines of files of the server, and with `-f` what is added to them.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::cat::print_file;
use super::follow::follow;
use super::named_paths::NamedPaths;
use super::resumed_read::ReadStart;
use super::server_words::UsageError;
use super::session::Session;
use super::verb::Verb;
use crate::interrupt::{self, SigintMeaning};
use crate::output::{Stdout, print_bytes};
use base::error::{Error, Result};

/// Show the last lines of files of the server
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:\n  \
    homeport tail HOST:app.log\n  \
    homeport tail -n 100 HOST:app.log | grep error\n  \
    homeport tail -f HOST:app.log        until Ctrl-C; goes on when the file is cut or replaced")]
pub struct TailArgs {
    /// Show this many lines of each file.
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 10)]
    pub lines: u64,
    /// Go on with what is added to the file, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// The files or patterns to show.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for TailArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let stop = session.stop();
        // With -f, Ctrl-C is the usual end, and needs no words.
        let _quiet = self
            .follow
            .then(|| interrupt::meaning(SigintMeaning::StopQuietly));
        tokio::select! {
            biased;
            done = tail(session, self) => done,
            () = stop.cancelled() => match self.follow {
                true => Ok(interrupt::EXIT_CODE),
                false => Err(Error::new("stopped")),
            },
        }
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn check(&self) -> std::result::Result<(), UsageError> {
        match self.follow && self.words.len() > 1 {
            true => Err(UsageError::new(
                "tail -f shows one file",
                "use a terminal for each",
            )),
            false => Ok(()),
        }
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn tail(session: &Arc<Session>, args: &TailArgs) -> Result<u8> {
    let files = NamedPaths::of(session, &args.words).all().await?;
    let several = files.len() > 1;
    if args.follow && several {
        return Err(Error::new("tail -f shows one file").hint("use a terminal for each"));
    }
    let (mut code, mut is_first) = (0, true);
    let mut names = NamedPaths::known(session, files);
    while let Some(found) = names.next().await? {
        if several {
            let blank = if is_first { "" } else { "\n" };
            let name = Stdout::of_this_process().name(&found.shown);
            print_bytes(&[blank.as_bytes(), b"==> ", &name, b" <==\n"].concat())?;
        }
        is_first = false;
        code = code.max(match args.follow {
            true => follow(session, &found, args.lines).await?,
            false => print_file(session, &names, &found, ReadStart::Lines(args.lines)).await?,
        });
    }
    Ok(code)
}
