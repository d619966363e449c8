//! One SFTP channel: splits the stream into packets and decides where each is executed, so that replies leave in
//! the order of their requests (clients rely on it) and no callback waits.
//!
//! In the SSH callback (*Direct*) a request runs only if all of this holds: nothing waits before it; the session is
//! not with the task; the SSH layer has let go of every reply that the task sent (else ours would overtake them); the
//! peer's window has room; events of the user find room in their queue; this callback has not made as much as one may
//! ([`crate::session::stream::connection_budget::ConnectionBudget::goes_on`]); no keys are exchanged; and the file
//! system is well. What waits for the window alone goes on in the callback that opens it; all else goes to the task
//! (*Queued*).

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::ClientFault;
use sftp_wire::frame::{self, LENGTH_FIELD};

use super::deferred_close::DeferredClose;
use super::outcome::Outcome;
use super::queue::{ChannelQueue, ChannelSetup, ChannelState, SessionOwner};
use super::read::Read;
use super::requests;
use super::rest::UnsentReply;
use super::session::Sftp;
use crate::io::Permit;
use crate::session::stream::connection_budget::WindowExceeded;
use crate::session::stream::{InlineSender, Stream};
use crate::storage::Wait;

/// Why a channel or its connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelFault {
    /// The stream makes no sense: the channel ends.
    #[error(transparent)]
    Malformed(#[from] ClientFault),
    /// The client ignores its window: it is disconnected.
    #[error(transparent)]
    WindowExceeded(#[from] WindowExceeded),
}

/// One SFTP channel. Dropping it ends its task and closes its files.
pub struct SftpChannel {
    queue: Arc<ChannelQueue>,
    /// The beginning of a packet whose end has not arrived.
    partial: Vec<u8>,
    initialised: bool,
}

impl SftpChannel {
    /// A channel for a session.
    pub fn new(sftp: Sftp, setup: ChannelSetup) -> Self {
        Self {
            queue: ChannelQueue::new(sftp, setup),
            partial: Vec::new(),
            initialised: false,
        }
    }

    /// Takes bytes from the client. After an error nothing more may be given.
    pub fn data(&mut self, data: &[u8], sender: &mut dyn InlineSender) -> Result<(), ChannelFault> {
        let queue = Arc::clone(&self.queue);
        let mut state = queue.state();
        if matches!(state.owner, SessionOwner::Nobody) {
            return Ok(());
        }
        state.window.receive(data.len())?;
        let mut batch = InlineBatch::begin(&queue, &mut state, sender);
        self.split(data, &mut batch)?;
        batch.state.missing = frame::missing(&self.partial);
        batch.end();
        Ok(())
    }

    /// Opens the client's window for work that begins.
    pub fn begin(&mut self, sender: &mut dyn InlineSender) {
        let more = self.queue.state().window.begin();
        if more > 0 {
            sender.open_window(more);
        }
    }

    /// Notes that the peer's window is `window` bytes now, as the SSH layer knows it.
    pub fn window_adjusted(&mut self, window: u32, sender: &mut dyn InlineSender) {
        self.queue.peer_window.adjusted(window);
        let mut state = self.queue.state();
        if matches!(state.owner, SessionOwner::Channel(_)) && !state.pending.is_empty() {
            InlineBatch::begin(&self.queue, &mut state, sender).end();
        }
    }

    /// Notes that the client sends nothing more: the channel ends when all is answered.
    pub fn eof(&mut self, sender: &mut dyn InlineSender) {
        let mut state = self.queue.state();
        state.pending.end = true;
        if matches!(state.owner, SessionOwner::Channel(_)) {
            InlineBatch::begin(&self.queue, &mut state, sender).end();
        }
    }

    /// Cuts the stream into packets.
    fn split(&mut self, mut data: &[u8], batch: &mut InlineBatch<'_>) -> Result<(), ChannelFault> {
        if !self.partial.is_empty() {
            data = self.complete(data, batch)?;
        }
        while let Some(length) = frame::request_length(data)? {
            let Some((packet, rest)) = data
                .get(LENGTH_FIELD..)
                .and_then(|body| body.split_at_checked(length))
            else {
                break;
            };
            self.take(packet, batch)?;
            data = rest;
        }
        self.partial.extend_from_slice(data);
        Ok(())
    }

    /// Adds to the packet that was begun; returns what is left behind its end.
    fn complete<'a>(
        &mut self,
        data: &'a [u8],
        batch: &mut InlineBatch<'_>,
    ) -> Result<&'a [u8], ChannelFault> {
        let mut rest = data;
        let mut fill = |partial: &mut Vec<u8>, until: usize| {
            let missing = until.saturating_sub(partial.len()).min(rest.len());
            let (head, tail) = rest.split_at(missing);
            partial.extend_from_slice(head);
            rest = tail;
        };
        fill(&mut self.partial, LENGTH_FIELD);
        let Some(length) = frame::request_length(&self.partial)? else {
            return Ok(rest);
        };
        fill(&mut self.partial, LENGTH_FIELD + length);
        if self.partial.len() == LENGTH_FIELD + length {
            // The buffer goes: an idle session keeps none.
            let packet = std::mem::take(&mut self.partial);
            self.take(packet.get(LENGTH_FIELD..).unwrap_or_default(), batch)?;
        }
        Ok(rest)
    }

    fn take(&mut self, packet: &[u8], batch: &mut InlineBatch<'_>) -> Result<(), ChannelFault> {
        if !self.initialised {
            frame::expect_init(packet)?;
            self.initialised = true;
        }
        batch.take(packet);
        Ok(())
    }
}

impl Drop for SftpChannel {
    fn drop(&mut self) {
        self.queue.cancelled.cancel();
        let mut state = self.queue.state();
        if let SessionOwner::Channel(sftp) = std::mem::replace(&mut state.owner, SessionOwner::Nobody) {
            drop(DeferredClose::new(sftp, &self.queue.io));
        }
    }
}

/// The requests that one SSH callback executes.
struct InlineBatch<'a> {
    queue: &'a Arc<ChannelQueue>,
    state: &'a mut ChannelState,
    sender: &'a mut dyn InlineSender,
    /// The right to execute here. Without it all requests go to the task.
    permit: Option<Permit<'a>>,
    sent: usize,
}

impl<'a> InlineBatch<'a> {
    fn begin(
        queue: &'a Arc<ChannelQueue>,
        state: &'a mut ChannelState,
        sender: &'a mut dyn InlineSender,
    ) -> Self {
        let direct = matches!(state.owner, SessionOwner::Channel(_))
            && queue.peer_window.has_nothing_in_flight()
            && !sender.is_held();
        let permit = if direct { queue.io.enter() } else { None };
        let mut batch = Self {
            queue,
            state,
            sender,
            permit,
            sent: 0,
        };
        batch.go_on();
        batch
    }

    /// Whether another request may be executed here.
    fn is_open(&self) -> bool {
        self.permit.is_some()
            && self.queue.peer_window.is_open()
            && !self.queue.credit.is_short()
            && self.state.window.budget().goes_on(self.sent)
    }

    /// Whether requests may wait here.
    fn wait(&self) -> Wait {
        match &self.permit {
            Some(permit) if permit.is_own_thread() => Wait::Briefly,
            _ => Wait::Never,
        }
    }

    /// Answers what waits, as far as it can be answered here.
    fn go_on(&mut self) {
        let wait = self.wait();
        self.send_rest();
        while self.is_open() && self.state.pending.rest.is_empty() {
            let SessionOwner::Channel(sftp) = &mut self.state.owner else {
                return;
            };
            if !self.state.pending.execute_next(sftp, wait) {
                return;
            }
            let notice = sftp.take_notice();
            self.send_notice(notice);
            self.send_rest();
        }
    }

    /// Before the reply, after which the client may leave. If the window has no room for it, it is left out.
    fn send_notice(&mut self, notice: Option<Bytes>) {
        if let Some(notice) = notice
            && self.queue.peer_window.take_whole(notice.len())
        {
            self.sender.send(Stream::Error, notice);
        }
    }

    fn send_rest(&mut self) {
        if self.permit.is_none() {
            return;
        }
        let bytes = &mut self.state.pending.rest.bytes;
        let granted = self.queue.peer_window.take(bytes.len());
        if granted > 0 {
            self.sent += granted;
            self.sender.send(Stream::Output, bytes.split_to(granted));
        }
        self.state.pending.rest.wait(self.state.window.budget());
    }

    /// Executes a packet, or puts it behind what waits.
    fn take(&mut self, packet: &[u8]) {
        let wait = self.wait();
        if self.state.pending.is_empty()
            && self.is_open()
            && let SessionOwner::Channel(sftp) = &mut self.state.owner
            && let Outcome::Reply(reply) = requests::execute(sftp, packet, wait)
        {
            let notice = sftp.take_notice();
            let read = Read::of_packet(packet).map(|(_, read)| read);
            self.state.pending.rest = UnsentReply::of(reply, read);
            self.state.pending.unpaid += packet.len() + LENGTH_FIELD;
            self.send_notice(notice);
            self.send_rest();
            return;
        }
        self.state.pending.push(packet);
    }

    /// Leaves what waits to whom it waits for: the window's next callback, or the task.
    fn end(self) {
        let Self {
            queue,
            state,
            sender,
            permit,
            sent,
        } = self;
        let direct = permit.is_some();
        drop(permit);
        if matches!(state.owner, SessionOwner::Channel(_)) {
            let more = state.take_window_due(queue);
            if more > 0 {
                sender.open_window(more);
            }
        }
        if state.pending.is_empty() {
            if state.pending.end && direct {
                if let SessionOwner::Channel(sftp) = std::mem::replace(&mut state.owner, SessionOwner::Nobody)
                {
                    drop(DeferredClose::new(sftp, &queue.io));
                    sender.finish(0);
                }
            } else if state.pending.end {
                queue.hand_over(state);
            }
            return;
        }
        let waits_for_window = direct && !queue.peer_window.is_open() && state.window.budget().goes_on(sent);
        if !waits_for_window {
            queue.hand_over(state);
        }
    }
}
