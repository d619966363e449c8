//! The server's side of one helper: its socket, and the commands that it runs.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::oneshot;

use super::message::{
    self, AttachedKind, CommandEnd, CommandRequest, EndedCommand, HelperReply, ReceivedMessage,
};

/// How much longer than the command's own time the server waits for the helper's answer.
const GRACE: Duration = Duration::from_secs(15);

/// A command to run, with what it gets.
pub struct HookCommand<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// What it reads from its standard input.
    pub input: &'a str,
    /// What it gets besides.
    pub attached: CommandAttachment<'a>,
    /// How many seconds it may take.
    pub timeout_secs: u64,
}

/// What a command gets besides its input.
#[derive(Debug)]
pub enum CommandAttachment<'a> {
    /// Nothing. What it prints is kept for messages, as far as [`CommandResult`] says.
    Nothing,
    /// A file, as descriptor 3.
    File(&'a OwnedFd),
    /// The end of a pipe, as its standard output. Only what it prints on standard error is kept for messages.
    Output(OwnedFd),
}

impl CommandAttachment<'_> {
    fn kind(&self) -> AttachedKind {
        match self {
            CommandAttachment::Nothing => AttachedKind::Nothing,
            CommandAttachment::File(_) => AttachedKind::File,
            CommandAttachment::Output(_) => AttachedKind::Output,
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            CommandAttachment::Nothing => None,
            CommandAttachment::File(file) => Some(file.as_fd()),
            CommandAttachment::Output(pipe) => Some(pipe.as_fd()),
        }
    }
}

/// What has come of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// How it has ended.
    pub end: CommandEnd,
    /// The first line that it has printed.
    pub first_line: String,
}

/// Why it is not known how a command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The helper has ended, and the command with it, if it had begun.
    HelperEnded,
    /// The helper could not be asked, or has not answered, for this reason.
    Failed(String),
}

/// A helper that has not ended, as far as the server knows.
#[derive(Debug)]
pub(super) struct HelperConnection {
    socket: UnixDatagram,
    is_ready: AtomicBool,
    /// Who waits for which command; `None` when the helper has ended.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<CommandResult>>>>,
    last_id: AtomicU64,
}

impl HelperConnection {
    /// Watches the socket of a helper.
    pub(super) fn new(socket: OwnedFd, is_ready: bool) -> std::io::Result<Self> {
        Ok(Self {
            socket: watch(socket)?,
            is_ready: AtomicBool::new(is_ready),
            waiting: Mutex::new(Some(HashMap::new())),
            last_id: AtomicU64::new(0),
        })
    }

    /// Returns whether it has said that it runs.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Receives what the helper says until it ends. `on_ready` is called when it has said that it runs.
    pub(super) async fn listen(&self, on_ready: impl Fn()) {
        loop {
            let received = receive(&self.socket).await;
            match received.map(|received| serde_json::from_slice(&received.bytes)) {
                Ok(Ok(HelperReply::Ready)) => {
                    self.is_ready.store(true, Ordering::Relaxed);
                    on_ready();
                }
                Ok(Ok(HelperReply::Failed(why))) => {
                    tracing::error!(cause = %why, "the helper that runs the commands of hooks does not start");
                }
                Ok(Ok(HelperReply::Ended(EndedCommand { id, end, first_line }))) => {
                    let waiting = self
                        .waiting
                        .lock()
                        .as_mut()
                        .and_then(|waiting| waiting.remove(&id));
                    if let Some(waiting) = waiting {
                        // Nobody waits any more for a command that has taken too long.
                        let _ = waiting.send(CommandResult { end, first_line });
                    }
                }
                // An empty message is its end.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.close();
    }

    /// Gives up the helper, because it has ended: those that wait for it learn that.
    pub(super) fn close(&self) {
        self.is_ready.store(false, Ordering::Relaxed);
        *self.waiting.lock() = None;
    }

    /// Records who waits for a command; returns `false` if the helper has ended.
    fn expect(&self, id: u64, sender: oneshot::Sender<CommandResult>) -> bool {
        let mut waiting = self.waiting.lock();
        let waiting = waiting.as_mut();
        waiting.map(|waiting| waiting.insert(id, sender)).is_some()
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, command: HookCommand<'_>) -> Result<CommandResult, NoAnswer> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let HookCommand {
            words,
            input,
            attached,
            timeout_secs,
        } = command;
        let input = memory_file(input)
            .map_err(|error| NoAnswer::Failed(format!("cannot pass the command's input: {error}")))?;
        let request = CommandRequest {
            id,
            words: words.to_vec(),
            attached: attached.kind(),
            timeout_secs,
        };
        let (sender, receiver) = oneshot::channel();
        if !self.expect(id, sender) {
            return Err(NoAnswer::HelperEnded);
        }
        let limit = Duration::from_secs(timeout_secs) + GRACE;
        let answered = tokio::time::timeout(limit, async move {
            let sent = {
                let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(input.as_fd())
                    .chain(attached.descriptor())
                    .collect();
                let sending = self.socket.async_io(Interest::WRITABLE, || {
                    Ok(message::send(&self.socket, &request, &descriptors)?)
                });
                sending.await
            };
            // A pipe ends when the command does, and no copy of it is left here.
            drop((input, attached));
            match sent {
                Ok(()) => receiver.await.map_err(|_| NoAnswer::HelperEnded),
                Err(error) if has_ended(&error) => Err(NoAnswer::HelperEnded),
                Err(error) => Err(NoAnswer::Failed(format!("cannot ask the helper: {error}"))),
            }
        });
        let answered = answered.await;
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.remove(&id);
        }
        answered.unwrap_or_else(|_| Err(NoAnswer::Failed("the helper has not answered in time".to_owned())))
    }
}

/// Returns a socket of the event loop. One that keeps the borders of messages behaves as a datagram socket does, and tells
/// when the other side has ended.
pub(super) fn watch(socket: OwnedFd) -> std::io::Result<UnixDatagram> {
    let socket = std::os::unix::net::UnixDatagram::from(socket);
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)
}

/// Receives the next message; an empty one says that the other side has ended.
pub(super) async fn receive(socket: &UnixDatagram) -> std::io::Result<ReceivedMessage> {
    let receiving = socket.async_io(Interest::READABLE, || Ok(message::receive(socket)?));
    receiving.await
}

fn has_ended(error: &std::io::Error) -> bool {
    let ended = [Errno::PIPE, Errno::CONNRESET, Errno::NOTCONN, Errno::CONNREFUSED];
    ended
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Returns a file in memory with this text, to be read from its beginning.
fn memory_file(text: &str) -> std::io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("homeport-hook", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(text.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
