//! The helper: a process that runs the commands of hooks, because the server itself cannot run programs.
//!
//! The server starts it before it gives up that right, and talks to it over a pair of sockets. It is this same program
//! under another name ([`names`]). It ends when the server does.

mod command;
mod message;
mod names;
pub mod process;

use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::oneshot;

pub use self::message::CommandEnd;
use self::message::{CommandRequest, EndedCommand, HelperReply};
use base::error::{Error, Result};

/// The longest time that the helper may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How much longer than the command's own time the server waits for the helper's answer.
const GRACE: Duration = Duration::from_secs(15);

/// Variables of the server's environment that are not for hooks: those by which it speaks to its service manager.
const NOT_FOR_HOOKS: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "JOURNAL_STREAM",
];

/// A helper that was started, before there is an event loop.
#[derive(Debug)]
pub struct StartedHelper {
    socket: OwnedFd,
    child: Child,
}

impl StartedHelper {
    /// Starts the helper, and waits until it is ready. `words` say whom it becomes.
    ///
    /// # Errors
    /// Returns an error if it does not start, or cannot become that user.
    pub fn start(words: &[OsString]) -> Result<Self> {
        let cannot = || Error::new("cannot start the helper that runs the commands of hooks");
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (socket, theirs) = pair.map_err(|error| cannot().because(std::io::Error::from(error)))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(names::NAME)
            .args(words)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .current_dir("/")
            // A Ctrl-C in the server's terminal is for the server.
            .process_group(0);
        for name in NOT_FOR_HOOKS {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|error| cannot().because(error))?;
        drop(command);
        let wait = || -> rustix::io::Result<Vec<u8>> {
            set_socket_timeout(&socket, Timeout::Recv, Some(START_TIMEOUT))?;
            let reply = message::receive(&socket)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            Ok(reply.bytes)
        };
        let reply = wait().map_err(|error| cannot().because(std::io::Error::from(error)))?;
        match serde_json::from_slice(&reply) {
            Ok(HelperReply::Ready) => Ok(Self { socket, child }),
            Ok(HelperReply::Failed(why)) => Err(cannot().because(why)),
            Ok(HelperReply::Ended(_)) | Err(_) => Err(cannot().because("it ended at once")),
        }
    }

    /// Connects the helper to the event loop, in which this must be called.
    ///
    /// # Errors
    /// Returns an error if the event loop cannot watch it.
    pub fn connect(self) -> Result<Arc<HookHelper>> {
        // It keeps the borders of messages, as a datagram socket does, and tells when the other side has ended.
        let socket = UnixDatagram::from_std(std::os::unix::net::UnixDatagram::from(self.socket));
        let socket = socket.map_err(|error| Error::new("cannot watch the helper of hooks").because(error))?;
        Ok(Arc::new(HookHelper {
            socket,
            child: Mutex::new(self.child),
            waiting: Mutex::default(),
            last_id: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        }))
    }
}

/// A command to run, with what it gets.
pub struct HookCommand<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// What it reads from its standard input.
    pub input: &'a str,
    /// The file that it gets as descriptor 3.
    pub file: Option<&'a OwnedFd>,
    /// How many seconds it may take.
    pub timeout_secs: u64,
}

/// What has come of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// How it has ended.
    pub end: CommandEnd,
    /// The first line that it has printed.
    pub first_line: String,
}

/// The running helper.
#[derive(Debug)]
pub struct HookHelper {
    socket: UnixDatagram,
    child: Mutex<Child>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<CommandResult>>>,
    last_id: AtomicU64,
    gone: AtomicBool,
}

impl HookHelper {
    /// Returns whether the helper has ended. It is not started again: the server cannot.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Receives the helper's answers until it ends.
    pub async fn listen(&self) {
        while let Ok(received) = self
            .socket
            .async_io(Interest::READABLE, || Ok(message::receive(&self.socket)?))
            .await
        {
            if received.bytes.is_empty() {
                break;
            }
            if let Ok(HelperReply::Ended(ended)) = serde_json::from_slice(&received.bytes) {
                let EndedCommand { id, end, first_line } = ended;
                if let Some(waiting) = self.waiting.lock().remove(&id) {
                    // Nobody waits any more for a command that has taken too long.
                    let _ = waiting.send(CommandResult { end, first_line });
                }
            }
        }
        self.gone.store(true, Ordering::Relaxed);
        self.waiting.lock().clear();
        // Its entry in the table of processes goes away.
        let _ = self.child.lock().try_wait();
        tracing::error!(
            "the helper that runs the commands of hooks has ended: they wait until the server is restarted"
        );
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Returns why the helper could not be asked, or has not answered.
    pub async fn run(&self, command: HookCommand<'_>) -> std::result::Result<CommandResult, String> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let input = memory_file(command.input).map_err(|error| format!("cannot pass the event: {error}"))?;
        let request = CommandRequest {
            id,
            words: command.words.to_vec(),
            timeout_secs: command.timeout_secs,
        };
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, sender);
        let mut descriptors = vec![input.as_fd()];
        descriptors.extend(command.file.map(|file| file.as_fd()));
        let sending = self.socket.async_io(Interest::WRITABLE, || {
            Ok(message::send(&self.socket, &request, &descriptors)?)
        });
        let limit = Duration::from_secs(command.timeout_secs) + GRACE;
        let answered = tokio::time::timeout(limit, async {
            match sending.await {
                Ok(()) => receiver.await.map_err(|_| "the helper has ended".to_owned()),
                Err(error) => Err(format!("cannot ask the helper: {error}")),
            }
        });
        let answered = answered.await;
        self.waiting.lock().remove(&id);
        answered.unwrap_or_else(|_| Err("the helper has not answered in time".to_owned()))
    }
}

/// Returns a file in memory with this text, to be read from its beginning.
fn memory_file(text: &str) -> std::io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("homeport-hook", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(text.as_bytes())?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
