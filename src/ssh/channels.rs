//! What a connection's channels are used for: SFTP, a command of ours, or a sentence that there is no shell.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use russh::server::{Handle, Session};
use russh::{ChannelId, Disconnect};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Actor, Event};
use crate::exec::desk::Desk;
use crate::exec::{self, Ends, Running, Script};
use crate::mount::{Mounted, Refused};
use crate::session::Presence;
use crate::session::memory::TOO_MUCH_HELD;
use crate::session::stream::budget::Budget;
use crate::session::stream::flow::Flow;
use crate::session::stream::{BoxFuture, Gone, Outlet, Stream, Wire};
use crate::sftp::channel::{self, Fatal};
use crate::sftp::context::{Context, Habits};
use crate::sftp::longname::Lister;
use crate::sftp::queue::Surroundings;
use crate::sftp::session::Sftp;

use super::state::{Connection, Error, State};

/// SSH_EXTENDED_DATA_STDERR
const STDERR: u32 = 1;
/// A reply is cut into packets of this size at the least, so that the overhead stays bearable.
const MIN_PEER_PACKET: u32 = 1024;

/// What a byte of a command line costs: the line, its words, and which of their bytes were quoted.
const COMMAND_COST: usize = 8;

/// For those who ask for a shell.
pub(super) const NO_SHELL: &str = "this server has no shell; connect with sftp";

/// What a channel needs to begin its work.
struct Start {
    home: Mounted,
    presence: Presence,
    flow: Arc<Flow>,
    outlet: Arc<dyn Outlet>,
    budget: Arc<Budget>,
}

/// Why a channel does not begin its work.
enum NoStart {
    /// It is in use already, or its peer takes too small packets.
    Unfit,
    /// There is no home, and the sentence that says why.
    NoHome(&'static str),
}

impl Connection {
    /// What a channel needs.
    async fn start(&mut self, id: ChannelId, session: &mut Session) -> Result<Start, NoStart> {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return Err(NoStart::Unfit);
        }
        let (window, max_packet) = session.recipient_window(&id).ok_or(NoStart::Unfit)?;
        if max_packet < MIN_PEER_PACKET {
            return Err(NoStart::Unfit);
        }
        let home = self.home().await?;
        let actor = self.actor().ok_or(NoStart::Unfit)?;
        let events = self.service.events.clone();
        let credit = events.credit(&actor.user);
        let activity = self.activity.clone();
        let signed_in = self.signed_in().ok_or(NoStart::Unfit)?;
        let presence = Presence {
            actor,
            events,
            credit,
            open_files: Arc::clone(&signed_in.place.session().open_files),
            share: Arc::clone(&signed_in.place.session().share),
            activity,
            end_notice: Arc::clone(&signed_in.end_notice),
        };
        let budget = Arc::clone(&signed_in.budget);
        Ok(Start {
            home,
            presence,
            flow: Arc::new(Flow::new(window, budget.in_flight())),
            budget,
            outlet: Arc::new(ChannelOutlet {
                handle: session.handle(),
                id,
            }),
        })
    }

    /// Whose channels these are.
    fn actor(&mut self) -> Option<Actor> {
        let session = self.signed_in()?.place.session();
        Some(Actor {
            session: session.id,
            user: session.login.user().clone(),
        })
    }

    /// The home, opened when it is first needed, where waiting for a disk holds up nobody.
    async fn home(&mut self) -> Result<Mounted, NoStart> {
        let service = Arc::clone(&self.service);
        self.pusher.push();
        let signed_in = self.signed_in().ok_or(NoStart::Unfit)?;
        let session = Arc::clone(signed_in.place.session());
        if let Some(home) = &signed_in.home {
            return Ok(home.clone());
        }
        match service.mount(&session).await {
            Ok(home) => {
                signed_in.home = Some(home.clone());
                Ok(home)
            }
            // Its client is being told why.
            Err(_) if session.gate.is_closed() => Err(NoStart::Unfit),
            Err(Refused { error, sentence }) => {
                if self.may_log() {
                    tracing::error!(session = %session.id, user = %session.login.user(), %error, "no home for a session");
                }
                Err(NoStart::NoHome(sentence))
            }
        }
    }

    /// Refuses a request. Whose home cannot be opened gets a program that says so and fails: a refusal has no words.
    fn not_started(&mut self, id: ChannelId, why: NoStart, session: &mut Session) -> Result<(), Error> {
        match why {
            NoStart::Unfit => Ok(session.channel_failure(id)?),
            NoStart::NoHome(sentence) => self.refuse_command(id, sentence, 1, session),
        }
    }

    /// Begins SFTP on a channel.
    pub(super) async fn start_sftp(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        let start = match self.start(id, session).await {
            Ok(start) => start,
            Err(why) => return self.not_started(id, why, session),
        };
        let banner = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let cancelled = CancellationToken::new();
        let context = Context {
            lister: Lister {
                own_ids: self.service.own_ids,
                user: start.presence.actor.user.to_string(),
                zone: jiff::tz::TimeZone::system(),
            },
            presence: start.presence,
            habits: Habits::of_client(&banner),
            max_handles: self.service.limits().handles,
            gone: cancelled.clone(),
        };
        let surroundings = Surroundings {
            flow: start.flow,
            outlet: start.outlet,
            io: start.home.io,
            cancelled,
            budget: start.budget,
        };
        let mut sftp = channel::Channel::new(Sftp::new(start.home.storage, context), surroundings);
        session.channel_success(id)?;
        sftp.begin(&mut SessionWire::new(session, id));
        self.channels.insert(id, State::Sftp(sftp));
        Ok(())
    }

    /// Runs a command of ours, or says that there is none of this name.
    pub(super) async fn run_command(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return Ok(session.channel_failure(id)?);
        }
        if exec::is_sftp_server(command) {
            return self.start_sftp(id, session).await;
        }
        let Some(actor) = self.actor() else {
            return Ok(session.channel_failure(id)?);
        };
        // Each refused command is an event of its own.
        self.service.events.credit(&actor.user).wait().await;
        let script = match Script::parse(command, actor.user.as_str()) {
            Ok(script) => script,
            Err(refused) => {
                self.service.events.emit(&Event::Command {
                    who: actor,
                    command: command.to_vec(),
                    exit_status: Some(exec::NOT_FOUND),
                });
                return self.refuse_command(id, &refused.to_string(), exec::NOT_FOUND, session);
            }
        };
        let start = match self.start(id, session).await {
            Ok(start) => start,
            Err(why) => return self.not_started(id, why, session),
        };
        let descriptor = match start.presence.share.descriptor() {
            Ok(descriptor) => descriptor,
            Err(used_up) => return self.refuse_command(id, &used_up.to_string(), 1, session),
        };
        let desk = Desk::new(start.home, start.presence);
        if !desk.hold(command.len().saturating_mul(COMMAND_COST)) {
            return self.refuse_command(id, TOO_MUCH_HELD, 1, session);
        }
        session.channel_success(id)?;
        let ends = Ends {
            descriptor,
            flow: start.flow,
            outlet: start.outlet,
            budget: start.budget,
        };
        self.channels
            .insert(id, State::Command(Running::start(script, desk, ends)));
        Ok(())
    }

    /// Answers what there is no program for, as a shell would.
    pub(super) fn refuse_command(
        &mut self,
        id: ChannelId,
        sentence: &str,
        exit_status: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return Ok(session.channel_failure(id)?);
        }
        self.channels.insert(id, State::Done);
        session.channel_success(id)?;
        let sentence = format!("homeport: {sentence}\n").into_bytes();
        // What the window does not take would hold up the connection's other channels.
        let window = session
            .recipient_window(&id)
            .map_or(0, |(window, _)| window as usize);
        if sentence.len() <= window {
            session.extended_data(id, STDERR, sentence)?;
        }
        session.exit_status_request(id, exit_status)?;
        session.eof(id)?;
        Ok(session.close(id)?)
    }

    pub(super) fn end_of_channel(&mut self, id: ChannelId) {
        if self.channels.remove(&id).is_some()
            && let Some(signed_in) = self.signed_in()
        {
            signed_in.place.session().channels.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A fault of the peer's that leaves nothing to answer.
    pub(super) fn fatal(&mut self, id: ChannelId, fatal: Fatal, session: &mut Session) -> Result<(), Error> {
        if self.may_log() {
            let user = self
                .signed_in()
                .map(|s| s.place.session().login.user().to_string())
                .unwrap_or_default();
            tracing::warn!(peer = %self.peer, user, reason = %fatal, "a channel was ended");
        }
        match fatal {
            Fatal::Malformed(_) => {
                self.channels.insert(id, State::Done);
                SessionWire::new(session, id).finish(255);
            }
            Fatal::Overflow(overflow) => {
                self.ending.end(overflow.to_string());
                session.disconnect(Disconnect::ByApplication, &overflow.to_string(), "en")?;
            }
        }
        Ok(())
    }
}

/// Replies that are put together: no more than the smallest packet that clients take (RFC 4253, section 6.1).
const TOGETHER: usize = 32 * 1024;
/// A longer one goes out as it is: copying it would cost more than a packet does.
const SMALL: usize = 4 * 1024;

/// Replies inside a callback. Small ones go out together when it ends: a packet of their own would cost both sides more
/// than they do.
pub(super) struct SessionWire<'a> {
    session: &'a mut Session,
    id: ChannelId,
    /// The first one, which needs no copy if it stays alone.
    first: Bytes,
    /// All of them, once there are more.
    held: Vec<u8>,
}

impl<'a> SessionWire<'a> {
    pub(super) fn new(session: &'a mut Session, id: ChannelId) -> Self {
        Self {
            session,
            id,
            first: Bytes::new(),
            held: Vec::new(),
        }
    }

    fn hold(&mut self, bytes: Bytes) {
        if self.first.is_empty() && self.held.is_empty() {
            self.first = bytes;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.held.extend_from_slice(&first);
        self.held.extend_from_slice(&bytes);
    }

    fn let_go(&mut self) {
        let first = std::mem::take(&mut self.first);
        let held = std::mem::take(&mut self.held);
        // An error means that the connection is ending; the next callback does not come.
        let _ = match (first.is_empty(), held.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => self.session.data(self.id, first),
            (true, false) => self.session.data(self.id, held),
        };
    }
}

impl Wire for SessionWire<'_> {
    fn send(&mut self, stream: Stream, bytes: Bytes) {
        let small = stream == Stream::Output && bytes.len() <= SMALL;
        if !small || self.first.len() + self.held.len() + bytes.len() > TOGETHER {
            self.let_go();
        }
        let _ = match stream {
            Stream::Output if small => {
                self.hold(bytes);
                Ok(())
            }
            Stream::Output => self.session.data(self.id, bytes),
            Stream::Error => self.session.extended_data(self.id, STDERR, bytes),
        };
    }

    fn open_window(&mut self, bytes: u32) {
        // Behind the replies: what stands behind an adjustment is copied once more.
        self.let_go();
        // An error means that the connection is ending.
        let _ = self.session.open_window(self.id, bytes);
    }

    fn finish(&mut self, exit_status: u32) {
        self.let_go();
        let _ = self.session.exit_status_request(self.id, exit_status);
        let _ = self.session.eof(self.id);
        let _ = self.session.close(self.id);
    }

    fn is_held(&self) -> bool {
        self.session.is_exchanging_keys()
    }
}

impl Drop for SessionWire<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Replies outside of callbacks.
struct ChannelOutlet {
    handle: Handle,
    id: ChannelId,
}

impl Outlet for ChannelOutlet {
    fn send(&self, stream: Stream, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move {
            let sent = match stream {
                Stream::Output => self.handle.data(self.id, bytes).await,
                Stream::Error => self.handle.extended_data(self.id, STDERR, bytes).await,
            };
            sent.map_err(|_| Gone)
        })
    }

    fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move { self.handle.open_window(self.id, bytes).await.map_err(|()| Gone) })
    }

    fn finish(&self, exit_status: u32) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Once the connection has ended there is nobody to tell.
            let _ = self.handle.exit_status_request(self.id, exit_status).await;
            let _ = self.handle.eof(self.id).await;
            let _ = self.handle.close(self.id).await;
        })
    }
}
