//! The client of the control socket. It blocks, but never for longer than [`LIMIT`] without a message from the server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::admin::AdminJson;
use super::protocol::{ControlAnswer, ControlRequest, Kick};
use super::sockets;
use crate::domain::event::{AdminRecord, Operator};
use crate::domain::user::UserName;
use crate::ops::admin::operator_of_process;
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection};
use crate::ops::running::{
    DisconnectTarget, Effect, ReloadView, RunningServer, ServerResult, SessionView, StatusView, Unanswered,
};
use crate::ops::usage::{AccountHolder, HomeUsage, Remeasurement};
use base::error::{Error, Result};

/// The most time for connecting, sending a request and receiving the answer. A working server needs milliseconds; one
/// that was stopped never answers.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest answer in bytes: the use of 100,000 homes of 300 bytes, twice.
const LONGEST_ANSWER: usize = 64 << 20;

/// The most bytes of one request with several records. The server takes 64 KiB.
const LONGEST_BATCH: usize = 48 * 1024;

/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// The running server, accessed through its control socket. Its calls block the thread, so it is for programs that do
/// nothing else meanwhile.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    operator: Operator,
}

impl Client {
    /// Creates the client for this control socket, whether a server is running or not. It must be called before root
    /// becomes another user, because its requests are recorded as those of the user who calls it.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            operator: operator_of_process(),
        }
    }

    pub(super) fn ask(&self, request: &ControlRequest) -> std::result::Result<ControlAnswer, Unanswered> {
        let answer = ask_if_running(&self.socket, request)?;
        answer.ok_or_else(|| Unanswered::NotRunning(not_running(&self.socket)))
    }

    fn record_batch(&self, batch: Vec<AdminJson>) -> ServerResult<()> {
        match self.ask(&ControlRequest::RecordAll(batch))? {
            ControlAnswer::Recorded => Ok(()),
            _ => Err(unexpected().into()),
        }
    }
}

#[async_trait::async_trait]
impl RunningServer for Client {
    async fn sessions(&self, after: u64) -> ServerResult<Vec<SessionView>> {
        match self.ask(&ControlRequest::Sessions { after })? {
            ControlAnswer::Sessions(sessions) => Ok(all(sessions)?),
            _ => Err(unexpected().into()),
        }
    }

    async fn status(&self) -> ServerResult<StatusView> {
        match self.ask(&ControlRequest::Status)? {
            ControlAnswer::Status(status) => Ok((*status).try_into()?),
            _ => Err(unexpected().into()),
        }
    }

    async fn listening(&self) -> ServerResult<Vec<SocketAddr>> {
        match self.ask(&ControlRequest::Listening)? {
            ControlAnswer::Listening(addresses) => Ok(addresses),
            _ => Err(unexpected().into()),
        }
    }

    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize> {
        let kick = match target {
            DisconnectTarget::Session(id) => Kick::Session(id),
            DisconnectTarget::User(name) => Kick::User(name.to_string()),
        };
        match self.ask(&ControlRequest::Kick(kick))? {
            ControlAnswer::Kicked(count) => Ok(count),
            _ => Err(unexpected().into()),
        }
    }

    async fn apply_changes(&self, users: Vec<UserName>, record: Option<AdminRecord>) -> ServerResult<Effect> {
        let users = users.iter().map(ToString::to_string).collect();
        let record = record.map(|record| Box::new(record.into()));
        match self.ask(&ControlRequest::Changed { users, record })? {
            ControlAnswer::Applied(effect) => Ok(effect.into()),
            _ => Err(unexpected().into()),
        }
    }

    async fn record(&self, record: AdminRecord) -> ServerResult<()> {
        match self.ask(&ControlRequest::Record(Box::new(record.into())))? {
            ControlAnswer::Recorded => Ok(()),
            _ => Err(unexpected().into()),
        }
    }

    async fn record_all(&self, records: &[AdminRecord]) -> ServerResult<()> {
        let mut batch: Vec<AdminJson> = Vec::new();
        let mut size = 0;
        for record in records {
            let one = AdminJson::from(record.clone());
            let length = serde_json::to_string(&one).map_or(0, |text| text.len() + 1);
            if !batch.is_empty() && size + length > LONGEST_BATCH {
                self.record_batch(std::mem::take(&mut batch))?;
                size = 0;
            }
            size += length;
            batch.push(one);
        }
        // An empty one asks whether a server is running.
        self.record_batch(batch)
    }

    fn operator(&self) -> Operator {
        self.operator.clone()
    }

    async fn usage(&self, only: Option<AccountHolder>) -> ServerResult<Vec<HomeUsage>> {
        let (user, folder) = only.map(names).unwrap_or_default();
        match self.ask(&ControlRequest::Usage { user, folder })? {
            ControlAnswer::Usage(usages) => Ok(all(usages)?),
            _ => Err(unexpected().into()),
        }
    }

    async fn measure(&self, holder: AccountHolder) -> ServerResult<Remeasurement> {
        let (user, folder) = names(holder);
        match self.ask(&ControlRequest::Scan { user, folder })? {
            ControlAnswer::Scanned(measurement) => Ok((*measurement).try_into()?),
            _ => Err(unexpected().into()),
        }
    }

    async fn problems(&self) -> ServerResult<Vec<String>> {
        match self.ask(&ControlRequest::Problems)? {
            ControlAnswer::Problems(problems) => Ok(problems),
            _ => Err(unexpected().into()),
        }
    }

    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>> {
        match self.ask(&ControlRequest::Hooks)? {
            ControlAnswer::Hooks(entries) => Ok(all(entries)?),
            _ => Err(unexpected().into()),
        }
    }

    async fn change_hooks(&self, action: HookAction, selection: HookSelection) -> ServerResult<usize> {
        let request = ControlRequest::ChangeHooks {
            drop: action == HookAction::Drop,
            entries: match selection {
                HookSelection::AllSetAside => None,
                HookSelection::Entries(entries) => Some(entries),
            },
        };
        match self.ask(&request)? {
            ControlAnswer::HooksChanged(count) => Ok(count),
            _ => Err(unexpected().into()),
        }
    }

    async fn reload(&self) -> ServerResult<ReloadView> {
        match self.ask(&ControlRequest::Reload)? {
            ControlAnswer::Reloaded(reloaded) => Ok(reloaded.into()),
            _ => Err(unexpected().into()),
        }
    }
}

fn all<Json, View: TryFrom<Json, Error = Error>>(list: Vec<Json>) -> Result<Vec<View>> {
    list.into_iter().map(View::try_from).collect()
}

fn unexpected() -> Error {
    Error::new("the server's answer does not match the request")
}

fn not_running(socket: &Path) -> Error {
    Error::new(format!(
        "no server is running: no process answers at \"{}\"",
        socket.display()
    ))
    .hint("homeportd serve, with the same configuration")
}

/// Returns the names of a user and of a folder, one of which there is.
fn names(holder: AccountHolder) -> (Option<String>, Option<String>) {
    match holder {
        AccountHolder::User(name) => (Some(name.to_string()), None),
        AccountHolder::Folder(name) => (None, Some(name.to_string())),
    }
}

/// Sends a request to the running server and returns the answer; `None` if no server is running. It blocks.
///
/// # Errors
/// Returns an error if the server does not answer, or cannot do what is requested.
pub(super) fn ask_if_running(socket: &Path, request: &ControlRequest) -> Result<Option<ControlAnswer>> {
    let cannot = || Error::new(format!("cannot ask the server at \"{}\"", socket.display()));
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => cannot()
            .because(format!("it has not answered within {} s", LIMIT.as_secs()))
            .hint("it was stopped, or it hangs: see its log, and ps for its state"),
        ErrorKind::PermissionDenied => cannot()
            .because(error)
            .hint("run the command as root, or as the server's user"),
        _ => cannot().because(error),
    };
    let Some(mut exchange) = Exchange::begin(socket).map_err(failed)? else {
        return Ok(None);
    };
    exchange.send(request).map_err(failed)?;
    loop {
        let line = exchange.line().map_err(failed)?;
        match serde_json::from_slice(&line) {
            Ok(ControlAnswer::Working) if request.takes_long() => exchange.end = Instant::now() + LIMIT,
            Ok(ControlAnswer::Error(text)) => {
                return Err(cannot().because(text).hint("are both of the same version?"));
            }
            Ok(ControlAnswer::Failed(text)) => return Err(Error::new(text)),
            Ok(answer) => return Ok(Some(answer)),
            Err(_) if line.is_empty() => {
                return Err(cannot().because("it hung up").hint("it may be ending; try again"));
            }
            Err(e) => return Err(cannot().because(e)),
        }
    }
}

/// One exchange with a server, and its deadline.
struct Exchange {
    stream: UnixStream,
    end: Instant,
    /// The bytes that have arrived after the last line.
    rest: Vec<u8>,
}

impl Exchange {
    /// Connects to the first server that listens; `None` if there is none.
    fn begin(socket: &Path) -> std::io::Result<Option<Self>> {
        let end = Instant::now() + LIMIT;
        let stream = sockets::connect(socket, LIMIT)?;
        Ok(stream.map(|stream| Self {
            stream,
            end,
            rest: Vec::new(),
        }))
    }

    /// Returns the time that is left for this exchange.
    fn left(&self) -> std::io::Result<Duration> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    fn send(&mut self, request: &ControlRequest) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut rest = &line[..];
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the next line; empty if the server has closed the connection before its end.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = std::mem::take(&mut self.rest);
        let mut piece = vec![0; PIECE];
        let mut scanned = 0;
        loop {
            let unseen = line.get(scanned..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                self.rest = line.split_off(scanned + at + 1);
                return Ok(line);
            }
            scanned = line.len();
            if scanned > LONGEST_ANSWER {
                return Err(std::io::Error::other("its answer is too long"));
            }
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Vec::new()),
                Ok(count) => line.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
