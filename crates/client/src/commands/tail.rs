//! `tail`: prints the last lines of files of the server, and with `-f` what is added to them.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::cat::{open_for_reading, print_from};
use super::follow::follow;
use super::server_words::UsageError;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::interrupt::{self, SigintMeaning};
use crate::link::{OpenFile, ReadAhead, RemoteError};
use crate::output::{Stdout, print_bytes};
use base::error::{Error, Result};

/// The size of the pieces in which a file is searched backwards, in bytes.
const PIECE: u64 = 64 << 10;

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
    let link = session.link().await?;
    let files = session.matching_all(&link, &args.words).await?;
    if args.follow && files.len() > 1 {
        return Err(Error::new("tail -f shows one file").hint("use a terminal for each"));
    }
    let (mut code, several) = (0, files.len() > 1);
    for (number, found) in files.into_iter().enumerate() {
        if several {
            let blank = if number == 0 { "" } else { "\n" };
            let name = Stdout::of_this_process().name(&found.shown);
            print_bytes(&[blank.as_bytes(), b"==> ", &name, b" <==\n"].concat())?;
        }
        if let Err(why) = show(session, args, &found).await? {
            code = 1;
            session.complain(&found.shown, &why);
        }
    }
    Ok(code)
}

/// Prints the last lines of a file, and with `-f` goes on. The inner error is the server's.
async fn show(
    session: &Arc<Session>,
    args: &TailArgs,
    found: &RemotePath,
) -> Result<std::result::Result<(), String>> {
    let link = session.link().await?;
    let file = match open_for_reading(&link, &found.path).await {
        Ok(file) => file,
        Err(why) => return Ok(Err(why)),
    };
    let attrs = file.attributes().await.map_err(|failed| failed.to_string());
    let size = match attrs {
        Ok(attrs) => attrs.size.unwrap_or(0),
        Err(why) => return Ok(Err(why)),
    };
    let start = match start_of_lines(&file, size, args.lines).await {
        Ok(start) => start,
        Err(failed) => return Ok(Err(failed.to_string())),
    };
    if args.follow {
        return follow(session, found, file, start).await;
    }
    print_from(&file, start).await
}

/// The offset at which the last lines begin, of a file of this size.
async fn start_of_lines(file: &OpenFile, size: u64, lines: u64) -> std::result::Result<u64, RemoteError> {
    if lines == 0 {
        return Ok(size);
    }
    let (mut end, mut seen) = (size, 0);
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let piece = read_range(file, start, end).await?;
        for (at, byte) in piece.iter().enumerate().rev() {
            let offset = start + at as u64;
            // The line end at the very end of the file ends the last line, and begins no other.
            if *byte == b'\n' && offset + 1 < size {
                seen += 1;
                if seen == lines {
                    return Ok(offset + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// The bytes of a range, or fewer if the file has become shorter.
async fn read_range(file: &OpenFile, start: u64, end: u64) -> std::result::Result<Vec<u8>, RemoteError> {
    let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let mut reader = file.reader(start, ReadAhead::FEW);
    let mut bytes = Vec::new();
    while bytes.len() < length
        && let Some(more) = reader.next().await?
    {
        bytes.extend_from_slice(&more);
    }
    bytes.truncate(length);
    Ok(bytes)
}
