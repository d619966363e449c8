//! `put -` and `get … -`: standard input to a file of the server, and files of the server to standard output.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::session::Session;
use super::transfer::{TransferArgs, TransferRun};
use crate::output::end_by_broken_pipe;
use crate::progress::EventTarget;
use crate::transfer::stream::NAME;
use crate::transfer::stream::download::StreamDownload;
use crate::transfer::stream::upload::StreamUpload;
use crate::transfer::{Direction, Job, Outcome, Summary};
use base::error::{Error, Result};

/// Whether a word stands for standard input or output. A file of that name is written `./-`.
pub(super) fn is_stream(word: &OsStr) -> bool {
    word == NAME
}

/// Sends standard input to one file of the server. Returns the exit code.
pub(super) async fn put_stdin(session: &Arc<Session>, args: &TransferArgs, target: Vec<u8>) -> Result<u8> {
    if !session.output.stdin_is_content {
        return Err(Error::new("standard input has the commands of this shell")
            .hint("homeport put - HOST:NAME, in another terminal"));
    }
    let run = TransferRun::new(session, args);
    let engine = run.engine();
    engine.context.hub.expect(1, 0);
    let upload = StreamUpload::new(&engine.context, job(Direction::Up, target));
    let result = upload.run(Box::new(io::stdin())).await;
    let mut summary = Summary::default();
    summary.count(&result);
    drop(engine);
    run.finish(&summary, false)
}

/// Writes files of the server to standard output, one behind the other. Returns the exit code.
pub(super) async fn get_to_stdout(
    session: &Arc<Session>,
    args: &TransferArgs,
    patterns: &[OsString],
) -> Result<u8> {
    let run = TransferRun::with_events(session, args, EventTarget::Stderr);
    let sources = run.sources(patterns).await?;
    let engine = run.engine();
    engine.context.hub.expect(sources.len() as u64, 0);
    let mut summary = Summary::default();
    for source in sources {
        let output = io::stdout().as_fd().try_clone_to_owned();
        let output = output.map_err(|error| Error::new("cannot write to standard output").because(error))?;
        let download = StreamDownload::new(&engine.context, job(Direction::Down, source.path));
        let result = download.run(Box::new(StdoutPipe(output.into()))).await;
        summary.count(&result);
        // What follows a file that is not whole would stand in the wrong place.
        if !matches!(result, Ok(Outcome::Sent { .. })) {
            break;
        }
    }
    drop(engine);
    run.finish(&summary, false)
}

fn job(direction: Direction, remote: Vec<u8>) -> Job {
    Job {
        direction,
        local: PathBuf::from(NAME),
        remote,
        size: 0,
        destination: None,
        known: None,
    }
}

/// Standard output, without a buffer. If its reader has closed it, the program ends.
struct StdoutPipe(File);

impl Write for StdoutPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => end_by_broken_pipe(),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
