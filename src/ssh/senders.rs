//! How replies reach a channel's client: inside a callback through russh's session ([`SessionSender`]), outside of
//! callbacks through its handle ([`HandleSender`]).
//!
//! The channel that uses a sender decides what may be sent, and when.

use bytes::Bytes;
use russh::ChannelId;
use russh::server::{Handle, Session};

use crate::session::stream::{BoxFuture, Disconnected, InlineSender, QueuedSender, Stream};

/// SSH_EXTENDED_DATA_STDERR, the type of extended data for the user's terminal (RFC 4254, section 5.2).
pub(super) const STDERR: u32 = 1;
/// Replies are joined up to this many bytes, the size of the smallest packet that every client accepts (RFC 4253,
/// section 6.1).
const MAX_JOINED: usize = 32 * 1024;
/// A longer reply, in bytes, is sent as it is: copying it would cost more than a packet of its own does.
const SMALL: usize = 4 * 1024;

/// Sends replies from inside a callback. Small ones are sent together when it is dropped, since separate packets would
/// cost both sides more.
pub(super) struct SessionSender<'a> {
    session: &'a mut Session,
    id: ChannelId,
    /// The first small reply, which needs no copy if it stays alone.
    first: Bytes,
    /// All small replies, once there is more than one.
    held: Vec<u8>,
}

impl<'a> SessionSender<'a> {
    pub(super) fn new(session: &'a mut Session, id: ChannelId) -> Self {
        Self {
            session,
            id,
            first: Bytes::new(),
            held: Vec::new(),
        }
    }

    fn join(&mut self, bytes: Bytes) {
        if self.first.is_empty() && self.held.is_empty() {
            self.first = bytes;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.held.extend_from_slice(&first);
        self.held.extend_from_slice(&bytes);
    }

    fn flush(&mut self) {
        let first = std::mem::take(&mut self.first);
        let held = std::mem::take(&mut self.held);
        // An error means that the connection is ending, so there is no further callback.
        let _ = match (first.is_empty(), held.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => self.session.data(self.id, first),
            (true, false) => self.session.data(self.id, held),
        };
    }
}

impl InlineSender for SessionSender<'_> {
    fn send(&mut self, stream: Stream, bytes: Bytes) {
        let small = stream == Stream::Output && bytes.len() <= SMALL;
        if !small || self.first.len() + self.held.len() + bytes.len() > MAX_JOINED {
            self.flush();
        }
        let _ = match stream {
            Stream::Output if small => {
                self.join(bytes);
                Ok(())
            }
            Stream::Output => self.session.data(self.id, bytes),
            Stream::Error => self.session.extended_data(self.id, STDERR, bytes),
        };
    }

    fn open_window(&mut self, bytes: u32) {
        // Adjustments follow the replies: what comes after an adjustment is copied once more.
        self.flush();
        // An error means that the connection is ending.
        let _ = self.session.open_window(self.id, bytes);
    }

    fn finish(&mut self, exit_status: u32) {
        self.flush();
        let _ = self.session.exit_status_request(self.id, exit_status);
        let _ = self.session.eof(self.id);
        let _ = self.session.close(self.id);
    }

    fn is_held(&self) -> bool {
        self.session.is_exchanging_keys()
    }
}

impl Drop for SessionSender<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Sends replies from outside of callbacks.
pub(super) struct HandleSender {
    pub(super) handle: Handle,
    pub(super) id: ChannelId,
}

impl QueuedSender for HandleSender {
    fn send(&self, stream: Stream, bytes: Bytes) -> BoxFuture<'_, Result<(), Disconnected>> {
        Box::pin(async move {
            let sent = match stream {
                Stream::Output => self.handle.data(self.id, bytes).await,
                Stream::Error => self.handle.extended_data(self.id, STDERR, bytes).await,
            };
            sent.map_err(|_| Disconnected)
        })
    }

    fn open_window(&self, bytes: u32) -> BoxFuture<'_, Result<(), Disconnected>> {
        Box::pin(async move {
            self.handle
                .open_window(self.id, bytes)
                .await
                .map_err(|()| Disconnected)
        })
    }

    fn finish(&self, exit_status: u32) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Once the connection has ended, there is no peer to report to.
            let _ = self.handle.exit_status_request(self.id, exit_status).await;
            let _ = self.handle.eof(self.id).await;
            let _ = self.handle.close(self.id).await;
        })
    }
}
