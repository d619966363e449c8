//! Receives the stream from the server: splits it into packets, and passes each reply to its caller.
//!
//! The file's bytes in a DATA reply are handed on while they arrive, so that a download is written from the SSH
//! library's own buffer: such a reply is never put together, and need not fit into memory. All other replies are kept
//! until they are whole; [`next_reply`] bounds them.
//!
//! There are three states: *between packets or inside a small one* (`partial` holds its beginning), *inside a DATA
//! reply* (`reading`), and *lost* (nothing is accepted any more, and all callers get the reason).

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sftp_wire::constants::SSH_FXP_DATA;
use sftp_wire::frame::{self, next_reply};
use sftp_wire::{DataHeader, Reply, ServerFault};
use tokio::sync::{mpsc, oneshot};

use super::trace;

/// How many bytes are kept of the text that the server sends beside its replies (extended data): the last ones.
const MAX_NOTICE: usize = 1024;
/// How many of the first bytes of the stream are kept.
const MAX_FIRST: usize = 512;

/// Takes the bytes of READs. It is called in the SSH library's callback, and must not wait for the network.
pub trait DataSink: Send + Sync {
    /// Takes bytes of the file at this offset.
    fn bytes(&self, offset: u64, bytes: &[u8]);
}

/// How a READ or WRITE ended.
#[derive(Debug)]
pub enum Completion {
    /// A READ has ended: this many bytes came, and went to the sink.
    Data(u32),
    /// The server sent another reply than DATA.
    Reply(Reply<Bytes>),
    /// The connection was lost before the reply arrived.
    ConnectionLost,
}

/// A READ or WRITE that has ended.
#[derive(Debug)]
pub struct CompletedRequest {
    /// The offset that was asked for.
    pub offset: u64,
    /// The length that was asked for, in bytes.
    pub length: u32,
    /// The result of the request.
    pub ended: Completion,
}

/// How long a server has been silent that owes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// The time since its last byte, or since the first request that it has not answered.
    pub lasts: Duration,
    /// Whether one of the requests may take long.
    pub long: bool,
}

/// A request whose reply is waited for.
pub enum PendingRequest {
    /// A request with a caller of its own.
    One(oneshot::Sender<Reply<Bytes>>),
    /// Such a request that may take as long as a file is large.
    Long(oneshot::Sender<Reply<Bytes>>),
    /// A request of a transfer, which has many under way.
    Many {
        offset: u64,
        length: u32,
        sink: Option<Arc<dyn DataSink>>,
        done: mpsc::UnboundedSender<CompletedRequest>,
    },
}

/// A DATA reply that has begun to arrive.
struct PartialData {
    waiter: Option<PendingRequest>,
    /// The length of the reply, in bytes.
    length: u32,
    taken: u32,
}

#[derive(Default)]
struct InboxState {
    waiters: HashMap<u32, PendingRequest>,
    partial: BytesMut,
    reading: Option<PartialData>,
    notice: Vec<u8>,
    /// The first bytes of the stream.
    first: Vec<u8>,
    /// Whether the stream was found not to be valid SFTP.
    is_invalid: bool,
    /// Since when the server owes an answer and has sent nothing.
    silent_since: Option<Instant>,
    /// The reason why the connection is lost, or `None` while it is not.
    lost: Option<Arc<str>>,
}

/// The inbox of one SFTP channel.
#[derive(Default)]
pub struct Inbox(Mutex<InboxState>);

impl Inbox {
    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.0.lock()
    }

    /// Waits for the reply with this id, unless the connection is lost.
    pub fn expect(&self, id: u32, waiter: PendingRequest) {
        let mut state = self.state();
        match state.lost {
            Some(_) => waiter.lose(),
            None => {
                if state.waiters.is_empty() {
                    state.silent_since = Some(Instant::now());
                }
                drop(state.waiters.insert(id, waiter));
            }
        }
    }

    /// How long the server has been silent, if it owes an answer.
    pub fn silence(&self) -> Option<Silence> {
        let state = self.state();
        let since = state
            .silent_since
            .filter(|_| !state.waiters.is_empty() || state.reading.is_some())?;
        let mut waiters = state.waiters.values();
        Some(Silence {
            lasts: since.elapsed(),
            long: waiters.any(|waiter| matches!(waiter, PendingRequest::Long(_))),
        })
    }

    /// The bytes with which the stream began, at most the first 512.
    pub fn first_bytes(&self) -> Vec<u8> {
        self.state().first.clone()
    }

    /// Whether the stream was found not to be valid SFTP.
    pub fn is_invalid(&self) -> bool {
        self.state().is_invalid
    }

    /// Marks the connection as lost. The first reason counts.
    pub fn lose(&self, why: &str) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.lost = Some(why.into());
        }
        let reading = state.reading.take().and_then(|reading| reading.waiter);
        for waiter in state.waiters.drain().map(|(_, waiter)| waiter).chain(reading) {
            waiter.lose();
        }
    }

    /// The reason why the connection is lost, or `None` while it is not.
    pub fn lost(&self) -> Option<Arc<str>> {
        self.state().lost.clone()
    }

    /// Keeps text that the server sends beside its replies.
    pub fn notice(&self, words: &[u8]) {
        let notice = &mut self.state().notice;
        notice.extend_from_slice(words);
        let surplus = notice.len().saturating_sub(MAX_NOTICE);
        notice.drain(..surplus);
    }

    /// The last text beside the replies. It is returned once.
    pub fn take_notice(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().notice)
    }

    /// Takes bytes of the stream.
    ///
    /// # Errors
    /// When the stream is not valid SFTP. After that, this must not be called again.
    pub fn data(&self, data: &[u8]) -> Result<(), ServerFault> {
        let mut state = self.state();
        let room = MAX_FIRST.saturating_sub(state.first.len());
        if room > 0 {
            state.first.extend(data.iter().take(room));
        }
        state.silent_since = Some(Instant::now());
        let taken = state.take_all(data);
        state.is_invalid |= taken.is_err();
        taken
    }
}

impl InboxState {
    /// Takes bytes of the stream, unless the connection is lost.
    fn take_all(&mut self, mut data: &[u8]) -> Result<(), ServerFault> {
        while !data.is_empty() && self.lost.is_none() {
            data = match &mut self.reading {
                Some(_) => self.go_on_reading(data),
                None => self.take(data)?,
            };
        }
        Ok(())
    }

    /// Begins a DATA reply, or collects another packet. Returns the bytes that are left.
    fn take<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], ServerFault> {
        // The header of a packet decides; it may arrive in pieces.
        let missing = DataHeader::SIZE
            .saturating_sub(self.partial.len())
            .min(data.len());
        let (head, rest) = data.split_at(missing);
        if self.partial.is_empty()
            && let Some(header) = head.first_chunk::<{ DataHeader::SIZE }>()
            && let Some(reading) = self.begin_reading(header)?
        {
            self.reading = Some(reading);
            return Ok(rest);
        }
        self.partial.extend_from_slice(head);
        if let Some(header) = self.partial.first_chunk::<{ DataHeader::SIZE }>().copied()
            && self.partial.len() == DataHeader::SIZE
            && let Some(reading) = self.begin_reading(&header)?
        {
            self.reading = Some(reading);
            self.partial.clear();
            return Ok(rest);
        }
        let rest = self.fill(rest);
        while let Some((id, reply)) = next_reply(&mut self.partial)? {
            self.deliver(id, reply);
        }
        Ok(rest)
    }

    /// Adds to the packet that was begun, up to its end and no further.
    fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let missing = frame::missing(&self.partial).min(data.len());
        let (now, rest) = data.split_at(missing);
        self.partial.extend_from_slice(now);
        rest
    }

    /// Begins a DATA reply if this is the header of one.
    fn begin_reading(&mut self, header: &[u8; DataHeader::SIZE]) -> Result<Option<PartialData>, ServerFault> {
        let Some(DataHeader { id, length }) = DataHeader::read(header)? else {
            return Ok(None);
        };
        let waiter = self.waiters.remove(&id);
        if length == 0 {
            // A reply without bytes gets no further call, so it ends here.
            end(waiter, 0);
            return Ok(Some(PartialData {
                waiter: None,
                length: 0,
                taken: 0,
            }));
        }
        if let Some(PendingRequest::Many { length: asked, .. }) = &waiter
            && length > *asked
        {
            // More bytes than were asked for would be written over what comes next.
            return Err(ServerFault::Body(SSH_FXP_DATA));
        }
        Ok(Some(PartialData {
            waiter,
            length,
            taken: 0,
        }))
    }

    fn go_on_reading<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let Some(reading) = &mut self.reading else {
            return data;
        };
        let missing = reading.length.saturating_sub(reading.taken) as usize;
        let (now, rest) = data.split_at(missing.min(data.len()));
        if let Some(PendingRequest::Many {
            offset,
            sink: Some(sink),
            ..
        }) = &reading.waiter
            && !now.is_empty()
        {
            sink.bytes(offset.saturating_add(u64::from(reading.taken)), now);
        }
        reading.taken = reading
            .taken
            .saturating_add(u32::try_from(now.len()).unwrap_or(u32::MAX));
        if reading.taken >= reading.length {
            let (waiter, length) = (reading.waiter.take(), reading.length);
            self.reading = None;
            end(waiter, length);
        }
        rest
    }

    fn deliver(&mut self, id: u32, reply: Reply<Bytes>) {
        trace::reply(id, &reply);
        match self.waiters.remove(&id) {
            Some(PendingRequest::One(waiting) | PendingRequest::Long(waiting)) => drop(waiting.send(reply)),
            Some(PendingRequest::Many {
                offset, length, done, ..
            }) => {
                let ended = Completion::Reply(reply);
                drop(done.send(CompletedRequest {
                    offset,
                    length,
                    ended,
                }));
            }
            // The caller no longer waits.
            None => {}
        }
    }
}

fn end(waiter: Option<PendingRequest>, count: u32) {
    if let Some(PendingRequest::Many {
        offset, length, done, ..
    }) = waiter
    {
        let ended = Completion::Data(count);
        // A transfer that was cancelled does not wait any more.
        drop(done.send(CompletedRequest {
            offset,
            length,
            ended,
        }));
    }
}

impl PendingRequest {
    fn lose(self) {
        if let Self::Many {
            offset, length, done, ..
        } = self
        {
            let ended = Completion::ConnectionLost;
            drop(done.send(CompletedRequest {
                offset,
                length,
                ended,
            }));
        }
    }
}
