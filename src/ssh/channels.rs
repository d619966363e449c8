//! What a connection's channels are used for: SFTP, or a sentence that there is no shell.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use russh::server::{Handle, Session};
use russh::{ChannelId, Disconnect};
use tokio_util::sync::CancellationToken;

use crate::event::Actor;
use crate::mount::Mounted;
use crate::sessions;
use crate::sftp::channel::{self, BoxFuture, Fatal, Flow, Gone, Outlet, Stream, Wire};
use crate::sftp::context::{Context, SymlinkOrder};
use crate::sftp::longname::Lister;
use crate::sftp::queue::Surroundings;
use crate::sftp::session::Sftp;

use super::state::{Connection, Error, State};

/// SSH_EXTENDED_DATA_STDERR
const STDERR: u32 = 1;
/// A reply is cut into packets of this size at the least, so that the overhead stays bearable.
const MIN_PEER_PACKET: u32 = 1024;

impl Connection {
    /// The home, opened when it is first needed, where waiting for a disk holds up nobody.
    async fn home(&mut self) -> Option<(Mounted, Arc<sessions::Session>)> {
        let service = Arc::clone(&self.service);
        self.pusher.push();
        let signed_in = self.signed_in()?;
        let session = Arc::clone(signed_in.place.session());
        if let Some(home) = &signed_in.home {
            return Some((home.clone(), session));
        }
        let mounted = service.mount(&session.login).await;
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

    pub(super) async fn start_sftp(&mut self, id: ChannelId, session: &mut Session) -> bool {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return false;
        }
        let Some((window, max_packet)) = session.recipient_window(&id) else {
            return false;
        };
        if max_packet < MIN_PEER_PACKET {
            return false;
        }
        let Some((home, live)) = self.home().await else {
            return false;
        };
        let actor = Actor {
            session: live.id,
            user: live.login.user().clone(),
        };
        let Some(end_notice) = self
            .signed_in()
            .map(|signed_in| Arc::clone(&signed_in.end_notice))
        else {
            return false;
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
            end_notice,
            gone: cancelled.clone(),
        };
        let surroundings = Surroundings {
            flow: Arc::new(Flow::new(window)),
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
    pub(super) fn refuse_command(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        if !matches!(self.channels.get(&id), Some(State::Opened)) {
            return Ok(session.channel_failure(id)?);
        }
        self.channels.insert(id, State::Done);
        session.channel_success(id)?;
        let sentence: &[u8] =
            b"homeport: this server has no shell and runs no commands; connect with sftp\r\n";
        session.extended_data(id, STDERR, sentence)?;
        session.exit_status_request(id, 127)?;
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

/// Replies inside a callback.
pub(super) struct SessionWire<'a> {
    pub(super) session: &'a mut Session,
    pub(super) id: ChannelId,
}

impl Wire for SessionWire<'_> {
    fn send(&mut self, stream: Stream, bytes: Bytes) {
        // An error means that the connection is ending; the next callback does not come.
        let _ = match stream {
            Stream::Output => self.session.data(self.id, bytes),
            Stream::Error => self.session.extended_data(self.id, STDERR, bytes),
        };
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
    fn send(&self, stream: Stream, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move {
            let sent = match stream {
                Stream::Output => self.handle.data(self.id, bytes).await,
                Stream::Error => self.handle.extended_data(self.id, STDERR, bytes).await,
            };
            sent.map_err(|_| Gone)
        })
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
