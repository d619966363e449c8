//! The helper: a process that runs the commands of the configuration (of hooks, and of `[auth.external]`), because the server
//! itself cannot run programs.
//!
//! Before it gives up that right, the server starts the [`supervisor`], and talks to it over a pair of sockets. When there
//! are commands, the supervisor starts the helper, passes the server's end of the helper's socket on, and starts another
//! helper when that one has ended. Both are this same program under other names ([`names`]), and end when the server does.
//!
//! If the supervisor itself has ended, the helper that there is goes on. After that one's end, entries of commands wait for
//! the next start of the server: the log, `check` and the metrics say so.

mod command;
mod connection;
mod message;
mod names;
pub mod process;
mod start;
mod supervisor;

use parking_lot::Mutex;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::sync::Notify;

use self::connection::HelperConnection;
pub use self::connection::{CommandAttachment, CommandResult, HookCommand, NoAnswer};
pub use self::message::CommandEnd;
use self::message::{ReceivedMessage, SupervisorReply, SupervisorRequest};
pub use self::start::{HelperNeed, StartedHelper};
use base::error::Error;

/// What is wrong when there is no supervisor, for the log and for `check`.
const NOT_AGAIN: &str = "the commands of hooks cannot be run any more, since the processes that do it have ended: their events \
                         wait until the server is restarted, and the program of [auth.external] judges nobody until then";
/// The same, as long as there is a helper.
const LAST_ONE: &str = "the process that starts the helper of hooks again has ended: after the helper's end, the events of commands \
                        would wait, and the program of [auth.external] judge nobody, until the server is restarted, so restart it \
                        soon";

/// The helper, which may have ended and be started again.
#[derive(Debug)]
pub struct HookHelper {
    supervisor: UnixDatagram,
    process: Mutex<Child>,
    connection: Mutex<Option<Arc<HelperConnection>>>,
    is_wanted: AtomicBool,
    has_supervisor: AtomicBool,
    /// Wakes the task that runs hooks, since there is a helper.
    changed: Notify,
}

impl HookHelper {
    /// Connects the supervisor and the helper to the event loop, in which this must be called.
    ///
    /// # Errors
    /// Returns an error if the event loop cannot watch them.
    pub fn connect(started: StartedHelper) -> base::error::Result<Arc<Self>> {
        Self::watch(started)
            .map(Arc::new)
            .map_err(|error| Error::new("cannot watch the helper of hooks").because(error))
    }

    fn watch(started: StartedHelper) -> std::io::Result<Self> {
        let StartedHelper {
            supervisor,
            process,
            helper,
        } = started;
        Ok(Self {
            supervisor: connection::watch(supervisor)?,
            process: Mutex::new(process),
            is_wanted: AtomicBool::new(helper.is_some()),
            connection: Mutex::new(match helper {
                Some(socket) => Some(Arc::new(HelperConnection::new(socket, true)?)),
                None => None,
            }),
            has_supervisor: AtomicBool::new(true),
            changed: Notify::new(),
        })
    }

    /// Returns whether commands can be run now.
    pub fn is_ready(&self) -> bool {
        let connection = self.connection.lock();
        connection
            .as_ref()
            .is_some_and(|connection| connection.is_ready())
    }

    /// Returns what an operator must do something about, if there is something.
    pub fn problem(&self) -> Option<&'static str> {
        match (
            self.has_supervisor.load(Ordering::Relaxed),
            self.connection.lock().is_some(),
        ) {
            (true, _) => None,
            (false, true) => Some(LAST_ONE),
            (false, false) => Some(NOT_AGAIN),
        }
    }

    /// Waits until commands can be run that could not be before.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has the first helper started, because there are commands now.
    pub fn want(&self) {
        if !self.is_wanted.swap(true, Ordering::Relaxed)
            && let Err(error) = message::send(&self.supervisor, &SupervisorRequest::Start, &[])
        {
            // Its end is reported where it is received.
            tracing::debug!(%error, "the supervisor of the helper of hooks cannot be asked");
        }
    }

    /// Follows the helper and its supervisor. `on_failure` is called at each end of one of them, with what an operator must
    /// do something about. It returns when both have ended, and whether anybody was told: as long as there was no command,
    /// nobody misses the supervisor.
    pub async fn listen(&self, on_failure: impl Fn(Option<&'static str>)) -> bool {
        loop {
            let connection = self.connection.lock().clone();
            let has_supervisor = self.has_supervisor.load(Ordering::Relaxed);
            let helper_ends = async {
                match &connection {
                    Some(connection) => connection.listen(|| self.changed.notify_one()).await,
                    None => std::future::pending().await,
                }
            };
            let failed = tokio::select! {
                biased;
                () = helper_ends => {
                    *self.connection.lock() = None;
                    // The supervisor says how it has ended.
                    !has_supervisor
                }
                received = connection::receive(&self.supervisor), if has_supervisor => {
                    self.follow(received.unwrap_or_default())
                }
            };
            let problem = self.problem();
            let is_wanted = self.is_wanted.load(Ordering::Relaxed);
            if failed && is_wanted {
                on_failure(problem);
                if let Some(problem) = problem {
                    tracing::error!("{problem}");
                }
            }
            if problem == Some(NOT_AGAIN) {
                return is_wanted;
            }
        }
    }

    /// Does what a message of the supervisor means; returns whether it is about a failure.
    fn follow(&self, received: ReceivedMessage) -> bool {
        if received.bytes.is_empty() {
            self.has_supervisor.store(false, Ordering::Relaxed);
            // Its entry in the table of processes goes away.
            let _ = self.process.lock().try_wait();
            return true;
        }
        match serde_json::from_slice(&received.bytes) {
            Ok(SupervisorReply::Started) => {
                let socket = received.descriptors.into_iter().next();
                let connection = socket.and_then(|socket| HelperConnection::new(socket, false).ok());
                let former = std::mem::replace(&mut *self.connection.lock(), connection.map(Arc::new));
                if let Some(former) = former {
                    former.close();
                }
                false
            }
            Ok(SupervisorReply::Ended(ended)) => {
                let pause = Duration::from_millis(ended.pause_ms);
                tracing::error!(
                    cause = %ended.how,
                    "the helper that runs the commands of hooks has ended: another one is started after {pause:?}, and runs the \
                     commands again that had not ended"
                );
                true
            }
            Ok(SupervisorReply::Failed(why)) => {
                tracing::error!(cause = %why, "the process that starts the helper of hooks cannot run");
                true
            }
            Err(_) => false,
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Returns why its end is not known.
    pub async fn run(&self, command: HookCommand<'_>) -> Result<CommandResult, NoAnswer> {
        let connection = self.connection.lock().clone();
        match connection {
            Some(connection) => connection.run(command).await,
            None => Err(NoAnswer::HelperEnded),
        }
    }
}
