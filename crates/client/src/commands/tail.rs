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

/// How often the size of a file that is cut meanwhile is asked for.
const LOOKS: usize = 5;

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
    let start = match start_of_lines(&file, args.lines).await {
        Ok(start) => start,
        Err(why) => return Ok(Err(why)),
    };
    if args.follow {
        return follow(session, found, file, start).await;
    }
    print_from(&file, start).await
}

/// The offset at which the last lines begin. A file that was cut meanwhile is looked at again. The error says what is
/// wrong with the file.
async fn start_of_lines(file: &OpenFile, lines: u64) -> std::result::Result<u64, String> {
    let words = |failed: RemoteError| failed.to_string();
    let mut end = size_of(file).await.map_err(words)?;
    for _ in 0..LOOKS {
        if let Some(start) = search_back(file, end, lines).await.map_err(words)? {
            return Ok(start);
        }
        let now = size_of(file).await.map_err(words)?;
        if now >= end {
            break;
        }
        end = now;
    }
    Err(format!(
        "the server says that it has {end} bytes, and sends none from its end (hint: cat shows what there is)"
    ))
}

async fn size_of(file: &OpenFile) -> std::result::Result<u64, RemoteError> {
    Ok(file.attributes().await?.size.unwrap_or(0))
}

/// The offset at which the last lines begin, of a file of this size. `None`: there is nothing where the file is said to
/// have bytes. Searching on would take as long as the size is large.
async fn search_back(
    file: &OpenFile,
    size: u64,
    lines: u64,
) -> std::result::Result<Option<u64>, RemoteError> {
    if lines == 0 {
        return Ok(Some(size));
    }
    let (mut end, mut last, mut seen) = (size, size, 0);
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let piece = read_range(file, start, end).await?;
        if piece.is_empty() && start > 0 {
            return Ok(None);
        }
        if end == size {
            // Some files, such as those of sysfs, have fewer bytes than they say.
            last = start.saturating_add(piece.len() as u64);
        }
        for (at, byte) in piece.iter().enumerate().rev() {
            let offset = start + at as u64;
            // The line end at the very end of the file ends the last line, and begins no other.
            if *byte == b'\n' && offset + 1 < last {
                seen += 1;
                if seen == lines {
                    return Ok(Some(offset + 1));
                }
            }
        }
        end = start;
    }
    Ok(Some(0))
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
