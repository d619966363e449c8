//! Commands that clients run (RFC 4254, section 6.5): the few that scripts, rclone, Cyberduck and scp need, and no
//! shell.
//!
//! A command is a task: it reads what the client sends from a [`Reader`], writes to an [`Output`], and asks the home
//! through a [`Desk`]. It ends when it is done, when the connection is lost, or when its channel is closed; dropping
//! [`Running`] ends it at the next point where it waits. What it has open then is closed where that may take long.

pub mod desk;
mod df;
mod glob;
pub mod opened;
mod options;
pub mod reason;
pub mod scp;
mod script;
mod sums;

#[doc(hidden)]
pub use self::scp::record::fuzz::fuzz_scp;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::domain::event::Event;
use crate::session::Presence;
use crate::session::share::Descriptor;
use crate::session::stream::budget::{Budget, Overflow};
use crate::session::stream::flow::Flow;
use crate::session::stream::input::{Input, Reader};
use crate::session::stream::output::Output;
use crate::session::stream::{Gone, Outlet, Stream};

use desk::Desk;
pub use script::{Program, Refused, Script};

pub use crate::domain::event::COMMAND_NOT_FOUND as NOT_FOUND;

/// Is it the server by its name? Old clients, and `sshfs -o sftp_server=…`, run that instead of asking for the
/// subsystem.
pub fn is_sftp_server(command: &[u8]) -> bool {
    let command = command.trim_ascii();
    let one_word = !command.iter().any(u8::is_ascii_whitespace);
    let name = command.rsplit(|&b| b == b'/').next().unwrap_or_default();
    one_word && matches!(name, b"sftp-server" | b"internal-sftp")
}

/// Both directions of a command's channel.
pub struct Io {
    /// From the client.
    pub input: Reader,
    /// To the client.
    pub output: Output,
}

/// A command at work. Dropping it ends it.
pub struct Running {
    input: Arc<Input>,
    flow: Arc<Flow>,
    cancelled: CancellationToken,
}

/// What a command's channel is made of.
pub struct Ends {
    /// The peer's window.
    pub flow: Arc<Flow>,
    /// Where output goes.
    pub outlet: Arc<dyn Outlet>,
    /// Shared by the connection's channels.
    pub budget: Arc<Budget>,
    /// Of the user's share.
    pub descriptor: Descriptor,
}

impl Running {
    /// Starts a command.
    pub fn start(script: Script, desk: Desk, ends: Ends) -> Self {
        let Ends {
            flow,
            outlet,
            budget,
            descriptor,
        } = ends;
        let input = Input::new(&budget);
        let cancelled = desk.gone.clone();
        let io = Io {
            input: Reader::new(Arc::clone(&input), Arc::clone(&outlet)),
            output: Output::new(Arc::clone(&flow), outlet),
        };
        let gone = cancelled.clone();
        let more = input.begin();
        // Its owner is `Running`: cancelling ends it.
        tokio::spawn(async move {
            let _held = descriptor;
            tokio::select! {
                () = gone.cancelled() => {}
                () = begin(more, script, desk, io) => {}
            }
        });
        Self {
            input,
            flow,
            cancelled,
        }
    }

    /// Takes bytes from the client.
    ///
    /// # Errors
    /// When they are more than the window allows.
    pub fn data(&self, data: &[u8]) -> Result<(), Overflow> {
        self.input.push(data)
    }

    /// The client has said that nothing more comes.
    pub fn eof(&self) {
        self.input.end();
    }

    /// The peer's window is `window` bytes now, as the SSH layer knows it.
    pub fn window_adjusted(&self, window: u32) {
        self.flow.adjusted(window);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

async fn begin(more: u32, script: Script, desk: Desk, io: Io) {
    if more == 0 || io.input.open_window(more).await.is_ok() {
        run(script, desk, io).await;
    }
}

async fn run(script: Script, mut desk: Desk, mut io: Io) {
    let mut told = Told {
        presence: desk.presence.clone(),
        command: script.line.clone(),
        exit_status: None,
    };
    // Whoever has left needs no exit status.
    if let Ok(exit_status) = program(script, &mut desk, &mut io).await {
        told.exit_status = Some(exit_status);
        drop(told);
        io.output.finish(exit_status).await;
    }
}

/// Tells that a command was run, however it ended.
struct Told {
    presence: Presence,
    command: Vec<u8>,
    exit_status: Option<u32>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let command = std::mem::take(&mut self.command);
        let exit_status = self.exit_status;
        self.presence.tell(|who| Event::Command {
            who,
            command,
            exit_status,
        });
    }
}

async fn program(script: Script, desk: &mut Desk, io: &mut Io) -> Result<u32, Gone> {
    for directory in &script.directories {
        if let Err(reason) = desk.change_directory(directory).await {
            let name = directory.bytes().escape_ascii();
            complain(io, &format!("cd: {name}: {reason}")).await?;
            return Ok(1);
        }
    }
    let words = match glob::expand(desk, &script.words).await {
        Ok(words) => words,
        Err(reason) => {
            complain(io, &format!("{}: {reason}", script.program.name())).await?;
            return Ok(126);
        }
    };
    match script.program {
        Program::Scp => scp::run(desk, io, &words, &script).await,
        Program::Sum(algorithm) => sums::run(desk, io, algorithm, &words).await,
        Program::Df => df::run(desk, io, &words, script.fields.as_deref()).await,
        Program::Pwd => say(io, [desk.directory(), b"\n"].concat()).await,
        Program::Echo => say(io, echo(&words)).await,
        Program::Cd => Ok(0),
    }
}

fn echo(words: &[Vec<u8>]) -> Vec<u8> {
    let (words, newline) = match words.split_first() {
        Some((first, rest)) if first == b"-n" => (rest, &b""[..]),
        _ => (words, &b"\n"[..]),
    };
    [&words.join(&b' ')[..], newline].concat()
}

async fn say(io: &Io, text: impl Into<Bytes>) -> Result<u32, Gone> {
    io.output.send(Stream::Output, text).await?;
    Ok(0)
}

/// One line on the client's terminal.
async fn complain(io: &Io, sentence: &str) -> Result<(), Gone> {
    io.output.send(Stream::Error, format!("{sentence}\n")).await
}
