//! The requests of one channel that wait, in order, and their execution.

use sftp_wire::{DataHeader, PacketType};
use tokio_util::sync::CancellationToken;

use super::backlog::{Backlog, Job, Next};
use super::outcome::Outcome;
use super::read::Read;
use super::rest::Rest;
use super::session::{NAMES_ROOM, Sftp};
use crate::storage::Wait;

/// WRITEs that one visit to a thread of the blocking pool may execute, and their bytes: the change of threads costs more
/// than a WRITE, and who waits for a thread must not wait for long.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

/// What waits in one channel, in order.
pub(super) struct Pending {
    /// The rest of a reply that the window cut in two; goes out before anything else.
    pub(super) rest: Rest,
    /// The client has said that nothing more comes.
    pub(super) end: bool,
    /// What the requests took of the window whose replies are on their way.
    pub(super) unpaid: usize,
    pub(super) backlog: Backlog,
}

impl Pending {
    /// A channel in which nothing waits.
    pub(super) fn new() -> Self {
        Self {
            rest: Rest::default(),
            end: false,
            unpaid: 0,
            backlog: Backlog::default(),
        }
    }

    /// Does nothing wait?
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.backlog.is_empty()
    }

    /// Puts a packet, given without its length field, behind the others.
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.backlog.push(packet);
    }

    /// Returns the request and, if it is a WRITE, the WRITEs that wait right behind it.
    pub(super) fn batch(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = first.next().write_len();
        let mut jobs = vec![first];
        while let Some(sum) = bytes
            && let Some(next) = self.backlog.front().and_then(|next| next.write_len())
            && sum + next <= BATCH_BYTES
            && jobs.len() < BATCH
        {
            jobs.extend(self.backlog.pop());
            bytes = Some(sum + next);
        }
        jobs
    }

    /// Executes the first request that waits, if that takes no long; `false`: nothing waits, or it may take long.
    pub(super) fn execute_next(&mut self, sftp: &mut Sftp) -> bool {
        let Some(next) = self.backlog.front() else {
            return false;
        };
        let Outcome::Reply(reply) = execute(sftp, &next, Wait::Never) else {
            return false;
        };
        self.rest = Rest::of(reply, read_of(&next));
        self.unpaid += next.size();
        self.backlog.pop();
        true
    }
}

/// The READ that a request is.
pub(super) fn read_of(next: &Next<'_>) -> Option<Read> {
    match next {
        Next::Read(_, read) => Some(*read),
        Next::Packet(packet) => Read::of_packet(packet).map(|(_, read)| read),
    }
}

/// Executes one request.
pub(super) fn execute(sftp: &mut Sftp, next: &Next<'_>, wait: Wait) -> Outcome {
    match next {
        Next::Read(id, read) => sftp.execute_read(*id, *read, wait),
        Next::Packet(packet) => sftp.execute(packet, wait),
    }
}

/// How much room of the peer's window the reply may need.
pub(super) fn room_for(next: &Next<'_>) -> usize {
    match (read_of(next), next) {
        (Some(read), _) => DataHeader::SIZE + read.length as usize,
        (None, Next::Packet(packet)) if PacketType::of(packet) == Some(PacketType::Readdir) => NAMES_ROOM,
        (None, _) => 0,
    }
}

/// Executes one request, or several WRITEs: their replies stand one behind the other.
pub(super) fn execute_batch(sftp: &mut Sftp, jobs: &[Job], cancelled: &CancellationToken) -> Outcome {
    let mut replies = Vec::new();
    for job in jobs {
        match execute(sftp, &job.next(), Wait::Allowed) {
            Outcome::Reply(reply) if jobs.len() > 1 => replies.extend_from_slice(&reply),
            outcome => return outcome,
        }
        if cancelled.is_cancelled() {
            break;
        }
    }
    Outcome::Reply(replies.into())
}
