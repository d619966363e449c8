//! Starts the supervisor, and with it the first helper if one is needed at once.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::message::{self, HelperReply, SupervisorReply, SupervisorRequest};
use super::names;
use base::error::{Error, Result};

/// The longest time that the helper may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

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

/// When the helper is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelperNeed {
    /// There are commands: a server whose helper does not start must not start, either.
    AtOnce,
    /// There are no commands yet. Only the supervisor is started, and nobody waits for it.
    Later,
}

/// A supervisor that was started, before there is an event loop.
#[derive(Debug)]
pub struct StartedHelper {
    pub(super) supervisor: OwnedFd,
    pub(super) process: Child,
    /// The socket of the helper that is ready.
    pub(super) helper: Option<OwnedFd>,
}

impl StartedHelper {
    /// Starts the supervisor, and waits until a helper is ready if that is needed at once. `words` say whom both become.
    ///
    /// # Errors
    /// Returns an error if it does not start, or cannot become that user.
    pub fn start(words: &[OsString], need: HelperNeed) -> Result<Self> {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (supervisor, theirs) = pair.map_err(|error| cannot().because(std::io::Error::from(error)))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(names::SUPERVISOR)
            .args(words)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .current_dir("/")
            // A Ctrl-C in the server's terminal is for the server.
            .process_group(0);
        for name in NOT_FOR_HOOKS {
            command.env_remove(name);
        }
        let process = command.spawn().map_err(|error| cannot().because(error))?;
        drop(command);
        let helper = match need {
            HelperNeed::AtOnce => Some(first_helper(&supervisor)?),
            HelperNeed::Later => None,
        };
        rustix::io::ioctl_fionbio(&supervisor, true)
            .map_err(|error| cannot().because(std::io::Error::from(error)))?;
        Ok(Self {
            supervisor,
            process,
            helper,
        })
    }
}

fn cannot() -> Error {
    Error::new("cannot start the helper that runs the commands of hooks")
}

/// Asks for a helper, and returns its socket when it is ready.
fn first_helper(supervisor: &OwnedFd) -> Result<OwnedFd> {
    let failed = |error: rustix::io::Errno| cannot().because(std::io::Error::from(error));
    message::send(supervisor, &SupervisorRequest::Start, &[]).map_err(failed)?;
    let received = receive_in_time(supervisor).map_err(failed)?;
    let helper = match serde_json::from_slice(&received.bytes) {
        Ok(SupervisorReply::Started) => received.descriptors.into_iter().next(),
        Ok(SupervisorReply::Failed(why)) => return Err(cannot().because(why)),
        Ok(SupervisorReply::Ended(ended)) => return Err(cannot().because(ended.how)),
        Err(_) => None,
    };
    let helper = helper.ok_or_else(|| cannot().because("its supervisor has ended at once"))?;
    let received = receive_in_time(&helper).map_err(failed)?;
    match serde_json::from_slice(&received.bytes) {
        Ok(HelperReply::Ready) => Ok(helper),
        Ok(HelperReply::Failed(why)) => Err(cannot().because(why)),
        Ok(HelperReply::Ended(_)) | Err(_) => Err(cannot().because("it ended at once")),
    }
}

fn receive_in_time(socket: &OwnedFd) -> rustix::io::Result<message::ReceivedMessage> {
    set_socket_timeout(socket, Timeout::Recv, Some(START_TIMEOUT))?;
    message::receive(socket)
}
