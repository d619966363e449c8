//! Commands that clients run (RFC 4254, section 6.5): the few that scripts, rclone, Cyberduck and scp need, and no
//! shell.
//!
//! A command is a task of its connection: it reads what the client sends from an [`InputReader`], writes to a
//! [`CommandOutput`], and accesses the home through a [`HomeSession`]. It ends when it is done, when the connection is
//! lost, or when its channel is closed; dropping [`RunningCommand`] ends it at the next point where it waits. Its open
//! files are then closed on a thread that may block.

pub mod command_file;
mod df;
mod glob;
pub mod home_session;
mod io;
pub mod listing;
mod options;
pub mod reason;
pub mod scp;
mod script;
mod sums;

#[doc(hidden)]
pub use self::scp::record::fuzz::fuzz_scp;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::event::Event;
use crate::session::SessionContext;
use crate::session::budget::Descriptor;
use crate::session::stream::connection_budget::{ConnectionBudget, WindowExceeded};
use crate::session::stream::input::{CommandInput, InputReader};
use crate::session::stream::output::CommandOutput;
use crate::session::stream::peer_window::PeerWindow;
use crate::session::stream::{Disconnected, QueuedSender};
use crate::session::tasks::TaskStarter;

use base::glob::literal;
use home_session::HomeSession;
use io::{CommandIo, print, print_error};
pub use script::{Program, Script, ScriptError};

pub use crate::domain::event::COMMAND_NOT_FOUND as NOT_FOUND;

/// Returns whether a command names the SFTP server. Old clients, and `sshfs -o sftp_server=…`, run it instead of
/// requesting the subsystem.
pub fn is_sftp_server(command: &[u8]) -> bool {
    let command = command.trim_ascii();
    let one_word = !command.iter().any(u8::is_ascii_whitespace);
    let name = command.rsplit(|&b| b == b'/').next().unwrap_or_default();
    one_word && matches!(name, b"sftp-server" | b"internal-sftp")
}

/// A command that is running. Dropping it ends the command.
pub struct RunningCommand {
    input: Arc<CommandInput>,
    peer_window: Arc<PeerWindow>,
    cancelled: CancellationToken,
}

/// The parts of a command's channel.
pub struct CommandChannel {
    /// The window that the client has granted.
    pub peer_window: Arc<PeerWindow>,
    /// Sends the command's output to the client.
    pub queued_sender: Arc<dyn QueuedSender>,
    /// The budget of the connection's channels.
    pub budget: Arc<ConnectionBudget>,
    /// The share of the user's descriptors that the command takes.
    pub descriptor: Descriptor,
    /// Starts the task of the command.
    pub tasks: TaskStarter,
}

impl RunningCommand {
    /// Starts a command in a task of its own.
    pub fn start(script: Script, home: HomeSession, channel: CommandChannel) -> Self {
        let CommandChannel {
            peer_window,
            queued_sender,
            budget,
            descriptor,
            tasks,
        } = channel;
        let input = CommandInput::new(&budget);
        let cancelled = home.gone.clone();
        let io = CommandIo {
            input: InputReader::new(Arc::clone(&input), Arc::clone(&queued_sender)),
            output: CommandOutput::new(Arc::clone(&peer_window), queued_sender),
        };
        let gone = cancelled.clone();
        let more = input.begin();
        // `RunningCommand` owns the task: cancelling ends it.
        tasks.start(async move {
            let _held = descriptor;
            tokio::select! {
                () = gone.cancelled() => {}
                () = begin(more, script, home, io) => {}
            }
        });
        Self {
            input,
            peer_window,
            cancelled,
        }
    }

    /// Passes bytes from the client to the command.
    ///
    /// # Errors
    /// Returns an error if they are more than the window allows.
    pub fn data(&self, data: &[u8]) -> Result<(), WindowExceeded> {
        self.input.push(data)
    }

    /// Records that the client sends nothing more.
    pub fn eof(&self) {
        self.input.end();
    }

    /// Records that the peer's window is `window` bytes now, as the SSH layer knows it.
    pub fn window_adjusted(&self, window: u32) {
        self.peer_window.adjusted(window);
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

async fn begin(more: u32, script: Script, home: HomeSession, io: CommandIo) {
    if more == 0 || io.input.open_window(more).await.is_ok() {
        run(script, home, io).await;
    }
}

async fn run(script: Script, mut home: HomeSession, mut io: CommandIo) {
    let mut report = CommandReport {
        context: home.context.clone(),
        command: script.line.clone(),
        exit_status: None,
    };
    // A client that has left needs no exit status.
    if let Ok(exit_status) = program(script, &mut home, &mut io).await {
        report.exit_status = Some(exit_status);
        drop(report);
        home.context.unsaved.saved().await;
        io.output.finish(exit_status).await;
    }
}

/// Emits the event that a command was run, when it is dropped, however the command ended.
struct CommandReport {
    context: SessionContext,
    command: Vec<u8>,
    exit_status: Option<u32>,
}

impl Drop for CommandReport {
    fn drop(&mut self) {
        let command = std::mem::take(&mut self.command);
        let exit_status = self.exit_status;
        self.context.emit(|who| Event::Command {
            who,
            command,
            exit_status,
        });
    }
}

async fn program(script: Script, home: &mut HomeSession, io: &mut CommandIo) -> Result<u32, Disconnected> {
    for directory in &script.directories {
        let name = match directory.bytes() {
            // Without a name, `cd` changes to the home.
            b"" => b"/".to_vec(),
            _ => literal(&glob::without_tilde(directory, home.user())),
        };
        if let Err(reason) = home.change_directory(&name).await {
            let name = directory.bytes().escape_ascii();
            print_error(io, &format!("cd: {name}: {reason}")).await?;
            return Ok(1);
        }
    }
    let words = match glob::expand(home, &script.words).await {
        Ok(words) => words,
        Err(reason) => {
            print_error(io, &format!("{}: {reason}", script.program.name())).await?;
            return Ok(126);
        }
    };
    match script.program {
        Program::Scp => scp::run(home, io, &words, &script).await,
        Program::Sum(algorithm) => sums::run(home, io, algorithm, &words).await,
        Program::Df => df::run(home, io, &words, script.fields.as_deref()).await,
        Program::Pwd => print(io, [home.directory(), b"\n"].concat()).await,
        Program::Echo => print(io, echo(&words)).await,
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
