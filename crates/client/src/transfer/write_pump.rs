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
use super::digest::Digest;
use super::error::TransferError;
use super::open_files::OpenFiles;
use super::progress_hub::Stage;
use super::range_prover::AcknowledgedFront;
use super::spread::window::Ranges;
use super::upload_proof::{BlockHashers, RunningProof, UploadProver};
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

/// Takes the replies to WRITEs. `arrived` gets what was acknowledged, and ends with the last of them, so that nobody
/// waits for a range that will not be.
async fn receive(
    attempt: Attempt<'_>,
    mut completions: mpsc::UnboundedReceiver<CompletedRequest>,
    permits: &Mutex<HashMap<u64, InFlightPermit>>,
    refused: &CancellationToken,
    mut arrived: impl FnMut(u64, u32),
) -> FirstRefusal {
    let mut refusal = FirstRefusal::default();
    while let Some(written) = completions.recv().await {
        let (offset, length) = (written.offset, written.length);
        permits.lock().remove(&offset);
        let result = check_written(attempt, written);
        if result.is_ok() {
            arrived(offset, length);
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

/// Blocks that have arrived at the server.
pub(super) struct SentBlocks {
    /// The offset where the last of them ended.
    pub end: u64,
    /// The digest of the file up to there, if it was asked for.
    pub digest: Option<Digest>,
}

/// Sends ranges of the file, with many WRITEs under way. `arrived` gets what the server has acknowledged, and is dropped
/// at the end.
pub(super) async fn send_blocks(
    attempt: Attempt<'_>,
    files: OpenFiles<'_>,
    mut ranges: Ranges<'_>,
    hashers: BlockHashers,
    arrived: impl FnMut(u64, u32),
) -> Result<SentBlocks, FailedWrite> {
    let pace = &attempt.context.pace;
    let (sender, completions) = mpsc::unbounded_channel();
    let permits = Mutex::new(HashMap::<u64, InFlightPermit>::new());
    let refused = CancellationToken::new();
    let sending = async {
        // Dropping the sender ends `completions` when the last reply has arrived.
        let (sender, hashers) = (sender, hashers);
        let mut at = 0;
        'ranges: while let Some(range) = ranges.next_unless(&refused).await {
            at = range.start;
            let mut blocks = read_ahead(attempt, files, &range);
            while let Some(some) = blocks.recv().await {
                for block in some {
                    let block = block.map_err(TransferError::local("read the file"))?;
                    if ranges.are_stopped() {
                        break 'ranges;
                    }
                    at = block.offset.saturating_add(u64::from(block.length));
                    let allowed = async {
                        let permit = attempt.link.channel.reserve(block.length).await;
                        pace.take(u64::from(block.length)).await;
                        permit
                    };
                    let permit = tokio::select! {
                        permit = allowed => permit,
                        () = refused.cancelled() => break 'ranges,
                    };
                    permits.lock().extend(permit.map(|permit| (block.offset, permit)));
                    let data = attempt.link.channel.write(block, &sender);
                    hashers.feed(data).await;
                }
            }
            if at < range.end {
                // The file has become shorter.
                ranges.stop();
            }
        }
        // The hashes of the ranges end here, and not with the last reply.
        Ok::<_, TransferError>((at, hashers.finish().await?))
    };
    let receiving = receive(attempt, completions, &permits, &refused, arrived);
    let (sent, refusal) = tokio::join!(sending, receiving);
    refusal.into_result()?;
    let (end, digest) = sent?;
    Ok(SentBlocks { end, digest })
}

/// Sends the range by one connection, and proves it meanwhile.
pub(super) async fn pump_up(
    attempt: Attempt<'_>,
    files: OpenFiles<'_>,
    range: Range<u64>,
    digest: Option<Digest>,
    prover: Option<UploadProver<'_>>,
) -> Result<SentRange, FailedWrite> {
    let (hashers, proof) = RunningProof::start(digest, prover);
    let is_proving = proof.is_there();
    let (mut front, acknowledged) = AcknowledgedFront::new(range.start);
    let arrived = move |offset, length| front.add(offset, length);
    let sending = async {
        let sent = send_blocks(attempt, files, Ranges::Own(Some(range)), hashers, arrived).await;
        if is_proving && sent.is_ok() {
            // Only the last ranges are still to be proven.
            let compared = attempt.progress.compared();
            attempt.progress.enter(Stage::Verifying);
            attempt.progress.set_compared(compared);
        }
        sent
    };
    let (sent, is_proven) = tokio::join!(sending, proof.run(acknowledged));
    let SentBlocks { end, digest } = sent?;
    Ok(SentRange {
        end,
        digest,
        is_proven,
    })
}
