//! The running server as use cases see it: one trait, which the server itself implements, and which the client of the
//! control socket implements for other processes.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::usage::{HomeUsage, Remeasurement};
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// What the running server can be asked, and asked to do.
#[async_trait::async_trait]
pub trait RunningServer: Send + Sync {
    /// The sessions, in the order of signing in.
    async fn sessions(&self) -> ServerResult<Vec<SessionView>>;
    /// The addresses that are listened on.
    async fn listening(&self) -> ServerResult<Vec<SocketAddr>>;
    /// Disconnects sessions, and returns how many.
    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize>;
    /// Puts changes of these users' records in force. Of a renamed user both names are given.
    async fn apply_changes(&self, users: Vec<UserName>) -> ServerResult<Effect>;
    /// What a user's home holds, or each user's.
    async fn usage(&self, user: Option<UserName>) -> ServerResult<Vec<HomeUsage>>;
    /// Measures a user's home again, which takes as long as it takes.
    async fn measure(&self, user: UserName) -> ServerResult<Remeasurement>;
}

/// The running server's answer.
pub type ServerResult<T> = std::result::Result<T, Unanswered>;

/// Why a question to the running server has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// No server is running; the error says where one was looked for.
    NotRunning(Error),
    /// The server has not answered, or cannot do what it was asked.
    Failed(Error),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Unanswered::Failed(error)
    }
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotRunning(error) | Unanswered::Failed(error) => error,
        }
    }
}

/// The answer of a server that need not run: `None` if none does.
///
/// # Errors
/// When a server runs and has not answered, or cannot do what it was asked.
pub fn if_running<T>(answer: ServerResult<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Unanswered::NotRunning(_)) => Ok(None),
        Err(Unanswered::Failed(error)) => Err(error),
    }
}

/// The sessions that are to be disconnected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisconnectTarget {
    /// The one session with this number.
    Session(u64),
    /// All sessions of this user.
    User(UserName),
}

/// What a change of users' records has come to in the running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// Sessions that were ended, because they have lost something.
    pub sessions_ended: usize,
    /// Ended sessions, and homes with a new quota, for which a call that had begun is still under way: their disk
    /// hangs. No further call begins.
    pub still_busy: usize,
}

/// A signed-in session, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its number, which is never used twice while the server runs.
    pub id: u64,
    /// The user who has signed in.
    pub user: UserName,
    /// The address and port of the client.
    pub peer: SocketAddr,
    /// The version string that the client sent.
    pub client: String,
    /// The time at which the user signed in.
    pub since: Timestamp,
    /// The number of its open channels.
    pub channels: usize,
    /// Payload received so far, if it is counted.
    pub bytes_in: Option<u64>,
    /// Payload sent so far, if it is counted.
    pub bytes_out: Option<u64>,
}
