//! The requests of one channel that wait, in order, and their execution. [`super::queue`] decides when they are
//! executed, and on which thread.

use sftp_wire::DataHeader;
use tokio_util::sync::CancellationToken;

use super::backlog::{Backlog, NextRequest, WaitingRequest};
use super::outcome::{Outcome, RequestInfo};
use super::read::Read;
use super::requests;
use super::session::Sftp;
use super::unsent::UnsentReply;
use crate::storage::Wait;

/// The most WRITEs that are executed in one visit to a thread of the blocking pool, and below their most bytes:
/// changing threads costs more than a WRITE, but others that wait for a thread must not wait for long.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

/// The bytes of the client's window that are occupied by requests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct OccupiedWindow {
    /// The bytes of all requests.
    pub(super) all: usize,
    /// The bytes among them that WRITEs occupy, for which the user may have a rate.
    pub(super) by_writes: usize,
}

impl OccupiedWindow {
    /// Adds a request of this size; `write_len` is the length of its packet if it is a WRITE.
    pub(super) fn add(&mut self, size: usize, write_len: Option<usize>) {
        self.all += size;
        self.by_writes += write_len.unwrap_or(0);
    }

    /// Adds a request that has waited.
    pub(super) fn add_request(&mut self, request: &NextRequest<'_>) {
        self.add(request.size(), request.write_len());
    }
}

/// What waits in one channel, in order.
pub(super) struct Pending {
    /// The unsent part of a reply that did not fit into the window. It is sent before anything else.
    pub(super) unsent: UnsentReply,
    /// Whether the client has announced that it sends nothing more.
    pub(super) end: bool,
    /// The part of the client's window that is occupied by requests whose replies are on their way.
    pub(super) occupied: OccupiedWindow,
    pub(super) backlog: Backlog,
}

impl Pending {
    /// Creates the queue of a channel in which nothing waits.
    pub(super) fn new() -> Self {
        Self {
            unsent: UnsentReply::default(),
            end: false,
            occupied: OccupiedWindow::default(),
            backlog: Backlog::default(),
        }
    }

    /// Returns whether neither a reply nor a request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty() && self.backlog.is_empty()
    }

    /// Appends a packet, which is given without its length field.
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.backlog.push(packet);
    }

    /// Returns the request and, if it is a WRITE, the WRITEs that follow it directly, as far as they `fit` to it.
    pub(super) fn batch(
        &mut self,
        first: WaitingRequest,
        mut fit: impl FnMut(&NextRequest<'_>) -> bool,
    ) -> Vec<WaitingRequest> {
        let mut bytes = first.next().write_len();
        let mut requests = vec![first];
        while let Some(sum) = bytes
            && let Some(next) = self
                .backlog
                .front()
                .filter(&mut fit)
                .and_then(|next| next.write_len())
            && sum + next <= BATCH_BYTES
            && requests.len() < BATCH
        {
            requests.extend(self.backlog.pop());
            bytes = Some(sum + next);
        }
        requests
    }

    /// Executes the next request by `execute`, if that does not take long; returns `false` if nothing waits, or if the
    /// request may take long, or would exceed the user's rate.
    pub(super) fn execute_next(
        &mut self,
        sftp: &mut Sftp,
        execute: impl FnOnce(&mut Sftp, &NextRequest<'_>) -> Outcome,
    ) -> bool {
        let Some(next) = self.backlog.front() else {
            return false;
        };
        if read_of(&next).is_some() && !sftp.unpaid_reads.try_pay() {
            return false;
        }
        let Outcome::Reply(reply) = execute(sftp, &next) else {
            return false;
        };
        self.unsent = UnsentReply::of(reply, read_of(&next));
        self.occupied.add_request(&next);
        self.backlog.pop();
        true
    }
}

/// Returns the READ, if the request is one.
pub(super) fn read_of(next: &NextRequest<'_>) -> Option<Read> {
    match next {
        NextRequest::Read(_, read) => Some(*read),
        NextRequest::Packet(packet) => Read::of_packet(packet).map(|(_, read)| read),
    }
}

/// Executes one request, and returns its outcome.
pub(super) fn execute(sftp: &mut Sftp, next: &NextRequest<'_>, wait: Wait) -> Outcome {
    match next {
        NextRequest::Read(id, read) => requests::execute_read(sftp, *read, RequestInfo { id: *id, wait }),
        NextRequest::Packet(packet) => requests::execute(sftp, packet, wait),
    }
}

/// Returns how many bytes the reply may take while it is in flight, or 0 if it is small, or charged to the user's
/// memory when it has to wait.
pub(super) fn reply_bytes_needed(next: &NextRequest<'_>) -> usize {
    if let Some(read) = read_of(next) {
        return DataHeader::SIZE + read.length as usize;
    }
    match next {
        NextRequest::Packet(packet) => requests::reply_bytes_needed(packet),
        NextRequest::Read(..) => 0,
    }
}

/// Executes one request, or several WRITEs, whose replies are concatenated.
pub(super) fn execute_batch(
    sftp: &mut Sftp,
    requests: &[WaitingRequest],
    cancelled: &CancellationToken,
) -> Outcome {
    let mut replies = Vec::new();
    for request in requests {
        match execute(sftp, &request.next(), Wait::Allowed) {
            Outcome::Reply(reply) if requests.len() > 1 => replies.extend_from_slice(&reply),
            outcome => return outcome,
        }
        if cancelled.is_cancelled() {
            break;
        }
    }
    Outcome::Reply(replies.into())
}
