//! One SFTP channel: splits the stream into packets and decides where each is executed, so that replies leave in
//! the order of their requests (clients rely on it) and no callback waits.
//!
//! In the SSH callback (*Direct*) a request runs only if all of this holds: nothing waits before it; the session is
//! not with the task; the SSH layer has let go of every reply that the task sent (else ours would overtake them);
//! the peer's window has room; events of the user find room in their queue; this callback has not made as much as one
//! may ([`crate::session::stream::budget::Budget::goes_on`]); no keys are exchanged; and the file system is well.
//! What waits for the window alone goes on in the callback that opens it; all else goes to the task (*Queued*).

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::ClientFault;
use sftp_wire::frame::{self, LENGTH_FIELD};

use super::outcome::Outcome;
use super::queue::{Held, Queue, State, Surroundings, Worker};
use super::read::Read;
use super::rest::Rest;
use super::session::Sftp;
use crate::io::Permit;
use crate::session::stream::budget::Overflow;
use crate::session::stream::{Stream, Wire};
use crate::storage::Wait;

/// Why a channel or its connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The stream makes no sense: the channel ends.
    #[error(transparent)]
    Malformed(#[from] ClientFault),
    /// The client ignores its window: it is disconnected.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// One SFTP channel. Dropping it ends its task and closes its files.
pub struct Channel {
    queue: Arc<Queue>,
    /// The beginning of a packet whose end has not arrived.
    partial: Vec<u8>,
    initialised: bool,
}

impl Channel {
    /// A channel for a session.
    pub fn new(sftp: Sftp, surroundings: Surroundings) -> Self {
        Self {
            queue: Queue::new(sftp, surroundings),
            partial: Vec::new(),
            initialised: false,
        }
    }

    /// Takes bytes from the client. After an error nothing more may be given.
    pub fn data(&mut self, data: &[u8], wire: &mut dyn Wire) -> Result<(), Fatal> {
        let queue = Arc::clone(&self.queue);
        let mut state = queue.state();
        if matches!(state.worker, Worker::Ended) {
            return Ok(());
        }
        state.window.receive(data.len())?;
        let mut turn = Turn::begin(&queue, &mut state, wire);
        self.split(data, &mut turn)?;
        turn.state.missing = frame::missing(&self.partial);
        turn.end();
        Ok(())
    }

    /// Work begins: the client may send more than the minimum.
    pub fn begin(&mut self, wire: &mut dyn Wire) {
        let more = self.queue.state().window.begin();
        if more > 0 {
            wire.open_window(more);
        }
    }

    /// The peer's window is `window` bytes now, as the SSH layer knows it.
    pub fn window_adjusted(&mut self, window: u32, wire: &mut dyn Wire) {
        self.queue.flow.adjusted(window);
        let mut state = self.queue.state();
        if matches!(state.worker, Worker::Idle(_)) && !state.pending.is_empty() {
            Turn::begin(&self.queue, &mut state, wire).end();
        }
    }

    /// The client has said that nothing more comes: the channel ends when all is answered.
    pub fn eof(&mut self, wire: &mut dyn Wire) {
        let mut state = self.queue.state();
        state.pending.end = true;
        if matches!(state.worker, Worker::Idle(_)) {
            Turn::begin(&self.queue, &mut state, wire).end();
        }
    }

    /// Cuts the stream into packets.
    fn split(&mut self, mut data: &[u8], turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if !self.partial.is_empty() {
            data = self.complete(data, turn)?;
        }
        while let Some(length) = frame::request_length(data)? {
            let Some((packet, rest)) = data
                .get(LENGTH_FIELD..)
                .and_then(|body| body.split_at_checked(length))
            else {
                break;
            };
            self.take(packet, turn)?;
            data = rest;
        }
        self.partial.extend_from_slice(data);
        Ok(())
    }

    /// Adds to the packet that was begun; returns what is left behind its end.
    fn complete<'a>(&mut self, data: &'a [u8], turn: &mut Turn<'_>) -> Result<&'a [u8], Fatal> {
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
            self.take(packet.get(LENGTH_FIELD..).unwrap_or_default(), turn)?;
        }
        Ok(rest)
    }

    fn take(&mut self, packet: &[u8], turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if !self.initialised {
            frame::expect_init(packet)?;
            self.initialised = true;
        }
        turn.take(packet);
        Ok(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.queue.cancelled.cancel();
        let mut state = self.queue.state();
        if let Worker::Idle(sftp) = std::mem::replace(&mut state.worker, Worker::Ended) {
            drop(Held::new(sftp, &self.queue.io));
        }
    }
}

/// What one callback does.
struct Turn<'a> {
    queue: &'a Arc<Queue>,
    state: &'a mut State,
    wire: &'a mut dyn Wire,
    /// The right to execute here; without it all goes to the task.
    permit: Option<Permit<'a>>,
    sent: usize,
}

impl<'a> Turn<'a> {
    fn begin(queue: &'a Arc<Queue>, state: &'a mut State, wire: &'a mut dyn Wire) -> Self {
        let direct = matches!(state.worker, Worker::Idle(_)) && queue.flow.is_settled() && !wire.is_held();
        let permit = if direct { queue.io.enter() } else { None };
        let mut turn = Self {
            queue,
            state,
            wire,
            permit,
            sent: 0,
        };
        turn.go_on();
        turn
    }

    /// May another request be executed here?
    fn is_open(&self) -> bool {
        self.permit.is_some()
            && self.queue.flow.is_open()
            && !self.queue.credit.is_short()
            && self.state.window.budget().goes_on(self.sent)
    }

    /// Answers what waits, as far as it goes here.
    fn go_on(&mut self) {
        self.send_rest();
        while self.is_open() && self.state.pending.rest.is_empty() {
            let Worker::Idle(sftp) = &mut self.state.worker else {
                return;
            };
            if !self.state.pending.execute_next(sftp) {
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
            && self.queue.flow.take_whole(notice.len())
        {
            self.wire.send(Stream::Error, notice);
        }
    }

    fn send_rest(&mut self) {
        if self.permit.is_none() {
            return;
        }
        let bytes = &mut self.state.pending.rest.bytes;
        let granted = self.queue.flow.take(bytes.len());
        if granted > 0 {
            self.sent += granted;
            self.wire.send(Stream::Output, bytes.split_to(granted));
        }
        self.state.pending.rest.wait(self.state.window.budget());
    }

    /// Executes a packet, or puts it behind what waits.
    fn take(&mut self, packet: &[u8]) {
        if self.state.pending.is_empty()
            && self.is_open()
            && let Worker::Idle(sftp) = &mut self.state.worker
            && let Outcome::Reply(reply) = sftp.execute(packet, Wait::Never)
        {
            let notice = sftp.take_notice();
            let read = Read::of_packet(packet).map(|(_, read)| read);
            self.state.pending.rest = Rest::of(reply, read);
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
            wire,
            permit,
            sent,
        } = self;
        let direct = permit.is_some();
        drop(permit);
        if matches!(state.worker, Worker::Idle(_)) {
            let more = state.settle(queue);
            if more > 0 {
                wire.open_window(more);
            }
        }
        if state.pending.is_empty() {
            if state.pending.end && direct {
                if let Worker::Idle(sftp) = std::mem::replace(&mut state.worker, Worker::Ended) {
                    drop(Held::new(sftp, &queue.io));
                    wire.finish(0);
                }
            } else if state.pending.end {
                queue.hand_over(state);
            }
            return;
        }
        let waits_for_window = direct && !queue.flow.is_open() && state.window.budget().goes_on(sent);
        if !waits_for_window {
            queue.hand_over(state);
        }
    }
}
