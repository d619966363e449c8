//! The control socket: how `homeportd sessions`, `quota` and `user` talk to the running server.
//!
//! A Unix socket beside the store, mode 0600: who may open the store may ask. One JSON object per line each way.
//! Names and meanings of fields are stable. Each server has a socket named after its process (see [`sockets`]); the
//! path that callers give is the name without it. No exchange takes longer than 5 s, but for those during which the
//! server says every second that it works.

mod client;
mod sockets;

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use client::{ask, ask_if_running};

use crate::admin::usage::{HomeUsage, Scanned};
use crate::io::descriptors::{self, Spare};
use base::error::{Error, Result};

/// A request is a few words.
const LONGEST_REQUEST: u64 = 4096;

/// Operators are few; scripts that loop are not.
const MAX_CONNECTIONS: usize = 32;

/// How often a client hears that its answer takes long.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A client asks at once, and reads its answer.
const IDLE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who is connected?
    Sessions,
    /// Which addresses are listened on?
    Listening,
    /// Disconnect.
    Kick(Kick),
    /// What do homes hold?
    Usage {
        /// This user's; without a name, all users'.
        user: Option<String>,
    },
    /// Measure a home again.
    Scan {
        /// Whose.
        user: String,
    },
    /// Records of users were changed in the store: take that in.
    Changed {
        /// The users' names; of a renamed user both names.
        users: Vec<String>,
    },
}

impl Request {
    /// May the answer take long? Measuring a large home takes minutes; the server says all the while that it works.
    fn takes_long(&self) -> bool {
        match self {
            Request::Sessions
            | Request::Listening
            | Request::Kick(_)
            | Request::Usage { .. }
            | Request::Changed { .. } => false,
            Request::Scan { .. } => true,
        }
    }
}

/// Whom to disconnect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kick {
    /// One session.
    Session(u64),
    /// All sessions of a user.
    User(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Sessions`].
    Sessions(Vec<SessionInfo>),
    /// To [`Request::Listening`].
    Listening(Vec<SocketAddr>),
    /// To [`Request::Kick`]: how many sessions were disconnected.
    Kicked(usize),
    /// To [`Request::Usage`], by name.
    Usage(Vec<HomeUsage>),
    /// To [`Request::Scan`].
    Scanned(Box<Scanned>),
    /// To [`Request::Changed`]: what was changed is in force.
    Applied(Applied),
    /// The answer is not ready yet; another line follows.
    Working,
    /// The request was understood and could not be done, and why.
    Failed(String),
    /// The request made no sense, and why.
    Error(String),
}

/// What a change of users' records has come to in the running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied {
    /// Sessions that were ended, because they have lost something.
    pub sessions_ended: usize,
    /// Ended sessions, and homes with a new quota, for which a call that had begun is still under way: their disk
    /// hangs. No further call begins.
    pub still_busy: usize,
}

/// A signed-in session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// For `sessions kick`; never used twice while the server runs.
    pub id: u64,
    /// Who.
    pub user: String,
    /// Address and port.
    pub peer: String,
    /// The version string that the client sent.
    pub client: String,
    /// When the user signed in (RFC 3339, UTC).
    pub since: String,
    /// Open channels.
    pub channels: usize,
    /// Payload received so far, if it is counted.
    pub bytes_in: Option<u64>,
    /// Payload sent so far, if it is counted.
    pub bytes_out: Option<u64>,
}

/// What the server does when it is asked.
#[async_trait::async_trait]
pub trait ControlHandler: Send + Sync {
    /// Who is connected, in the order of signing in.
    async fn sessions(&self) -> Vec<SessionInfo>;
    /// The addresses that are listened on.
    fn listening(&self) -> Vec<SocketAddr>;
    /// Disconnects; returns how many.
    async fn kick(&self, target: Kick) -> usize;
    /// Takes in what was changed about users.
    async fn changed(&self, users: Vec<String>) -> Result<Applied>;
    /// What a user's home holds, or each user's.
    async fn usage(&self, user: Option<String>) -> Result<Vec<HomeUsage>>;
    /// Measures a user's home, which takes as long as it takes.
    async fn scan(&self, user: String) -> Result<Scanned>;
}

/// Opens the control socket of this process, and removes those that dead servers left behind.
///
/// # Errors
/// When it cannot be made.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let make = || {
        sockets::remove_dead(path)?;
        let (dir, name) = Short::new(&sockets::of_process(path, std::process::id()))?;
        let new = dir.path(&format!("{name}{}", sockets::UNFINISHED));
        // Made under another name until nobody else may open it.
        let _ = std::fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, dir.path(&name))?;
        Ok(listener)
    };
    make().map_err(|e: std::io::Error| {
        Error::new(format!("cannot open control socket \"{}\"", path.display())).because(e)
    })
}

/// Removes the control socket of this process, when nobody is answered any more.
pub fn unbind(path: &Path) {
    // One that stays is passed over by commands, and removed by the next server.
    let _ = std::fs::remove_file(sockets::of_process(path, std::process::id()));
}

/// A directory by a path that is always short enough for a socket's address (108 bytes).
struct Short(OwnedFd);

impl Short {
    fn new(socket: &Path) -> std::io::Result<(Self, String)> {
        let parent = socket.parent().unwrap_or(Path::new("/"));
        let dir = rustix::fs::open(
            parent,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        // Otherwise a server that cannot be reached would look like one that does not run.
        if std::fs::symlink_metadata("/proc/self/fd").is_err() {
            return Err(std::io::Error::other("/proc is not mounted"));
        }
        let name = socket
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((Self(dir), name))
    }

    fn path(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()).into()
    }
}

/// Answers on the control socket until `shutdown`.
pub async fn serve(listener: UnixListener, handler: Arc<dyn ControlHandler>, shutdown: CancellationToken) {
    let mut clients = JoinSet::new();
    let mut spare = Spare::new();
    loop {
        spare.keep();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            // Where there are many, the next one waits for its turn.
            accepted = listener.accept(), if clients.len() < MAX_CONNECTIONS => accepted,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            // Between the socket's making and its mode 0600 a careless umask lets others in.
            Ok((stream, _)) if !may_ask(&stream) => {}
            Ok((stream, _)) => {
                let handler = Arc::clone(&handler);
                clients.spawn(attend(stream, handler));
            }
            // The operator may be the only one who can help: the next round accepts with what was kept.
            Err(error) if descriptors::are_used_up(&error) && spare.give_up() => {
                let accepted = listener.poll_accept(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(Ok((stream, _))) = accepted
                    && may_ask(&stream)
                {
                    clients.spawn(attend(stream, Arc::clone(&handler)));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a control connection");
                // Out of descriptors: nothing gets better by asking again at once.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    clients.shutdown().await;
}

async fn attend(stream: UnixStream, handler: Arc<dyn ControlHandler>) {
    if let Err(error) = converse(stream, &*handler).await {
        tracing::debug!(%error, "a control connection broke off");
    }
}

/// Is it root, or who the server is?
fn may_ask(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == us)
}

async fn converse(stream: UnixStream, handler: &dyn ControlHandler) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST_REQUEST);
        let length = tokio::time::timeout(IDLE, limited.read_until(b'\n', &mut line)).await??;
        if length == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let answer = match serde_json::from_slice(&line) {
            _ if !whole => Answer::Error("the request is too long or has no end".to_owned()),
            Ok(request) => answer_in_time(request, handler, &mut write).await?,
            Err(error) => Answer::Error(format!("not understood: {error}")),
        };
        send(&answer, &mut write).await?;
        if !whole {
            return Ok(());
        }
    }
}

async fn send(answer: &Answer, write: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    tokio::time::timeout(IDLE, write.write_all(&text)).await?
}

/// The answer to a request; if that may take long, the client hears now and then that it is worked on.
async fn answer_in_time(
    request: Request,
    handler: &dyn ControlHandler,
    write: &mut OwnedWriteHalf,
) -> std::io::Result<Answer> {
    let takes_long = request.takes_long();
    let answering = answer(request, handler);
    tokio::pin!(answering);
    loop {
        tokio::select! {
            answer = &mut answering => return Ok(answer),
            () = tokio::time::sleep(SIGN_OF_LIFE), if takes_long => send(&Answer::Working, write).await?,
        }
    }
}

async fn answer(request: Request, handler: &dyn ControlHandler) -> Answer {
    let failed = |error: Error| Answer::Failed(error.to_string());
    match request {
        Request::Sessions => Answer::Sessions(handler.sessions().await),
        Request::Listening => Answer::Listening(handler.listening()),
        Request::Kick(target) => Answer::Kicked(handler.kick(target).await),
        Request::Usage { user } => handler.usage(user).await.map_or_else(failed, Answer::Usage),
        Request::Scan { user } => handler
            .scan(user)
            .await
            .map_or_else(failed, |scanned| Answer::Scanned(Box::new(scanned))),
        Request::Changed { users } => handler.changed(users).await.map_or_else(failed, Answer::Applied),
    }
}

/// The server has misunderstood.
pub(super) fn unexpected() -> Error {
    Error::new("the server answered something else than was asked")
}

#[cfg(test)]
mod tests;
