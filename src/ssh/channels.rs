//! The channels of a connection: SFTP, one of the server's commands, or a message that there is no shell.
//!
//! These are functions over a [`Connection`]; russh's callbacks in [`super::handler`] call them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::server::Session;
use russh::{ChannelId, Disconnect, Error};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Actor, Event};
use crate::exec::home_session::HomeSession;
use crate::exec::{self, CommandChannel, RunningCommand, Script};
use crate::mount::{Mounted, Refused};
use crate::session::SessionContext;
use crate::session::memory::TOO_MUCH_HELD;
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::stream::peer_window::PeerWindow;
use crate::session::stream::{InlineSender, QueuedSender};
use crate::sftp::channel::{ChannelFault, SftpChannel};
use crate::sftp::context::{ClientContext, ClientQuirks};
use crate::sftp::longname::LongnameFormatter;
use crate::sftp::queue::ChannelSetup;
use crate::sftp::session::Sftp;

use super::connection::Connection;
use super::home_opening;
use super::phase::ChannelUse;
use super::senders::{HandleSender, STDERR, SessionSender};

/// The smallest packet size of a peer that the server accepts, in bytes: replies are cut into packets of that size, and
/// smaller ones would have too much overhead.
const MIN_PEER_PACKET: u32 = 1024;

/// The memory for each byte of a command line: the line, its words, and which of their bytes were quoted.
const COMMAND_COST: usize = 8;

/// The message for clients that ask for a shell.
pub(super) const NO_SHELL: &str = "this server has no shell; connect with sftp";

/// What a channel needs to begin its work.
struct ChannelStart {
    home: Mounted,
    context: SessionContext,
    peer_window: Arc<PeerWindow>,
    queued_sender: Arc<dyn QueuedSender>,
    budget: Arc<ConnectionBudget>,
}

/// Why a channel cannot begin its work.
enum StartRefused {
    /// The channel is in use already, or its peer accepts only packets that are too small.
    Unfit,
    /// The home cannot be opened. The sentence for the client says why.
    NoHome(&'static str),
}

/// Collects what a channel needs to begin its work.
async fn start(
    connection: &mut Connection,
    id: ChannelId,
    session: &mut Session,
) -> Result<ChannelStart, StartRefused> {
    if !matches!(connection.channels.get(&id), Some(ChannelUse::Opened)) {
        return Err(StartRefused::Unfit);
    }
    let (window, max_packet) = session.recipient_window(&id).ok_or(StartRefused::Unfit)?;
    if max_packet < MIN_PEER_PACKET {
        return Err(StartRefused::Unfit);
    }
    let home = open_home(connection).await?;
    let service = Arc::clone(&connection.service);
    let activity = connection.activity.clone();
    let signed_in = connection.signed_in().ok_or(StartRefused::Unfit)?;
    let context = service.context_of(&signed_in.end_report, activity);
    let budget = Arc::clone(&signed_in.budget);
    Ok(ChannelStart {
        home,
        context,
        peer_window: Arc::new(PeerWindow::new(window, budget.in_flight())),
        budget,
        queued_sender: Arc::new(HandleSender {
            handle: session.handle(),
            id,
        }),
    })
}

/// Returns the session that the channels belong to, as events name it.
fn actor(connection: &mut Connection) -> Option<Actor> {
    Some(connection.signed_in()?.registration.session().actor())
}

/// Opens the home when it is first needed, on a thread where waiting for a disk blocks nothing else.
async fn open_home(connection: &mut Connection) -> Result<Mounted, StartRefused> {
    let service = Arc::clone(&connection.service);
    connection.socket_handle.push();
    let signed_in = connection.signed_in().ok_or(StartRefused::Unfit)?;
    let session = Arc::clone(signed_in.registration.session());
    if let Some(home) = &signed_in.home {
        return Ok(home.clone());
    }
    match home_opening::open_home(&service, &session).await {
        Ok(home) => {
            signed_in.home = Some(home.clone());
            Ok(home)
        }
        // The client is told why.
        Err(_) if session.gate.is_closed() => Err(StartRefused::Unfit),
        Err(Refused { error, sentence }) => {
            if connection.may_log() {
                tracing::error!(session = %session.id, user = %session.login.user(), %error, "no home for a session");
            }
            Err(StartRefused::NoHome(sentence))
        }
    }
}

/// Refuses a request. If the home cannot be opened, a program runs that prints the reason and fails, because SSH's
/// refusal carries no text.
fn not_started(
    connection: &mut Connection,
    id: ChannelId,
    why: StartRefused,
    session: &mut Session,
) -> Result<(), Error> {
    match why {
        StartRefused::Unfit => session.channel_failure(id),
        StartRefused::NoHome(sentence) => refuse_command(connection, id, sentence, 1, session),
    }
}

/// Begins SFTP on a channel.
pub(super) async fn start_sftp(
    connection: &mut Connection,
    id: ChannelId,
    session: &mut Session,
) -> Result<(), Error> {
    let start = match start(connection, id, session).await {
        Ok(start) => start,
        Err(why) => return not_started(connection, id, why, session),
    };
    let banner = String::from_utf8_lossy(session.remote_sshid()).into_owned();
    let cancelled = CancellationToken::new();
    let context = ClientContext {
        lister: LongnameFormatter {
            own_ids: connection.service.own_ids,
            user: start.context.actor.user.to_string(),
            zone: jiff::tz::TimeZone::system(),
        },
        session: start.context,
        quirks: ClientQuirks::of_client(&banner),
        timings: Arc::clone(&connection.service.timings),
        max_handles: connection.service.current().limits.handles,
        gone: cancelled.clone(),
    };
    let setup = ChannelSetup {
        peer_window: start.peer_window,
        queued_sender: start.queued_sender,
        cancelled,
        budget: start.budget,
        tasks: connection.tasks.clone(),
    };
    let folders = start.home.folders.as_ref();
    let sftp = Sftp::new(start.home.storage, context).with_folders(folders);
    let mut sftp = SftpChannel::new(sftp, setup);
    session.channel_success(id)?;
    sftp.begin(&mut SessionSender::new(session, id));
    connection.channels.insert(id, ChannelUse::Sftp(sftp));
    Ok(())
}

/// Runs one of the server's commands, or replies that there is none of this name.
pub(super) async fn run_command(
    connection: &mut Connection,
    id: ChannelId,
    command: &[u8],
    session: &mut Session,
) -> Result<(), Error> {
    if !matches!(connection.channels.get(&id), Some(ChannelUse::Opened)) {
        return session.channel_failure(id);
    }
    if exec::is_sftp_server(command) {
        return start_sftp(connection, id, session).await;
    }
    let Some(actor) = actor(connection) else {
        return session.channel_failure(id);
    };
    // Each refused command is an event of its own.
    connection.service.events.backpressure(&actor.user).wait().await;
    let script = match Script::parse(command, actor.user.as_str()) {
        Ok(script) => script,
        Err(refused) => {
            connection.service.events.emit(&Event::Command {
                who: actor,
                command: command.to_vec(),
                exit_status: Some(exec::NOT_FOUND),
            });
            return refuse_command(connection, id, &refused.to_string(), exec::NOT_FOUND, session);
        }
    };
    let start = match start(connection, id, session).await {
        Ok(start) => start,
        Err(why) => return not_started(connection, id, why, session),
    };
    let descriptor = match start.context.budget.descriptor() {
        Ok(descriptor) => descriptor,
        Err(exhausted) => return refuse_command(connection, id, &exhausted.to_string(), 1, session),
    };
    let home = HomeSession::new(start.home, start.context);
    if !home.charge_memory(command.len().saturating_mul(COMMAND_COST)) {
        return refuse_command(connection, id, TOO_MUCH_HELD, 1, session);
    }
    session.channel_success(id)?;
    let channel = CommandChannel {
        descriptor,
        peer_window: start.peer_window,
        queued_sender: start.queued_sender,
        budget: start.budget,
        tasks: connection.tasks.clone(),
    };
    connection.channels.insert(
        id,
        ChannelUse::Command(RunningCommand::start(script, home, channel)),
    );
    Ok(())
}

/// Refuses a command that cannot be run, as a shell would.
pub(super) fn refuse_command(
    connection: &mut Connection,
    id: ChannelId,
    sentence: &str,
    exit_status: u32,
    session: &mut Session,
) -> Result<(), Error> {
    if !matches!(connection.channels.get(&id), Some(ChannelUse::Opened)) {
        return session.channel_failure(id);
    }
    connection.channels.insert(id, ChannelUse::Done);
    session.channel_success(id)?;
    let sentence = format!("homeport: {sentence}\n").into_bytes();
    // What does not fit into the window is dropped; waiting would delay the connection's other channels.
    let window = session
        .recipient_window(&id)
        .map_or(0, |(window, _)| window as usize);
    if sentence.len() <= window {
        session.extended_data(id, STDERR, sentence)?;
    }
    session.exit_status_request(id, exit_status)?;
    session.eof(id)?;
    session.close(id)
}

/// Forgets a channel that was closed.
pub(super) fn end_of_channel(connection: &mut Connection, id: ChannelId) {
    if connection.channels.remove(&id).is_some()
        && let Some(signed_in) = connection.signed_in()
    {
        signed_in
            .registration
            .session()
            .channels
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends a channel, or its connection, because of a fault of the peer that cannot be answered.
pub(super) fn end_channel(
    connection: &mut Connection,
    id: ChannelId,
    fault: ChannelFault,
    session: &mut Session,
) -> Result<(), Error> {
    if connection.may_log() {
        let user = connection
            .signed_in()
            .map(|s| s.registration.session().login.user().to_string())
            .unwrap_or_default();
        tracing::warn!(peer = %connection.peer, user, reason = %fault, "a channel was ended");
    }
    match fault {
        ChannelFault::Malformed(_) => {
            connection.channels.insert(id, ChannelUse::Done);
            SessionSender::new(session, id).finish(255);
        }
        ChannelFault::WindowExceeded(exceeded) => {
            connection.ending.end(exceeded.to_string());
            session.disconnect(Disconnect::ByApplication, &exceeded.to_string(), "en")?;
        }
    }
    Ok(())
}
