//! The running server as use cases see it: one trait, which the server itself implements, and which the client of the
//! control socket implements for other processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::hooks::{HookAction, HookEntryView, HookSelection};
use super::usage::{AccountHolder, HomeUsage, Remeasurement};
use crate::domain::event::{AdminRecord, Operator, Protocol};
use crate::domain::folder::FolderName;
use crate::domain::user::UserName;
use crate::io::FilesystemState;
use base::error::{Error, Result};

/// The requests that the running server can answer.
#[async_trait::async_trait]
pub trait RunningServer: Send + Sync {
    /// Returns a page of the sessions with higher numbers than `after`, ordered by the time of the sign-in; an empty
    /// one if there are none. The numbers begin with 1. [`super::sessions::list`] returns all pages.
    async fn sessions(&self, after: u64) -> ServerResult<Vec<SessionView>>;
    /// Returns what the server does as a whole.
    async fn status(&self) -> ServerResult<StatusView>;
    /// Returns the addresses that are listened on.
    async fn listening(&self) -> ServerResult<Vec<SocketAddr>>;
    /// Disconnects sessions, and returns how many.
    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize>;
    /// Puts changes of these users' records in force, and records in the audit log what an operator has changed. For a
    /// renamed user, both names must be given.
    async fn apply_changes(&self, users: Vec<UserName>, record: Option<AdminRecord>) -> ServerResult<Effect>;
    /// Returns the use of a user's home or of a folder, or of all.
    async fn usage(&self, only: Option<AccountHolder>) -> ServerResult<Vec<HomeUsage>>;
    /// Records in the audit log what an operator has changed.
    async fn record(&self, record: AdminRecord) -> ServerResult<()>;
    /// Records in the audit log many changes of an operator, in their order.
    async fn record_all(&self, records: &[AdminRecord]) -> ServerResult<()>;
    /// Returns the operator on whose behalf requests are made.
    fn operator(&self) -> Operator;
    /// Measures a user's home or a folder again. For a large one this takes minutes.
    async fn measure(&self, holder: AccountHolder) -> ServerResult<Remeasurement>;
    /// Returns what an operator must do something about, and what only the server knows, as sentences.
    async fn problems(&self) -> ServerResult<Vec<String>>;
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
    /// The files that a setting names and whose content has changed. It is in force from now on.
    pub files: Vec<ChangedFile>,
    /// The number of sessions that were ended, because their key or certificate is not accepted any more.
    pub sessions_ended: usize,
}

/// A file that a setting names, and whose content has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// The setting, with its section.
    pub setting: String,
    /// The file.
    pub path: PathBuf,
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
    /// The number of the share, if a visitor acts on behalf of the user.
    pub share: Option<i64>,
    /// The address and port of the client.
    pub peer: SocketAddr,
    /// The version string that the client sent.
    pub client: String,
    /// The protocol that the client speaks.
    pub protocol: Protocol,
    /// The time at which the user signed in.
    pub since: Timestamp,
    /// The number of its open channels.
    pub channels: usize,
    /// The payload received so far in bytes, if it is counted.
    pub bytes_in: Option<u64>,
    /// The payload sent so far in bytes, if it is counted.
    pub bytes_out: Option<u64>,
    /// The use and the quota of the user's home, if the home is known.
    pub home: Option<HomeFilling>,
    /// The use and the quota of some of the user's folders that are in use, with their names.
    pub folders: Vec<FolderFilling>,
    /// The number of files that are open, or being hashed.
    pub open_files: usize,
    /// What is done with some of these files, the busiest first.
    pub work: Vec<WorkView>,
}

/// How full a home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeFilling {
    /// The sum of file sizes in bytes. After a crash it is an upper bound until the home has been measured.
    pub used_bytes: u64,
    /// The quota in bytes; `None` means unlimited.
    pub quota_bytes: Option<u64>,
}

/// How full a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFilling {
    /// The name of the folder.
    pub name: FolderName,
    /// Its use and its quota, which all who have it share.
    pub filling: HomeFilling,
}

/// What a session does with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkView {
    /// The stable name of what is done: `reading`, `writing` or `hashing`.
    pub kind: String,
    /// The path of the file in the home, in the form of the audit log. A long one is cut at its beginning.
    pub path: String,
    /// The number of bytes that were read or written so far.
    pub bytes: u64,
    /// The end of what was read or written last, in bytes from the beginning of the file.
    pub position: u64,
    /// The size of the file in bytes, if it is known.
    pub size: Option<u64>,
    /// How long the file has been open.
    pub duration: Duration,
}

/// What a server does as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusView {
    /// The version of the server.
    pub version: String,
    /// The time of its start.
    pub since: Timestamp,
    /// Whether it is stopping, and waits for transfers.
    pub is_stopping: bool,
    /// The number of sessions.
    pub sessions: usize,
    /// The number of connections that have not signed in.
    pub unauthenticated: usize,
    /// The bytes of files that clients have written since the start.
    pub bytes_up: u64,
    /// The bytes of files that clients have read since the start.
    pub bytes_down: u64,
    /// The file systems that are in use.
    pub file_systems: Vec<FilesystemState>,
    /// The directories that homes lie in, and that of the store, with the space there.
    pub places: Vec<PlaceSpace>,
}

/// The space in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceSpace {
    /// The absolute path of the directory.
    pub path: PathBuf,
    /// The number of free bytes, as the server's user may use them.
    pub free_bytes: u64,
    /// The size of the file system in bytes.
    pub total_bytes: u64,
}
