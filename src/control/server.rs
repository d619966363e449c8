//! The server's side of the control socket: accepts connections from commands, and answers their requests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::json::HookEntryJson;
use super::json::sessions::SessionJson;
use super::protocol::{ControlAnswer, ControlRequest, Kick};
use super::sockets::{self, SocketDir};
use crate::domain::user::UserName;
use crate::io::descriptors::{self, SpareDescriptor};
use crate::ops::hooks::{HookAction, HookSelection};
use crate::ops::running::{DisconnectTarget, RunningServer, Unanswered};
use crate::ops::usage::AccountHolder;
use base::error::{Error, Result};

/// The longest request in bytes: all settings of a user or a group, before and after a change, with at most fifty
/// values of 400 bytes in each of five lists; and the names of two hundred users.
const LONGEST_REQUEST: u64 = 512 * 1024;

/// The most connections at once: there are few operators, but a script may loop.
pub(super) const MAX_CONNECTIONS: usize = 32;

/// How often a client that waits for a slow answer gets a message.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);

/// How long a connection may be silent: a client sends its request immediately, and reads its answer.
const IDLE: Duration = Duration::from_secs(10);

/// Opens the control socket of this process, and removes those that dead servers have left.
///
/// # Errors
/// Returns an error if it cannot be created.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let make = || {
        sockets::remove_dead(path)?;
        let (dir, name) = SocketDir::open(&sockets::of_process(path, std::process::id()))?;
        let new = dir.path(&format!("{name}{}", sockets::UNFINISHED));
        // It has another name until its mode is set.
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

/// Removes the control socket of this process, when no more requests are answered.
pub fn unbind(path: &Path) {
    // If it remains, commands skip it, and the next server removes it.
    let _ = std::fs::remove_file(sockets::of_process(path, std::process::id()));
}

/// Answers requests on the control socket until `shutdown` is cancelled.
pub async fn serve(listener: UnixListener, running: Arc<dyn RunningServer>, shutdown: CancellationToken) {
    let mut clients = JoinSet::new();
    let mut spare = SpareDescriptor::new();
    loop {
        spare.keep();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            // If there are too many connections, the next one waits.
            accepted = listener.accept(), if clients.len() < MAX_CONNECTIONS => accepted,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            // Between the creation of the socket and its mode 0600, a lax umask lets other users connect.
            Ok((stream, _)) if !may_ask(&stream) => {}
            Ok((stream, _)) => {
                clients.spawn(serve_client(stream, Arc::clone(&running)));
            }
            // The operator may need this socket to help: the next round accepts with the spare descriptor.
            Err(error) if descriptors::is_exhausted(&error) && spare.release() => {
                let accepted = listener.poll_accept(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(Ok((stream, _))) = accepted
                    && may_ask(&stream)
                {
                    clients.spawn(serve_client(stream, Arc::clone(&running)));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a control connection");
                // Without descriptors, trying again immediately does not help.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    clients.shutdown().await;
}

async fn serve_client(stream: UnixStream, running: Arc<dyn RunningServer>) {
    if let Err(error) = converse(stream, &*running).await {
        tracing::debug!(%error, "a control connection broke off");
    }
}

/// Returns whether the peer is root, or the user that the server runs as.
fn may_ask(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == us)
}

async fn converse(stream: UnixStream, running: &dyn RunningServer) -> std::io::Result<()> {
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
            _ if !whole => ControlAnswer::Error("the request is too long or has no end".to_owned()),
            Ok(request) => answer_in_time(request, running, &mut write).await?,
            Err(error) => ControlAnswer::Error(format!("not understood: {error}")),
        };
        send(&answer, &mut write).await?;
        if !whole {
            return Ok(());
        }
    }
}

async fn send(answer: &ControlAnswer, write: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    tokio::time::timeout(IDLE, write.write_all(&text)).await?
}

/// Answers a request. If that may take long, the client regularly gets a message meanwhile.
async fn answer_in_time(
    request: ControlRequest,
    running: &dyn RunningServer,
    write: &mut OwnedWriteHalf,
) -> std::io::Result<ControlAnswer> {
    let takes_long = request.takes_long();
    let answering = answer(request, running);
    tokio::pin!(answering);
    loop {
        tokio::select! {
            answer = &mut answering => return Ok(answer),
            () = tokio::time::sleep(KEEPALIVE_EVERY), if takes_long => send(&ControlAnswer::Working, write).await?,
        }
    }
}

async fn answer(request: ControlRequest, running: &dyn RunningServer) -> ControlAnswer {
    let answered = match request {
        ControlRequest::Sessions { after } => running
            .sessions(after)
            .await
            .map(|sessions| ControlAnswer::Sessions(sessions.iter().map(SessionJson::from).collect())),
        ControlRequest::Status => running
            .status()
            .await
            .map(|status| ControlAnswer::Status(Box::new((&status).into()))),
        ControlRequest::Listening => running.listening().await.map(ControlAnswer::Listening),
        ControlRequest::Kick(kick) => match target(kick) {
            Some(target) => running.disconnect(target).await.map(ControlAnswer::Kicked),
            None => Ok(ControlAnswer::Kicked(0)),
        },
        ControlRequest::Usage { user, folder } => usage(user, folder, running).await,
        ControlRequest::Scan { user, folder } => measure(user, folder, running).await,
        ControlRequest::Record(record) => {
            let recorded = running.record((*record).into()).await;
            recorded.map(|()| ControlAnswer::Recorded)
        }
        ControlRequest::RecordAll(records) => {
            let records: Vec<_> = records.into_iter().map(Into::into).collect();
            let recorded = running.record_all(&records).await;
            recorded.map(|()| ControlAnswer::Recorded)
        }
        ControlRequest::Changed { users, record } => {
            // A name that no user can have has no sessions.
            let users = users.iter().filter_map(|name| UserName::stored(name).ok());
            let effect = running
                .apply_changes(users.collect(), record.map(|record| (*record).into()))
                .await;
            effect.map(|effect| ControlAnswer::Applied(effect.into()))
        }
        ControlRequest::Problems => running.problems().await.map(ControlAnswer::Problems),
        ControlRequest::Hooks => running
            .hooks()
            .await
            .map(|entries| ControlAnswer::Hooks(entries.into_iter().map(HookEntryJson::from).collect())),
        ControlRequest::ChangeHooks { drop, entries } => {
            let action = if drop { HookAction::Drop } else { HookAction::Retry };
            let selection = entries.map_or(HookSelection::AllSetAside, HookSelection::Entries);
            let changed = running.change_hooks(action, selection).await;
            changed.map(ControlAnswer::HooksChanged)
        }
        ControlRequest::Reload => running
            .reload()
            .await
            .map(|reloaded| ControlAnswer::Reloaded(reloaded.into())),
    };
    answered.unwrap_or_else(|unanswered| ControlAnswer::Failed(Error::from(unanswered).to_string()))
}

/// Returns the sessions to disconnect; `None` for a name that no user can have.
fn target(kick: Kick) -> Option<DisconnectTarget> {
    match kick {
        Kick::Session(id) => Some(DisconnectTarget::Session(id)),
        Kick::User(name) => UserName::stored(&name).ok().map(DisconnectTarget::User),
    }
}

/// Returns the user or the folder that a request names.
fn holder(user: Option<String>, folder: Option<String>) -> Result<Option<AccountHolder>> {
    match (user, folder) {
        (None, None) => Ok(None),
        (Some(user), _) => Ok(Some(AccountHolder::User(UserName::stored(&user)?))),
        (None, Some(folder)) => Ok(Some(AccountHolder::Folder(folder.parse()?))),
    }
}

async fn usage(
    user: Option<String>,
    folder: Option<String>,
    running: &dyn RunningServer,
) -> std::result::Result<ControlAnswer, Unanswered> {
    let usages = running.usage(holder(user, folder)?).await?;
    Ok(ControlAnswer::Usage(usages.iter().map(Into::into).collect()))
}

async fn measure(
    user: Option<String>,
    folder: Option<String>,
    running: &dyn RunningServer,
) -> std::result::Result<ControlAnswer, Unanswered> {
    let holder = holder(user, folder)?;
    let holder = holder.ok_or_else(|| Error::new("the request names neither a user nor a folder"))?;
    let measurement = running.measure(holder).await?;
    Ok(ControlAnswer::Scanned(Box::new((&measurement).into())))
}
