//! One SFTP channel: splits the stream into packets and decides where each is executed, so that replies leave in the
//! order of their requests (clients rely on that) and no callback waits.
//!
//! In the SSH callback (*Direct*) a request runs only if all of this holds: no earlier request waits; the session is
//! not with the task; the SSH layer has taken over every reply that the task sent (otherwise the new reply would
//! overtake them); the peer's window has room; the user's part of the event queue has room; this callback has not
//! produced as much as one may ([`crate::session::stream::connection_budget::ConnectionBudget::may_make_more`]); no
//! keys are being exchanged; the file system does not hang; and a READ does not exceed the user's rate. Requests that
//! only wait for the window continue in the callback that opens it; all others go to the task (*Queued*).

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::frame::{self, LENGTH_FIELD};
use sftp_wire::{ClientFault, PacketType};

use super::backlog::NextRequest;
use super::channel_state::{ChannelState, SessionOwner};
use super::deferred_close::DeferredClose;
use super::outcome::Outcome;
use super::pending::execute;
use super::prefetch;
use super::queue::{ChannelQueue, ChannelSetup};
use super::read::Read;
use super::request_io;
use super::session::Sftp;
use super::unsent::UnsentReply;
use crate::io::InlinePermit;
use crate::session::stream::connection_budget::WindowExceeded;
use crate::session::stream::{InlineSender, Stream};
use crate::storage::Wait;

/// Why a channel, or its connection, must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelFault {
    /// The client's stream is malformed: the channel ends.
    #[error(transparent)]
    Malformed(#[from] ClientFault),
    /// The client ignores its window: the connection ends.
    #[error(transparent)]
    WindowExceeded(#[from] WindowExceeded),
}

/// One SFTP channel. Dropping it ends its task and closes its files.
pub struct SftpChannel {
    queue: Arc<ChannelQueue>,
    /// The beginning of a packet whose end has not arrived yet.
    partial: Vec<u8>,
    initialised: bool,
}

impl SftpChannel {
    /// Creates the channel of a session.
    pub fn new(sftp: Sftp, setup: ChannelSetup) -> Self {
        Self {
            queue: ChannelQueue::new(sftp, setup),
            partial: Vec::new(),
            initialised: false,
        }
    }

    /// Processes bytes from the client. It must not be called again after an error.
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

    /// Records that the peer's window is `window` bytes now, as the SSH layer knows it.
    pub fn window_adjusted(&mut self, window: u32, sender: &mut dyn InlineSender) {
        self.queue.peer_window.adjusted(window);
        let mut state = self.queue.state();
        if matches!(state.owner, SessionOwner::Channel(_)) && !state.pending.is_empty() {
            InlineBatch::begin(&self.queue, &mut state, sender).end();
        }
    }

    /// Records that the client sends nothing more: the channel ends when all requests are answered.
    pub fn eof(&mut self, sender: &mut dyn InlineSender) {
        let mut state = self.queue.state();
        state.pending.end = true;
        if matches!(state.owner, SessionOwner::Channel(_)) {
            InlineBatch::begin(&self.queue, &mut state, sender).end();
        }
    }

    /// Splits the stream into packets.
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

    /// Completes the packet that has begun; returns the bytes after its end.
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
            // Drop the buffer, because an idle session keeps none.
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

/// Executes a request in an SSH callback. If it works on another file system than the home's, it takes a permit of that
/// one, and meanwhile gives the home's back: a thread has one at a time.
fn execute_inline<'a>(
    queue: &'a ChannelQueue,
    permit: &mut Option<InlinePermit<'a>>,
    sftp: &mut Sftp,
    next: &NextRequest<'_>,
    wait: Wait,
) -> Outcome {
    let Some(call) = request_io::of_request(sftp, next) else {
        return execute(sftp, next, wait);
    };
    *permit = None;
    let outcome = match call.enter() {
        Some(other) => execute(sftp, next, Wait::with(&other)),
        None => Outcome::AskAgain,
    };
    *permit = queue.io.enter();
    outcome
}

/// The requests that one SSH callback executes.
struct InlineBatch<'a> {
    queue: &'a Arc<ChannelQueue>,
    state: &'a mut ChannelState,
    sender: &'a mut dyn InlineSender,
    /// The right to execute requests here. Without it, all requests go to the task.
    permit: Option<InlinePermit<'a>>,
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
        batch.answer_pending();
        batch
    }

    /// Returns whether another request may be executed here.
    fn is_open(&self) -> bool {
        self.permit.is_some()
            && self.queue.peer_window.is_open()
            && !self.queue.event_backpressure.is_applied()
            && self.state.window.budget().may_make_more(self.sent)
    }

    /// Returns whether the next request may wait here.
    fn wait(&self) -> Wait {
        let Some(permit) = &self.permit else {
            return Wait::Never;
        };
        permit.next_call();
        Wait::with(permit)
    }

    /// Answers the waiting requests, as far as that is possible in this callback.
    fn answer_pending(&mut self) {
        self.send_unsent();
        while self.is_open() && self.state.pending.unsent.is_empty() {
            let wait = self.wait();
            let SessionOwner::Channel(sftp) = &mut self.state.owner else {
                return;
            };
            let (queue, permit) = (self.queue, &mut self.permit);
            let execute =
                |sftp: &mut Sftp, next: &NextRequest<'_>| execute_inline(queue, permit, sftp, next, wait);
            if !self.state.pending.execute_next(sftp, execute) {
                return;
            }
            let notice = sftp.take_notice();
            self.send_notice(notice);
            self.send_unsent();
        }
    }

    /// Sends a message for the user's terminal. It precedes the reply, after which the client may leave. If the window
    /// has no room for it, it is dropped.
    fn send_notice(&mut self, notice: Option<Bytes>) {
        if let Some(notice) = notice
            && self.queue.peer_window.consume_whole(notice.len())
        {
            self.sender.send(Stream::Error, notice);
        }
    }

    fn send_unsent(&mut self) {
        // The task sends a reply that has to wait for the disk of a hook's queue.
        if self.permit.is_none() || !self.queue.unsaved.is_empty() {
            return;
        }
        let bytes = &mut self.state.pending.unsent.bytes;
        let granted = self.queue.peer_window.consume_up_to(bytes.len());
        if granted > 0 {
            self.sent += granted;
            self.sender.send(Stream::Output, bytes.split_to(granted));
        }
        self.state.pending.unsent.wait(self.state.window.budget());
    }

    /// Executes a packet, or appends it to those that wait.
    fn take(&mut self, packet: &[u8]) {
        let wait = self.wait();
        let (kind, next) = (PacketType::of(packet), NextRequest::Packet(packet));
        if self.state.pending.is_empty()
            && self.is_open()
            && let SessionOwner::Channel(sftp) = &mut self.state.owner
            && (kind != Some(PacketType::Read) || sftp.unpaid_reads.try_pay())
            && let Outcome::Reply(reply) = execute_inline(self.queue, &mut self.permit, sftp, &next, wait)
        {
            let notice = sftp.take_notice();
            let listed = match kind == Some(PacketType::Readdir) && wait == Wait::Briefly {
                true => prefetch::directory_of(sftp, packet),
                false => None,
            };
            let read = Read::of_packet(packet).map(|(_, read)| read);
            self.state.pending.unsent = UnsentReply::of(reply, read);
            let write_len = (kind == Some(PacketType::Write)).then_some(packet.len());
            self.state
                .pending
                .occupied
                .add(packet.len() + LENGTH_FIELD, write_len);
            self.send_notice(notice);
            self.send_unsent();
            if let Some(directory) = listed {
                prefetch::begin(self.queue, directory);
            }
            return;
        }
        self.state.pending.push(packet);
    }

    /// Leaves the requests that still wait to the next callback of the window, or to the task.
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
            let more = queue.take_window_due(state);
            if more > 0 {
                sender.open_window(more);
            }
        }
        if state.pending.is_empty() {
            if state.pending.end && direct && state.beside.is_empty() {
                if let SessionOwner::Channel(sftp) = std::mem::replace(&mut state.owner, SessionOwner::Nobody)
                {
                    drop(DeferredClose::new(sftp, &queue.io));
                    sender.finish(0);
                }
            } else if state.pending.end {
                queue.give_to_task(state);
            }
            return;
        }
        let waits_for_window =
            direct && !queue.peer_window.is_open() && state.window.budget().may_make_more(sent);
        if !waits_for_window {
            queue.give_to_task(state);
        }
    }
}
