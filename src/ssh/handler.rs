//! russh's callbacks for one connection. They are thin, and wait only for a sign-in or for the opening of a home.
//!
//! The memory of a connection contains the largest of these futures for as long as it lasts. What waits for a sign-in
//! or a home is therefore on the heap (`Box::pin`), and freed with its answer.

use std::sync::atomic::Ordering;
use std::time::Instant;

use russh::keys::{Certificate, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, ExchangeTurn, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, Pty, Sig};

use crate::auth::{Method, PresentedKey};
use crate::domain::event::Event;
use crate::exec;
use crate::session::Traffic;
use crate::sftp::channel::ChannelFault;
use base::secret::Secret;
use base::visible::sample;

use super::admission::Step;
use super::algorithms;
use super::announcement::PROVE;
use super::by_key;
use super::channels::{self, NO_SHELL};
use super::connection::Connection;
use super::conversation;
use super::password_method::{self, PasswordChange};
use super::phase::{ChannelUse, OfferedRecord, Phase};
use super::refusal_reason::{RefusalReason, RefusedKey};
use super::senders::SessionSender;

/// The most keys that one connection may offer: an agent with more is misconfigured, and each key costs a query of the
/// store.
const KEY_OFFERS: u32 = 64;

/// The most characters that are shown of the name of an unknown service.
const LONGEST_SERVICE: usize = 64;

impl Handler for Connection {
    type Error = Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Error> {
        Ok(self.refuse_for(user))
    }

    async fn auth_password(&mut self, user: &str, password: &[u8]) -> Result<Auth, Error> {
        if !self.has(Method::Password) {
            return Ok(self.refuse());
        }
        let password = Secret::from_bytes(password.to_vec());
        Ok(Box::pin(password_method::sign_in(self, user, &password)).await)
    }

    async fn auth_password_change(&mut self, user: &str, old: &[u8], new: &[u8]) -> Result<Auth, Error> {
        if !self.has(Method::Password) {
            return Ok(self.refuse());
        }
        let change = PasswordChange {
            old: Secret::from_bytes(old.to_vec()),
            new: Secret::from_bytes(new.to_vec()),
        };
        Ok(Box::pin(password_method::change(self, user, change)).await)
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
        Ok(Box::pin(conversation::converse(self, user, response)).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        self.key_offers += 1;
        if self.key_offers > KEY_OFFERS {
            return Ok(self.refuse());
        }
        let key = PresentedKey::offered(offer.public_key, offer.certificate);
        if let Some(reason) = by_key::may_not_sign(self, offer.algorithm) {
            self.key_refused(user, RefusedKey::Presented(&key), reason);
            return Ok(self.refuse());
        }
        self.report_refused_keys(Some(user));
        // This must precede reading the record.
        let revision = self.service.sessions.revision();
        let outcome = tokio::select! {
            biased;
            () = self.gone.cancelled() => return Ok(self.refuse()),
            outcome = Box::pin(self.service.auth.offered(user, self.peer.ip(), &key)) => outcome,
        };
        match outcome {
            Ok(key) => {
                self.offered = key.map(|key| Box::new(OfferedRecord { key, revision }));
                Ok(Auth::Accept)
            }
            Err(reason) => {
                let sentence = reason.to_string();
                let reason = RefusalReason::new(reason.code(), &sentence);
                self.key_refused(user, RefusedKey::Presented(&key), reason);
                Ok(self.refuse())
            }
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(Box::pin(by_key::verified(self, user, key, None)).await)
    }

    async fn auth_publickey_failed(
        &mut self,
        user: &str,
        algorithm: &str,
        key: Option<&PublicKey>,
        reason: &'static str,
    ) -> Result<(), Error> {
        let reason = RefusalReason::new("bad_key", reason);
        match key {
            Some(key) => {
                let key = PresentedKey::offered(key, None);
                self.key_refused(user, RefusedKey::Presented(&key), reason);
            }
            None => self.key_refused(user, RefusedKey::Unreadable(algorithm), reason),
        }
        Ok(())
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        Ok(Box::pin(by_key::verified(self, user, key, Some(certificate))).await)
    }

    fn service_refused(&mut self, name: &str) {
        let name = sample(name.as_bytes(), LONGEST_SERVICE);
        let reason = format!("the client asked for the service \"{name}\", which does not exist");
        let reason = RefusalReason::new("unknown_service", &reason);
        self.service.refusals.note(self.peer, reason, Instant::now());
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, Error> {
        // This is only called once keys are exchanged.
        self.progress.reach(Step::Keyed);
        Ok(self.service.banner.clone())
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Error> {
        if let Phase::NotRegistered(reason) = &self.phase {
            self.ending.end(reason.clone());
            return session.disconnect(Disconnect::TooManyConnections, reason, "en");
        }
        self.signed_in.cancel();
        // The sign-in needs these no more.
        (self.offered, self.refused_keys, self.pending) = (None, None, None);
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let algorithms = session.algorithms().map(algorithms::chosen).unwrap_or_default();
        if let Phase::SignedIn(signed_in) = &self.phase {
            let session = signed_in.registration.session();
            // It is logged once, here, as soon as it is known; the list of sessions shows it too.
            let _ = session.client.set(client.clone());
            let socket_handle = self.socket_handle.clone();
            let _ = session.traffic.set(Box::new(move || {
                let (received, sent) = socket_handle.traffic();
                Traffic { received, sent }
            }));
            let methods: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
            self.service.events.emit(&Event::SignedIn {
                who: session.actor(),
                method: methods.join("+"),
                client,
                algorithms: Box::new(algorithms),
                certificate: session.login.certificate().map(Box::new),
                recovery_codes_left: session.login.recovery_codes_left(),
            });
        }
        match &self.host_keys {
            Some(host_keys) => host_keys.announce(session),
            None => Ok(()),
        }
    }

    async fn global_request(
        &mut self,
        name: &str,
        data: &[u8],
        session: &mut Session,
    ) -> Result<Option<Vec<u8>>, Error> {
        let host_keys = self.host_keys.as_mut().filter(|_| name == PROVE);
        let Some(request) = host_keys.and_then(|host_keys| host_keys.request(data, session)) else {
            return Ok(None);
        };
        if !request.is_slow() {
            return Ok(request.sign());
        }
        let signing = async move {
            let permit = self.slow_exchange().await?;
            let signing = tokio::task::spawn_blocking(move || {
                let signed = request.sign();
                drop(permit);
                signed
            });
            Ok::<_, Error>(signing.await.unwrap_or_default())
        };
        Box::pin(signing).await
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        let open = self.channels.len();
        if open >= self.service.current().limits.channels {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), ChannelUse::Opened);
        if let Some(signed_in) = self.signed_in() {
            signed_in
                .registration
                .session()
                .channels
                .fetch_add(1, Ordering::Relaxed);
        }
        // After `channel` is dropped, all data goes to `Handler::data` alone.
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Error> {
        channels::end_of_channel(self, channel);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        match self.channels.get_mut(&channel) {
            Some(ChannelUse::Sftp(sftp)) => sftp.eof(&mut SessionSender::new(session, channel)),
            Some(ChannelUse::Command(command)) => command.eof(),
            Some(ChannelUse::Opened | ChannelUse::Done) | None => {}
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        let taken = match self.channels.get_mut(&channel) {
            Some(ChannelUse::Sftp(sftp)) => sftp.data(data, &mut SessionSender::new(session, channel)),
            Some(ChannelUse::Command(command)) => command.data(data).map_err(ChannelFault::from),
            Some(ChannelUse::Opened | ChannelUse::Done) | None => Ok(()),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(fault) => channels::end_channel(self, channel, fault, session),
        }
    }

    async fn slow_exchange(&mut self) -> Result<ExchangeTurn, russh::Error> {
        let signed_in = matches!(self.phase, Phase::SignedIn(_));
        let turn = async move {
            let permit = tokio::select! {
                biased;
                () = self.gone.cancelled() => return Err(Error::Disconnect),
                () = self.ending.asked() => return Err(Error::Disconnect),
                // Without the peer's NEWKEYS the exchange cannot be finished.
                () = self.socket_handle.hung_up() => return Err(Error::Disconnect),
                permit = self.service.exchanges.acquire(self.peer.ip(), signed_in) => permit,
            };
            let turn: ExchangeTurn = Box::new(permit.map_err(|_| Error::Kex)?);
            Ok::<_, Error>(turn)
        };
        Box::pin(turn).await
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        size: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        match self.channels.get_mut(&channel) {
            Some(ChannelUse::Sftp(sftp)) => {
                sftp.window_adjusted(size, &mut SessionSender::new(session, channel))
            }
            Some(ChannelUse::Command(command)) => command.window_adjusted(size),
            Some(ChannelUse::Opened | ChannelUse::Done) | None => {}
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match name {
            "sftp" => Box::pin(channels::start_sftp(self, channel, session)).await,
            _ => session.channel_failure(channel),
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        Box::pin(channels::run_command(self, channel, command, session)).await
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        channels::refuse_command(self, channel, NO_SHELL, exec::NOT_FOUND, session)
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
        session.channel_failure(channel)
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
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
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
        session.channel_failure(channel)
    }

    async fn agent_request(&mut self, _channel: ChannelId, _session: &mut Session) -> Result<bool, Error> {
        Ok(false)
    }

    async fn signal(&mut self, channel: ChannelId, _signal: Sig, session: &mut Session) -> Result<(), Error> {
        session.channel_failure(channel)
    }
}
