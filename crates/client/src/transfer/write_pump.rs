//! Sends the bytes of a file with many WRITEs under way.
//!
//! Failures: the server refuses a WRITE (the others that are under way are awaited, and the refusal with the lowest
//! offset is reported), the connection is lost (every WRITE reports that at once), or this machine's disk fails.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::digest::{BlockHasher, Digest};
use super::error::TransferError;
use super::open_files::OpenFiles;
use super::progress_hub::Stage;
use super::range_prover::{AcknowledgedFront, RangeHasher, RangeProver};
use crate::link::{Block, CompletedRequest, Completion, InFlightPermit, RemoteError, done};

/// How many blocks are read before the sender is woken: waking it costs as much as reading one.
const AT_ONCE: usize = 4;
/// The number of such batches that are read before they are sent.
const READ_AHEAD: usize = 2;

/// Reads until the buffer is full or the file ends. Returns the number of bytes.
pub(super) fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<u32> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..)
        && !room.is_empty()
    {
        match file.read_at(room, at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(u32::try_from(filled).unwrap_or(u32::MAX))
}

/// A file that is read block by block, until `end` or its own end.
struct BlockReader {
    file: Arc<File>,
    handle: Vec<u8>,
    at: u64,
    end: u64,
    /// The size of a block, in bytes.
    room: u32,
}

impl BlockReader {
    fn next(&mut self) -> Option<io::Result<Block>> {
        let room = u32::try_from(self.end.saturating_sub(self.at)).unwrap_or(u32::MAX);
        let room = room.min(self.room);
        if room == 0 {
            return None;
        }
        let mut block = Block::new(&self.handle, self.at, room);
        let read = read_full(&self.file, block.data(), self.at);
        let count = *read.as_ref().unwrap_or(&0);
        block.cut(count);
        self.at = self.at.saturating_add(u64::from(count));
        if count < room {
            // The file has ended or cannot be read: there is no next block.
            self.end = self.at;
        }
        match read {
            Ok(0) => None,
            read => Some(read.map(|_| block)),
        }
    }

    /// Reads blocks until the receiver is dropped.
    fn run(mut self, blocks: &mpsc::Sender<Vec<io::Result<Block>>>) {
        loop {
            let some: Vec<_> = std::iter::from_fn(|| self.next()).take(AT_ONCE).collect();
            if some.is_empty() || blocks.blocking_send(some).is_err() {
                return;
            }
        }
    }
}

/// A range that has arrived at the server.
pub(super) struct SentRange {
    /// The offset where it ended, because this machine's file ended there at the latest.
    pub end: u64,
    /// The digest of the file up to there, if it was asked for.
    pub digest: Option<Digest>,
    /// Whether all its ranges were proven while it was sent.
    pub is_proven: bool,
}

/// Why a range was not sent.
pub(super) struct FailedWrite {
    /// The offset of the first WRITE that was refused. `None`: none was.
    pub refused_at: Option<u64>,
    /// The reason why the range was not sent.
    pub error: TransferError,
}

impl From<TransferError> for FailedWrite {
    fn from(error: TransferError) -> Self {
        Self {
            refused_at: None,
            error,
        }
    }
}

/// The refusal of many WRITEs that counts: the first in the file, which is not always the first to arrive.
#[derive(Default)]
pub(super) struct FirstRefusal {
    /// The offset of the refused WRITE, and the reason.
    refused: Option<(u64, TransferError)>,
}

impl FirstRefusal {
    pub fn take(&mut self, offset: u64, written: Result<(), TransferError>) {
        if let Err(error) = written
            && self.refused.as_ref().is_none_or(|(first, _)| offset < *first)
        {
            self.refused = Some((offset, error));
        }
    }

    pub fn is_there(&self) -> bool {
        self.refused.is_some()
    }

    pub fn into_result(self) -> Result<(), FailedWrite> {
        match self.refused {
            None => Ok(()),
            Some((offset, error)) => Err(FailedWrite {
                refused_at: Some(offset),
                error,
            }),
        }
    }
}

/// Checks how a WRITE ended, and counts its bytes.
pub(super) fn check_written(attempt: Attempt<'_>, written: CompletedRequest) -> Result<(), TransferError> {
    match written.ended {
        Completion::ConnectionLost => Err(attempt.lost()),
        Completion::Data(_) => Err(TransferError::Remote(
            "write to the file",
            RemoteError::UnexpectedReply("a status"),
        )),
        Completion::Reply(reply) => {
            done(reply).map_err(TransferError::remote("write to the file"))?;
            attempt.progress.add(u64::from(written.length));
            Ok(())
        }
    }
}

/// Takes the replies to WRITEs. `front` ends with the last of them, so that nobody waits for a range that will not be
/// acknowledged.
async fn receive(
    attempt: Attempt<'_>,
    mut completions: mpsc::UnboundedReceiver<CompletedRequest>,
    permits: &Mutex<HashMap<u64, InFlightPermit>>,
    refused: &CancellationToken,
    mut front: AcknowledgedFront,
) -> FirstRefusal {
    let mut refusal = FirstRefusal::default();
    while let Some(written) = completions.recv().await {
        let (offset, length) = (written.offset, written.length);
        permits.lock().remove(&offset);
        let result = check_written(attempt, written);
        if result.is_ok() {
            front.add(offset, length);
        }
        refusal.take(offset, result);
        if refusal.is_there() {
            refused.cancel();
        }
    }
    refusal
}

/// Starts to read the range on a thread of its own, in the blocks that are sent.
fn read_ahead(
    attempt: Attempt<'_>,
    files: OpenFiles<'_>,
    range: &Range<u64>,
) -> mpsc::Receiver<Vec<io::Result<Block>>> {
    let (read, blocks) = mpsc::channel(READ_AHEAD);
    let reader = BlockReader {
        file: Arc::clone(files.local),
        handle: files.handle.to_vec(),
        at: range.start,
        end: range.end,
        room: attempt.context.pace.block(attempt.link.channel.limits.write),
    };
    tokio::task::spawn_blocking(move || reader.run(&read));
    blocks
}

/// Sends the range, with many WRITEs under way.
pub(super) async fn pump_up(
    attempt: Attempt<'_>,
    files: OpenFiles<'_>,
    range: Range<u64>,
    digest: Option<Digest>,
    ranges: Option<RangeProver<'_>>,
) -> Result<SentRange, FailedWrite> {
    let pace = &attempt.context.pace;
    let mut blocks = read_ahead(attempt, files, &range);
    let hasher = digest.map(BlockHasher::start);
    let (range_hasher, hashed_ranges) = ranges
        .as_ref()
        .map(|ranges| RangeHasher::start(ranges.kind))
        .unzip();
    let (front, acknowledged) = AcknowledgedFront::new(range.start);
    let (sender, completions) = mpsc::unbounded_channel();
    let permits = Mutex::new(HashMap::<u64, InFlightPermit>::new());
    let refused = CancellationToken::new();

    let sending = async {
        // Dropping the sender ends `completions` when the last reply has arrived.
        let (sender, range_hasher) = (sender, range_hasher);
        let mut at = range.start;
        while let Some(some) = blocks.recv().await {
            for block in some {
                let block = block.map_err(TransferError::local("read the file"))?;
                at = block.offset.saturating_add(u64::from(block.length));
                let allowed = async {
                    pace.ready().await;
                    attempt.link.channel.reserve(block.length).await
                };
                let permit = tokio::select! {
                    permit = allowed => permit,
                    () = refused.cancelled() => return Ok(at),
                };
                pace.take(u64::from(block.length));
                permits.lock().extend(permit.map(|permit| (block.offset, permit)));
                let data = attempt.link.channel.write(block, &sender);
                if let Some(range_hasher) = &range_hasher {
                    range_hasher.feed(data.clone()).await;
                }
                if let Some(hasher) = &hasher {
                    hasher.feed(data).await;
                }
            }
        }
        Ok::<_, TransferError>(at)
    };
    let is_proving = ranges.is_some();
    let receiving = async {
        let refusal = receive(attempt, completions, &permits, &refused, front).await;
        if is_proving && !refusal.is_there() {
            // Only the last ranges are still to be proven.
            let compared = attempt.progress.compared();
            attempt.progress.enter(Stage::Verifying);
            attempt.progress.set_compared(compared);
        }
        refusal
    };
    let proving = async {
        match (ranges, hashed_ranges) {
            (Some(ranges), Some(hashed)) => ranges.run(hashed, acknowledged).await,
            _ => false,
        }
    };
    let (sent, refusal, is_proven) = tokio::join!(sending, receiving, proving);
    refusal.into_result()?;
    let digest = match hasher {
        Some(hasher) => Some(hasher.finish().await),
        None => None,
    };
    let digest = digest
        .transpose()
        .map_err(TransferError::local("hash the file"))?;
    Ok(SentRange {
        end: sent?,
        digest,
        is_proven,
    })
}
