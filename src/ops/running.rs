//! The running server as use cases see it: one trait, which the server itself implements, and which the client of the
//! control socket implements for other processes.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::hooks::{HookAction, HookEntryView, HookSelection};
use super::usage::{HomeUsage, Remeasurement};
use crate::domain::event::{AdminRecord, Operator};
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// The requests that the running server can answer.
#[async_trait::async_trait]
pub trait RunningServer: Send + Sync {
    /// Returns the sessions, ordered by the time of the sign-in.
    async fn sessions(&self) -> ServerResult<Vec<SessionView>>;
    /// Returns the addresses that are listened on.
    async fn listening(&self) -> ServerResult<Vec<SocketAddr>>;
    /// Disconnects sessions, and returns how many.
    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize>;
    /// Puts changes of these users' records in force, and records in the audit log what an operator has changed. For a
    /// renamed user, both names must be given.
    async fn apply_changes(&self, users: Vec<UserName>, record: Option<AdminRecord>) -> ServerResult<Effect>;
    /// Returns the use of a user's home, or of each user's.
    async fn usage(&self, user: Option<UserName>) -> ServerResult<Vec<HomeUsage>>;
    /// Records in the audit log what an operator has changed.
    async fn record(&self, record: AdminRecord) -> ServerResult<()>;
    /// Returns the operator on whose behalf requests are made.
    fn operator(&self) -> Operator;
    /// Measures a user's home again. For a large home this takes minutes.
    async fn measure(&self, user: UserName) -> ServerResult<Remeasurement>;
    /// Returns the events that wait for hooks, in their order.
    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>>;
    /// Tries or drops events that wait for hooks, and returns how many.
    async fn change_hooks(&self, action: HookAction, selection: HookSelection) -> ServerResult<usize>;
    /// Reads the configuration again, and returns what has come of it. If it is invalid, nothing changes.
    async fn reload(&self) -> ServerResult<ReloadView>;
}

/// The answer of the running server, or why there is none.
pub type ServerResult<T> = std::result::Result<T, Unanswered>;

/// Why a request to the running server has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// No server is running. The error says where one was looked for.
    NotRunning(Error),
    /// The server has not answered, or cannot do what was requested.
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

/// Returns the answer of a server that need not be running; `None` if it is not.
///
/// # Errors
/// Returns an error if a server is running and has not answered, or cannot do what was requested.
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

/// What a server that has read its configuration again does with the changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReloadView {
    /// The sections whose changes apply to new connections from now on.
    pub applied: Vec<String>,
    /// The sections with changes that apply only after a restart.
    pub waiting_for_restart: Vec<String>,
}

/// The effect of a change of users' records on the running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// The sessions that were ended, because they have lost something.
    pub sessions_ended: usize,
    /// The number of ended sessions, and of homes with a new quota, for which a call that had begun is still in
    /// progress because their disk hangs. No further call begins.
    pub still_busy: usize,
}

/// A session as it is shown to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its number, which is never used again while the server runs.
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
    /// The payload received so far in bytes, if it is counted.
    pub bytes_in: Option<u64>,
    /// The payload sent so far in bytes, if it is counted.
    pub bytes_out: Option<u64>,
}
