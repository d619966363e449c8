//! One SFTP channel as its client: requests are sent in the order in which they are made, and each reply goes to its
//! caller.
//!
//! Callers do not wait for each other: any number of requests may be under way. Transfers bound theirs by a permit of
//! [`SftpChannel::reserve`] for each READ and WRITE; every other request has a caller that waits for it. How a channel
//! is opened stands in [`open`](super::open).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use sftp_wire::{Announcement, Extension, Reply, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::block::Block;
use super::error::ConnectionLost;
use super::inbox::{CompletedRequest, DataSink, Inbox, PendingRequest};
use super::outbox::Outbox;
use super::trace;

/// The most bytes of READs and WRITEs under way at once: enough for 480 MiB/s over a link of 50 ms. With a nearby
/// server less would be enough, but is no faster: 0.5 to 16 MiB were measured with OpenSSH's sshd.
const MAX_IN_FLIGHT: usize = 24 << 20;
/// Bytes that one permit of [`MAX_IN_FLIGHT`] stands for.
const PERMIT: usize = 1 << 10;

/// An open SFTP channel, on which requests are sent and answered.
pub struct SftpChannel {
    inbox: Arc<Inbox>,
    outbox: Outbox,
    next_id: AtomicU32,
    in_flight: Arc<Semaphore>,
    extensions: Vec<Announcement<Bytes>>,
    /// The largest READ and WRITE that the server takes.
    pub limits: Limits,
}

/// The largest READ and WRITE, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the largest READ.
    pub read: u32,
    /// The size of the largest WRITE.
    pub write: u32,
}

impl Default for Limits {
    /// The limits that every server has (draft-ietf-secsh-filexfer-02, section 3).
    fn default() -> Self {
        Self {
            read: 32 << 10,
            write: 32 << 10,
        }
    }
}

/// A range of a file, for one READ or WRITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The offset of its first byte.
    pub offset: u64,
    /// The size of the range, in bytes.
    pub length: u32,
}

/// The permit for the bytes of one READ or WRITE. Dropping it releases them.
pub struct InFlightPermit(#[allow(dead_code, reason = "held")] OwnedSemaphorePermit);

impl SftpChannel {
    /// A channel on which VERSION, with these extensions, was the last packet. Its limits are the protocol's own.
    pub(super) fn new(inbox: Arc<Inbox>, outbox: Outbox, extensions: Vec<Announcement<Bytes>>) -> Self {
        Self {
            inbox,
            outbox,
            next_id: AtomicU32::new(1),
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT / PERMIT)),
            extensions,
            limits: Limits::default(),
        }
    }

    /// Whether the server announces an extension.
    pub fn offers(&self, extension: Extension) -> bool {
        let name = extension.name().as_bytes();
        self.extensions.iter().any(|announced| announced.name == name)
    }

    /// Sends a request, and waits for the answer.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn ask(&self, request: &Request<'_>) -> Result<Reply<Bytes>, ConnectionLost> {
        self.begin(request).await.map_err(|_| self.lost())
    }

    /// Sends a request. The answer can be waited for later.
    pub fn begin(&self, request: &Request<'_>) -> oneshot::Receiver<Reply<Bytes>> {
        let (waiter, answer) = oneshot::channel();
        let id = self.id();
        let mut packet = Vec::new();
        request.encode(id, &mut packet);
        let pending = match request {
            // A hash, a copy or an fsync takes as long as the file is large; and with CLOSE, a server may pass the file on.
            Request::Extended(_) | Request::Close { .. } => PendingRequest::Long(waiter),
            _ => PendingRequest::One(waiter),
        };
        self.inbox.expect(id, pending);
        trace::request(id, request);
        self.send(packet.into());
        answer
    }

    /// The reason why the connection is lost.
    pub fn lost(&self) -> ConnectionLost {
        ConnectionLost(self.inbox.lost().unwrap_or_else(|| "it was closed".into()))
    }

    /// Whether the connection is lost.
    pub fn is_lost(&self) -> bool {
        self.inbox.lost().is_some()
    }

    /// Waits until a READ or WRITE of this many bytes may be under way.
    pub async fn reserve(&self, bytes: u32) -> Option<InFlightPermit> {
        let permits = (bytes as usize).div_ceil(PERMIT).clamp(1, MAX_IN_FLIGHT / PERMIT);
        let permits = u32::try_from(permits).ok()?;
        let taken = Arc::clone(&self.in_flight).acquire_many_owned(permits).await;
        taken.ok().map(InFlightPermit)
    }

    /// Sends a READ whose bytes go to `sink`. Its end is reported to `done`.
    pub fn read(
        &self,
        handle: &[u8],
        range: ByteRange,
        sink: &Arc<dyn DataSink>,
        done: &mpsc::UnboundedSender<CompletedRequest>,
    ) {
        let ByteRange { offset, length } = range;
        let id = self.id();
        let mut packet = Vec::new();
        Request::Read {
            handle,
            offset,
            length,
        }
        .encode(id, &mut packet);
        trace::range(id, "read", offset, length);
        let sink = Some(Arc::clone(sink));
        let done = done.clone();
        self.inbox.expect(
            id,
            PendingRequest::Many {
                offset,
                length,
                sink,
                done,
            },
        );
        self.send(packet.into());
    }

    /// Sends a WRITE. Its end is reported to `done`. Returns its data, which is not copied.
    pub fn write(&self, block: Block, done: &mpsc::UnboundedSender<CompletedRequest>) -> Bytes {
        let id = self.id();
        let (offset, length) = (block.offset, block.length);
        trace::range(id, "write", offset, length);
        let done = done.clone();
        self.inbox.expect(
            id,
            PendingRequest::Many {
                offset,
                length,
                sink: None,
                done,
            },
        );
        let (packet, data) = block.with_id(id);
        self.send(packet);
        data
    }

    /// The text that the server sent beside its replies. It is returned once.
    pub fn notice(&self) -> Vec<u8> {
        self.inbox.take_notice()
    }

    fn id(&self) -> u32 {
        // When the ids begin again, after four billion requests, the first ones have long been answered.
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn send(&self, packet: Bytes) {
        // If the sender has ended, the inbox knows why.
        drop(self.outbox.send(packet));
    }
}
