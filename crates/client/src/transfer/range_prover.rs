//! Proves the ranges of an upload while later ones are still being sent, so that the end of the file is not followed by
//! a second pass over all of it. The server hashes what it has acknowledged, by a handle of its own. This is for servers
//! that cannot continue a hash: this machine hashes each byte for its range and for the whole file.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::attempt::Attempt;
use super::digest::Digest;
use super::file_sink::ContiguousFront;
use crate::link::{Answered as _, Extent, Handle, HashAnswer, HashKind, HashQuestion, HashValue, hashing};

/// The size of a range, in bytes: large enough that a round trip for each does not count, and small enough that the
/// last one is proven soon.
pub(super) const RANGE: u64 = 32 << 20;
/// How many blocks may wait to be hashed.
const WAITING: usize = 16;

/// A range of this machine's file, with its hash.
struct HashedRange {
    offset: u64,
    length: u64,
    hash: HashValue,
}

/// Hashes the blocks that it is given, range by range, on a thread of its own.
pub(super) struct RangeHasher(mpsc::Sender<Bytes>);

/// The ranges that a [`RangeHasher`] has hashed.
pub(super) struct HashedRanges(mpsc::UnboundedReceiver<HashedRange>);

impl RangeHasher {
    /// Starts to hash a file from its first byte on. Its last range ends when this is dropped.
    pub fn start(kind: HashKind) -> (Self, HashedRanges) {
        let (blocks, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        // One entry for each range of the file: it needs no limit.
        let (hashed, ranges) = mpsc::unbounded_channel();
        spawn_blocking(move || {
            let (mut offset, mut length) = (0_u64, 0_u64);
            let mut digest = Digest::new(kind);
            while let Some(mut block) = waiting.blocking_recv() {
                while !block.is_empty() {
                    let missing = usize::try_from(RANGE - length).unwrap_or(usize::MAX);
                    let now = block.split_to(missing.min(block.len()));
                    digest.update(&now);
                    length += now.len() as u64;
                    if length == RANGE {
                        let hash = std::mem::replace(&mut digest, Digest::new(kind)).value();
                        if hashed.send(HashedRange { offset, length, hash }).is_err() {
                            // Nobody proves ranges any more.
                            return;
                        }
                        offset += length;
                        length = 0;
                    }
                }
            }
            if length > 0 {
                let hash = digest.value();
                // If nobody proves ranges any more, this one is not needed either.
                let _ = hashed.send(HashedRange { offset, length, hash });
            }
        });
        (Self(blocks), HashedRanges(ranges))
    }

    pub async fn feed(&self, block: Bytes) {
        // The thread only ends when this is dropped.
        drop(self.0.send(block).await);
    }
}

/// How far the server has acknowledged a file without a gap.
pub(super) struct AcknowledgedFront {
    front: ContiguousFront,
    report: watch::Sender<u64>,
}

impl AcknowledgedFront {
    /// A front at this offset. The receiver learns of its end when this is dropped.
    pub fn new(from: u64) -> (Self, watch::Receiver<u64>) {
        let (report, reports) = watch::channel(from);
        let mut front = ContiguousFront::default();
        front.add(0, from);
        (Self { front, report }, reports)
    }

    /// Adds a range that was acknowledged.
    pub fn add(&mut self, offset: u64, length: u32) {
        self.front.add(offset, offset.saturating_add(u64::from(length)));
        self.report.send_replace(self.front.whole);
    }
}

/// Proves the ranges of one file.
pub(super) struct RangeProver<'a> {
    attempt: Attempt<'a>,
    path: &'a [u8],
    /// A handle that is open for reading.
    handle: Handle,
    /// The hash that is compared.
    pub kind: HashKind,
}

impl<'a> RangeProver<'a> {
    /// Makes the prover of a file that is written from its first byte on. `None`: its ranges cannot be proven while it
    /// is sent, or it is too small for that.
    pub async fn begin(attempt: Attempt<'a>, path: &'a [u8], size: u64) -> Option<Self> {
        let kind = attempt.hash_kind();
        if size < 2 * RANGE || !hashing::offers(attempt.link, kind) {
            return None;
        }
        let opened = attempt.link.open_read(path).await.unless_refused();
        // If the connection is lost, sending the file says it.
        let Ok(Some(handle)) = opened else {
            return None;
        };
        Some(Self {
            attempt,
            path,
            handle,
            kind,
        })
    }

    /// Compares all ranges, each as soon as the server has acknowledged it. Returns whether all are equal; if not, the
    /// hash of the whole file decides.
    pub async fn run(self, mut ranges: HashedRanges, mut acknowledged: watch::Receiver<u64>) -> bool {
        let mut all_equal = true;
        while let Some(range) = ranges.0.recv().await {
            let HashedRange { offset, length, hash } = range;
            let end = offset.saturating_add(length);
            // The sender ends when nothing more will be acknowledged.
            all_equal = acknowledged.wait_for(|front| *front >= end).await.is_ok()
                && self.is_equal(Extent::Part { offset, length }, length, hash).await;
            if !all_equal {
                break;
            }
            self.attempt.progress.set_compared(end);
        }
        // Nothing was written through the handle, so the reply does not matter.
        self.attempt.link.forget_handle(&self.handle);
        all_equal
    }

    async fn is_equal(&self, extent: Extent, length: u64, here: HashValue) -> bool {
        let question = HashQuestion {
            path: self.path,
            handle: Some(&self.handle),
            extent,
            expected: Some(length),
            kind: self.kind,
        };
        let answer = hashing::hash(self.attempt.link, &question).await;
        matches!(answer, Ok(HashAnswer::Value(there, _)) if there == here)
    }
}
