//! Makes connections to one server, each signed in and with SFTP.
//!
//! The first one may ask the user. Those beside it may not: they use what was answered for the first, and what would need
//! another answer is an error.

use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::UnixStream;

use super::failure::ConnectFailure;
use crate::connect::{
    self, ConnectError, Credentials, Destination, NotBegun, Prompts, Route, SshProcess, SshProgram,
};
use crate::link::{
    Link, OpenError, OpenLimits, ProgramTransport, ReplyLimits, SharedChannel, SshHandler, SshTransport,
};
use base::error::Error;
use base::secret::Secret;

/// How much longer than the connect timeout the system's ssh may take to sign in where somebody may have to confirm on a
/// phone, or touch a key.
const CONFIRMATION: Duration = Duration::from_secs(120);
/// How long the system's ssh may take with all its prompts, which have no limit of their own.
const WITH_PROMPTS: Duration = Duration::from_secs(24 * 3600);

/// The least time that SFTP gets to begin after a sign-in that has used up the time of an attempt: prompts may have taken
/// it.
const LEAST_TO_OPEN: Duration = Duration::from_secs(1);

/// Which connection of a run this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionRole {
    /// The first, for which the user is asked.
    First,
    /// Another one, which may not ask the user.
    Beside,
}

/// Makes connections to one server.
pub(super) struct Dialer {
    pub(super) destination: Destination,
    pub(super) role: ConnectionRole,
    credentials: Arc<Credentials>,
    prompts: Arc<dyn Prompts>,
    /// The system's ssh that makes the first connection, if it does: those beside it share it.
    ssh: Arc<Mutex<Weak<SshProcess>>>,
}

impl Dialer {
    /// Makes the dialer of the first connection.
    pub(super) fn new(
        destination: Destination,
        credentials: Arc<Credentials>,
        prompts: Arc<dyn Prompts>,
    ) -> Self {
        Self {
            destination,
            role: ConnectionRole::First,
            credentials,
            prompts,
            ssh: Arc::default(),
        }
    }

    /// A dialer for connections beside this one.
    pub(super) fn beside(&self) -> Self {
        Self {
            destination: self.destination.clone(),
            role: ConnectionRole::Beside,
            credentials: Arc::clone(&self.credentials),
            prompts: Arc::new(NoFurtherPrompts),
            ssh: Arc::clone(&self.ssh),
        }
    }

    /// Why there can be no connection beside the first. `None`: there can.
    pub(super) fn why_alone(&self) -> Option<&'static str> {
        match &self.destination.route {
            Route::Ssh(_) => {
                let process = self.ssh.lock().upgrade();
                let shares = process.is_some_and(|process| process.takes_sessions());
                (!shares).then_some("ssh does not share its connection")
            }
            Route::Direct | Route::Jumps(_) => self.credentials.why_once(),
        }
    }

    /// Connects and signs in. With a `limit` all of that together takes no longer; time with an open prompt does not
    /// count.
    ///
    /// # Errors
    /// When a step fails; the error says which.
    pub(super) async fn dial(&self, limit: Option<Duration>) -> Result<Link, ConnectFailure> {
        match (&self.destination.route, self.role) {
            (Route::Ssh(program), ConnectionRole::First) => self.dial_by_ssh(program, limit).await,
            (Route::Ssh(_), ConnectionRole::Beside) => self.share_ssh(limit).await,
            (Route::Direct | Route::Jumps(_), _) => self.dial_itself(limit).await,
        }
    }

    /// Connects and signs in by the SSH library.
    async fn dial_itself(&self, limit: Option<Duration>) -> Result<Link, ConnectFailure> {
        let destination = &self.destination;
        let wiring = SharedChannel::default();
        let events = |callbacks| SshHandler::new(callbacks, wiring.clone());
        let prompts = Arc::clone(&self.prompts);
        let began = Instant::now();
        let connection =
            connect::connect_within(limit, destination, &self.credentials, prompts, events).await?;
        let limits = OpenLimits {
            answer: destination.connect_timeout,
            replies: ReplyLimits::default(),
        };
        let opening = Link::open(Box::new(SshTransport::new(connection, wiring)), limits);
        let Some(limit) = limit else {
            return Ok(opening.await?);
        };
        // Nobody is asked anything any more.
        let left = limit.saturating_sub(began.elapsed()).max(LEAST_TO_OPEN);
        match tokio::time::timeout(left, opening).await {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(connect::no_answer(destination).into()),
        }
    }

    /// Lets the system's ssh connect and sign in. It has its own limits for the steps of that, and ours for the whole.
    async fn dial_by_ssh(
        &self,
        program: &SshProgram,
        limit: Option<Duration>,
    ) -> Result<Link, ConnectFailure> {
        let (process, stream) = connect::start_ssh(program, &self.credentials, Arc::clone(&self.prompts))?;
        let process = Arc::new(process);
        let link = self.open_by_ssh(&process, stream, limit).await?;
        process.signed_in();
        *self.ssh.lock() = Arc::downgrade(&process);
        Ok(link)
    }

    /// Opens another session on the connection of the first ssh.
    async fn share_ssh(&self, limit: Option<Duration>) -> Result<Link, ConnectFailure> {
        let first = self.ssh.lock().upgrade();
        let (process, stream) = match first {
            Some(first) => first.another_session()?,
            None => {
                let ended = "the connection of ssh that was shared has ended";
                return Err(ConnectError::Unreachable(Error::new(ended)).into());
            }
        };
        self.open_by_ssh(&Arc::new(process), stream, limit).await
    }

    /// Waits until SFTP has begun. There is one limit for that, the connect timeout, from when ssh has signed in. If that
    /// does not show, it counts from the start.
    async fn open_by_ssh(
        &self,
        process: &Arc<SshProcess>,
        stream: UnixStream,
        limit: Option<Duration>,
    ) -> Result<Link, ConnectFailure> {
        let failure = |why| process.failure(&self.destination, why);
        let began = Instant::now();
        let at_most = |own: Duration| match limit {
            None => own,
            Some(limit) => own.min(limit.saturating_sub(began.elapsed()).max(LEAST_TO_OPEN)),
        };
        let limits = OpenLimits {
            answer: WITH_PROMPTS,
            replies: ReplyLimits::default(),
        };
        let transport = Box::new(ProgramTransport::new(Arc::clone(process), stream));
        let opening = Link::open(transport, limits);
        tokio::pin!(opening);
        let mut opened = None;
        if process.shows_sign_in() {
            let signing_in = async {
                tokio::select! {
                    biased;
                    opened = opening.as_mut() => Some(opened),
                    () = process.until_signed_in() => None,
                }
            };
            let limit = at_most(self.sign_in_limit());
            let done = process.within(limit, NotBegun::NotSignedIn, signing_in).await;
            opened = done.map_err(failure)?;
        }
        let opened = match opened {
            Some(opened) => opened,
            None => {
                let limit = at_most(self.destination.connect_timeout);
                let done = process.within(limit, NotBegun::Silent, opening).await;
                done.map_err(failure)?
            }
        };
        match opened {
            Ok(link) => Ok(link),
            Err(OpenError::Silent(_)) => Err(failure(NotBegun::Ended).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// How long ssh may take to sign in.
    fn sign_in_limit(&self) -> Duration {
        match self.destination.batch {
            true => self.destination.connect_timeout,
            false => self.destination.connect_timeout + CONFIRMATION,
        }
    }
}

/// The prompts of a connection beside the first, which nobody answers. What the server says while signing in was shown
/// for the first one.
struct NoFurtherPrompts;

impl NoFurtherPrompts {
    fn refusal() -> io::Error {
        io::Error::other("the user is not asked again for a further connection")
    }
}

impl Prompts for NoFurtherPrompts {
    fn secret(&self, _label: &str) -> io::Result<Secret> {
        Err(Self::refusal())
    }

    fn line(&self, _label: &str) -> io::Result<String> {
        Err(Self::refusal())
    }

    fn show(&self, _message: &str) {}

    fn are_answered(&self) -> bool {
        false
    }
}
