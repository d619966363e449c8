//! russh's callbacks for one connection: thin, and none waits for anything but a sign-in or the opening of a home.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use russh::keys::{Algorithm, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use tokio_util::sync::CancellationToken;

use crate::auth::{Attempt, Credential, Denied, Login, Method};
use crate::event::{Actor, Event};
use crate::mount::{Mounted, mount};
use crate::secret::Secret;
use crate::sessions::{Ending, Newcomer, Place};
use crate::sftp::channel::{self, BoxFuture, Budget, Fatal, Flow, Gone, Outlet, Wire};
use crate::sftp::longname::Lister;
use crate::sftp::queue::Surroundings;
use crate::sftp::session::{Context, Sftp, SymlinkOrder};
use crate::user::Factor;

use super::algorithms::method_set;
use super::peer_window::PeerWindow;
use super::service::Service;
use super::socket::Pusher;

/// Channels that the server closes stay known to russh until the connection ends.
const CHANNELS_IN_A_LIFE: u32 = 10_000;
/// Keys that one connection may offer: an agent with more is misconfigured, and each costs a look into the store.
const KEY_OFFERS: u32 = 64;
/// A reply is cut into packets of this size at the least, so that the overhead stays bearable.
const MIN_PEER_PACKET: u32 = 1024;

/// The state of one connection.
pub struct Connection {
    service: Arc<Service>,
    peer: SocketAddr,
    pusher: Pusher,
    ending: Ending,
    signed_in: CancellationToken,
    phase: Phase,
    key_offers: u32,
    channels: HashMap<ChannelId, State>,
    channels_in_life: u32,
    budget: Arc<Budget>,
}

enum Phase {
    /// Factors that were passed, and for which name.
    Anonymous {
        user: String,
        passed: BTreeSet<Factor>,
    },
    SignedIn(Box<SignedIn>),
    /// Signed in, but there is no place; said as soon as it can be said.
    NoPlace(String),
}

struct SignedIn {
    place: Place,
    home: Option<Mounted>,
}

/// What a channel is used for.
enum State {
    Opened,
    Sftp(channel::Channel),
    /// A command was answered; what comes now is not read.
    Done,
}

/// Why a connection ends at once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The SSH library found a fault, or lost the connection.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Connection {
    /// A connection that has said nothing yet.
    pub fn new(service: Arc<Service>, peer: SocketAddr, pusher: Pusher, signals: Signals) -> Self {
        Self {
            service,
            peer,
            pusher,
            ending: signals.ending,
            signed_in: signals.signed_in,
            phase: Phase::Anonymous {
                user: String::new(),
                passed: BTreeSet::new(),
            },
            key_offers: 0,
            channels: HashMap::new(),
            channels_in_life: 0,
            budget: Arc::default(),
        }
    }

    fn has(&self, method: Method) -> bool {
        self.service.auth.settings().methods.contains(&method)
    }

    fn refuse(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(method_set(self.service.auth.settings().methods.iter().copied())),
            partial_success: false,
        }
    }

    async fn attempt(&mut self, user: &str, credential: Credential<'_>, method: Method) -> Auth {
        let passed = match &self.phase {
            Phase::Anonymous { user: before, passed } if before == user => passed.clone(),
            Phase::Anonymous { .. } => BTreeSet::new(),
            // russh lets nobody sign in twice.
            Phase::SignedIn(_) | Phase::NoPlace(_) => return self.refuse(),
        };
        // The answer may take a while: the peer should have all others.
        self.pusher.push();
        let attempt = Attempt {
            user,
            peer: self.peer.ip(),
            credential,
            passed,
        };
        match self.service.auth.login(attempt).await {
            Ok(login) => self.enter(login),
            Err(Denied::Partial { passed, remaining }) => {
                let methods = remaining
                    .iter()
                    .flat_map(|factor| self.service.auth.settings().methods_for(*factor));
                let proceed_with_methods = Some(method_set(methods));
                self.phase = Phase::Anonymous {
                    user: user.to_owned(),
                    passed,
                };
                Auth::Reject {
                    proceed_with_methods,
                    partial_success: true,
                }
            }
            Err(Denied::Failed(reason)) => {
                self.denied(user, method, reason.to_string());
                self.refuse()
            }
        }
    }

    fn denied(&self, user: &str, method: Method, reason: String) {
        // A name may be as long as a packet; the log needs to know no more than that it is none.
        let user: String = user.chars().take(crate::user::MAX_NAME).collect();
        self.service.events.emit(&Event::Denied {
            peer: self.peer,
            user,
            method: method.name(),
            reason,
        });
    }

    /// Takes a place among the sessions.
    fn enter(&mut self, login: Login) -> Auth {
        let limit = self.service.limits().sessions_per_user;
        let user = login.user().clone();
        let newcomer = Newcomer {
            login,
            peer: self.peer,
            ending: self.ending.clone(),
        };
        match self.service.sessions.enter(newcomer, limit) {
            Ok(place) => {
                self.phase = Phase::SignedIn(Box::new(SignedIn { place, home: None }));
            }
            Err(error) => {
                let event = Event::Denied {
                    peer: self.peer,
                    user: user.to_string(),
                    method: "session",
                    reason: error.to_string(),
                };
                self.service.events.emit(&event);
                self.phase = Phase::NoPlace(error.to_string());
            }
        }
        Auth::Accept
    }

    fn signed_in(&mut self) -> Option<&mut SignedIn> {
        match &mut self.phase {
            Phase::SignedIn(signed_in) => Some(signed_in),
            Phase::Anonymous { .. } | Phase::NoPlace(_) => None,
        }
    }

    /// The home, opened when it is first needed, where waiting for a disk holds up nobody.
    async fn home(&mut self) -> Option<(Mounted, Arc<crate::sessions::Session>)> {
        let service = Arc::clone(&self.service);
        self.pusher.push();
        let signed_in = self.signed_in()?;
        let session = Arc::clone(signed_in.place.session());
        if let Some(home) = &signed_in.home {
            return Some((home.clone(), session));
        }
        let login = session.login.clone();
        let home = session.login.home();
        let mounted = service.mount(home, move |lanes| mount(&login, lanes)).await;
        match mounted {
            Ok(home) => {
                signed_in.home = Some(home.clone());
                Some((home, session))
            }
            Err(error) => {
                tracing::error!(session = %session.id, user = %session.login.user(), %error, "no home for a session");
                None
            }
        }
    }

    async fn start_sftp(&mut self, id: ChannelId, session: &mut Session) -> bool {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return false;
        }
        let Some(peer_window) = PeerWindow::of(session, id) else {
            tracing::error!("the SSH library does not tell the peer's window; is it a new version?");
            return false;
        };
        if peer_window.max_packet < MIN_PEER_PACKET {
            return false;
        }
        let Some((home, live)) = self.home().await else {
            return false;
        };
        let actor = Actor {
            session: live.id,
            user: live.login.user().clone(),
        };
        let banner = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let cancelled = CancellationToken::new();
        let user = actor.user.to_string();
        let context = Context {
            actor,
            events: self.service.events.clone(),
            lister: Lister {
                own_ids: self.service.own_ids,
                user,
                zone: jiff::tz::TimeZone::system(),
            },
            symlink_order: SymlinkOrder::of_client(&banner),
            max_handles: self.service.limits().handles,
            open_files: Arc::clone(&live.open_files),
            gone: cancelled.clone(),
        };
        let surroundings = Surroundings {
            flow: Arc::new(Flow::new(peer_window.window)),
            outlet: Arc::new(ChannelOutlet {
                handle: session.handle(),
                id,
            }),
            lane: home.lane,
            share: home.share,
            cancelled,
            budget: Arc::clone(&self.budget),
        };
        let sftp = channel::Channel::new(Sftp::new(home.storage, context), surroundings);
        self.channels.insert(id, State::Sftp(sftp));
        true
    }

    /// Answers a command that there is no program for, as a shell would.
    fn refuse_command(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return Ok(session.channel_failure(id)?);
        }
        self.channels.insert(id, State::Done);
        session.channel_success(id)?;
        let sentence: &[u8] =
            b"homeport: this server has no shell and runs no commands; connect with sftp\r\n";
        session.extended_data(id, 1, sentence)?;
        session.exit_status_request(id, 127)?;
        session.eof(id)?;
        Ok(session.close(id)?)
    }

    fn end_of_channel(&mut self, id: ChannelId) {
        if self.channels.remove(&id).is_some()
            && let Some(signed_in) = self.signed_in()
        {
            signed_in.place.session().channels.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A fault of the peer's that leaves nothing to answer.
    fn fatal(&mut self, id: ChannelId, fatal: Fatal, session: &mut Session) -> Result<(), Error> {
        let user = self
            .signed_in()
            .map(|s| s.place.session().login.user().to_string())
            .unwrap_or_default();
        tracing::warn!(peer = %self.peer, user, reason = %fatal, "an SFTP channel was ended");
        match fatal {
            Fatal::Malformed(_) => {
                self.channels.insert(id, State::Done);
                SessionWire { session, id }.finish(255);
            }
            Fatal::Overflow(overflow) => {
                self.ending.end(overflow.to_string());
                session.disconnect(Disconnect::ByApplication, &overflow.to_string(), "en")?;
            }
        }
        Ok(())
    }
}

/// How a connection and its supervisor speak.
pub struct Signals {
    /// Asks for the end.
    pub ending: Ending,
    /// Cancelled by the connection once somebody has signed in.
    pub signed_in: CancellationToken,
}

/// Replies inside a callback.
struct SessionWire<'a> {
    session: &'a mut Session,
    id: ChannelId,
}

impl Wire for SessionWire<'_> {
    fn send(&mut self, bytes: Bytes) {
        // An error means that the connection is ending; the next callback does not come.
        let _ = self.session.data(self.id, bytes);
    }

    fn finish(&mut self, exit_status: u32) {
        let _ = self.session.exit_status_request(self.id, exit_status);
        let _ = self.session.eof(self.id);
        let _ = self.session.close(self.id);
    }
}

/// Replies outside of callbacks.
struct ChannelOutlet {
    handle: Handle,
    id: ChannelId,
}

impl Outlet for ChannelOutlet {
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move { self.handle.data(self.id, bytes).await.map_err(|_| Gone) })
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

impl Drop for Connection {
    fn drop(&mut self) {
        if let Phase::SignedIn(signed_in) = &self.phase {
            let session = signed_in.place.session();
            self.service.events.emit(&Event::SessionEnded {
                session: session.id,
                user: session.login.user().clone(),
                reason: self.ending.reason().unwrap_or("the client left").to_owned(),
                duration: session.began.elapsed(),
            });
        }
    }
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Error> {
        Ok(self.refuse())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        if !self.has(Method::Password) {
            return Ok(self.refuse());
        }
        let password = Secret::new(password.to_owned());
        Ok(self
            .attempt(user, Credential::Password(&password), Method::Password)
            .await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        if !self.has(Method::KeyboardInteractive) {
            return Ok(self.refuse());
        }
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        let answer = response.next().unwrap_or_default();
        let password = Secret::new(String::from_utf8_lossy(&answer).into_owned());
        Ok(self
            .attempt(user, Credential::Password(&password), Method::KeyboardInteractive)
            .await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        self.key_offers += 1;
        if self.key_offers > KEY_OFFERS || !self.may_sign(offer.algorithm) {
            return Ok(self.refuse());
        }
        let known: &PublicKey = offer.public_key;
        if self.service.auth.offered(user, self.peer.ip(), known).await {
            return Ok(Auth::Accept);
        }
        Ok(self.refuse())
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        if !self.may_sign(key.algorithm) {
            return Ok(self.refuse());
        }
        Ok(self
            .attempt(user, Credential::VerifiedKey(key.public_key), Method::PublicKey)
            .await)
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, Error> {
        Ok(self.service.banner.clone())
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Error> {
        if let Phase::NoPlace(reason) = &self.phase {
            self.ending.end(reason.clone());
            return Ok(session.disconnect(Disconnect::TooManyConnections, reason, "en")?);
        }
        self.signed_in.cancel();
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        if let Phase::SignedIn(signed_in) = &self.phase {
            let session = signed_in.place.session();
            // Said once, here, where it is known: the list of sessions shows it too.
            let _ = session.client.set(client.clone());
            let pusher = self.pusher.clone();
            let _ = session.traffic.set(Box::new(move || pusher.traffic()));
            let method = session
                .login
                .factors()
                .iter()
                .map(|factor| factor.name())
                .collect::<Vec<_>>()
                .join("+");
            self.service.events.emit(&Event::SignedIn {
                session: session.id,
                user: session.login.user().clone(),
                peer: self.peer,
                method,
                client,
            });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        let open = self.channels.len();
        self.channels_in_life += 1;
        if open >= self.service.limits().channels || self.channels_in_life > CHANNELS_IN_A_LIFE {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), State::Opened);
        if let Some(signed_in) = self.signed_in() {
            signed_in.place.session().channels.fetch_add(1, Ordering::Relaxed);
        }
        // Dropping `channel` sends all data to `Handler::data` alone.
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.end_of_channel(channel);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        if let Some(State::Sftp(sftp)) = self.channels.get_mut(&channel) {
            sftp.eof(&mut SessionWire { session, id: channel });
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        if let Some(State::Sftp(sftp)) = self.channels.get_mut(&channel)
            && let Err(fatal) = sftp.data(data, &mut SessionWire { session, id: channel })
        {
            return self.fatal(channel, fatal, session);
        }
        Ok(())
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        size: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        if let Some(State::Sftp(sftp)) = self.channels.get_mut(&channel) {
            sftp.window_adjusted(size, &mut SessionWire { session, id: channel });
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        if name == "sftp" && self.start_sftp(channel, session).await {
            Ok(session.channel_success(channel)?)
        } else {
            Ok(session.channel_failure(channel)?)
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        self.refuse_command(channel, session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.refuse_command(channel, session)
    }

    #[allow(clippy::too_many_arguments, reason = "russh's signature")]
    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(channel)?)
    }

    #[allow(clippy::too_many_arguments, reason = "russh's signature")]
    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(channel)?)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(channel)?)
    }

    #[allow(clippy::too_many_arguments, reason = "russh's signature")]
    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        Ok(session.channel_failure(channel)?)
    }

    async fn agent_request(&mut self, _channel: ChannelId, _session: &mut Session) -> Result<bool, Error> {
        Ok(false)
    }

    async fn signal(&mut self, channel: ChannelId, _signal: Sig, session: &mut Session) -> Result<(), Error> {
        Ok(session.channel_failure(channel)?)
    }
}

impl Connection {
    /// May a user sign with this? The method must be on, and SHA-1 is out.
    fn may_sign(&self, algorithm: &Algorithm) -> bool {
        self.has(Method::PublicKey) && *algorithm != Algorithm::Rsa { hash: None }
    }
}
