//! Transfers the bytes of a large file with many requests under way.
//!
//! Failures: the server refuses a request (the others that are under way are awaited, and the refusal with the lowest
//! offset is reported), the connection is lost (every request reports that at once), replies come out of order or short
//! (each is known by its offset), or this machine's disk fails.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::digest::{BlockHasher, Digest, Follower};
use super::error::TransferError;
use super::file_sink::{FileSink, TruncateOnDrop};
use super::open_files::OpenFiles;
use crate::link::{
    Block, ByteRange, CompletedRequest, Completion, DataSink, InFlightPermit, Link, RemoteError, done,
};

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

/// The refusal of many WRITEs that counts: the first in the file, which is not always the first to arrive.
#[derive(Default)]
pub(super) struct FirstRefusal {
    /// The offset of the refused WRITE, and the reason.
    pub refused: Option<(u64, TransferError)>,
}

impl FirstRefusal {
    pub fn take(&mut self, offset: u64, written: Result<(), TransferError>) {
        if let Err(error) = written
            && self.refused.as_ref().is_none_or(|(first, _)| offset < *first)
        {
            self.refused = Some((offset, error));
        }
    }
}

impl Attempt<'_> {
    /// Checks how a WRITE ended, and counts its bytes.
    pub(super) fn written(&self, written: CompletedRequest) -> Result<(), TransferError> {
        match written.ended {
            Completion::ConnectionLost => Err(TransferError::ConnectionLost(self.link.lost())),
            Completion::Data(_) => Err(TransferError::Remote(
                "write to the file",
                RemoteError::UnexpectedReply("a status"),
            )),
            Completion::Reply(reply) => {
                done(reply).map_err(TransferError::remote("write to the file"))?;
                self.progress.add(u64::from(written.length));
                Ok(())
            }
        }
    }

    /// Sends the range. Returns where the file ended, and the digest of all of it.
    pub(super) async fn pump_up(
        &self,
        files: OpenFiles<'_>,
        range: Range<u64>,
        digest: Option<Digest>,
    ) -> Result<(u64, Option<Digest>), TransferError> {
        let (read, mut blocks) = mpsc::channel(READ_AHEAD);
        let reader = BlockReader {
            file: Arc::clone(files.local),
            handle: files.handle.to_vec(),
            at: range.start,
            end: range.end,
            room: self.link.limits.write,
        };
        tokio::task::spawn_blocking(move || reader.run(&read));
        let hasher = digest.map(BlockHasher::start);
        let (sender, mut completions) = mpsc::unbounded_channel();
        let permits = Mutex::new(HashMap::<u64, InFlightPermit>::new());
        let permits = || permits.lock();
        let refused = CancellationToken::new();

        let sending = async {
            // Dropping the sender ends `completions` when the last reply has arrived.
            let sender = sender;
            let mut at = range.start;
            while let Some(some) = blocks.recv().await {
                for block in some {
                    let block = block.map_err(TransferError::local("read the file"))?;
                    at = block.offset.saturating_add(u64::from(block.length));
                    let permit = tokio::select! {
                        permit = self.link.reserve(block.length) => permit,
                        () = refused.cancelled() => return Ok(at),
                    };
                    permits().extend(permit.map(|permit| (block.offset, permit)));
                    let data = self.link.write(block, &sender);
                    if let Some(hasher) = &hasher {
                        hasher.feed(data).await;
                    }
                }
            }
            Ok(at)
        };
        let receiving = async {
            let mut refusal = FirstRefusal::default();
            while let Some(written) = completions.recv().await {
                let offset = written.offset;
                permits().remove(&offset);
                refusal.take(offset, self.written(written));
                if refusal.refused.is_some() {
                    refused.cancel();
                }
            }
            refusal
        };
        let (sent, refusal) = tokio::join!(sending, receiving);
        self.cut_back(refusal).await?;
        let digest = match hasher {
            Some(hasher) => Some(
                hasher
                    .finish()
                    .await
                    .map_err(TransferError::local("hash the file"))?,
            ),
            None => None,
        };
        Ok((sent?, digest))
    }

    /// Downloads the range into the file, and the bytes behind it if the source has grown. Returns where the file ends.
    pub(super) async fn pump_down(
        &self,
        files: OpenFiles<'_>,
        range: Range<u64>,
        follower: Option<&Follower>,
    ) -> Result<u64, TransferError> {
        let sink = Arc::new(FileSink::new(Arc::clone(files.local), range.start));
        // This also closes the sink if the future is dropped before its end.
        let closing = TruncateOnDrop(Arc::clone(&sink));
        let (sender, mut completions) = mpsc::unbounded_channel();
        let mut schedule = ReadSchedule::new(range, self.link.limits.read);
        let sink_for_link: Arc<dyn DataSink> = Arc::clone(&sink) as _;
        loop {
            let wanted = schedule.next();
            if wanted.is_none() && schedule.under_way.is_empty() {
                break;
            }
            let completed = tokio::select! {
                biased;
                Some(completed) = completions.recv() => Some(completed),
                Some(permit) = reserve_next(&self.link, wanted), if wanted.is_some() => {
                    if let Some(wanted) = wanted {
                        schedule.asked(wanted, permit);
                        self.link.read(files.handle, wanted, &sink_for_link, &sender);
                    }
                    None
                }
            };
            if let Some(completed) = completed {
                let count = schedule.received(completed, &self.link)?;
                self.progress.add(count);
                if let Some(follower) = follower {
                    follower.reach(sink.whole());
                }
            }
            if sink.has_failed() {
                break;
            }
        }
        drop(closing);
        sink.outcome()
            .map_err(TransferError::local("write to the file"))?;
        Ok(sink.whole())
    }
}

async fn reserve_next(link: &Link, wanted: Option<ByteRange>) -> Option<InFlightPermit> {
    link.reserve(wanted?.length).await
}

/// The READs that are still to be sent.
struct ReadSchedule {
    next: u64,
    size: u64,
    block: u32,
    /// The ranges that are missing because replies were shorter than requested.
    again: VecDeque<ByteRange>,
    under_way: HashMap<u64, InFlightPermit>,
    /// Whether a READ behind the expected end is under way or was answered. Only its reply proves the end of the file.
    probed: bool,
    /// The end of the file as the server reported it.
    end: Option<u64>,
}

impl ReadSchedule {
    fn new(range: Range<u64>, block: u32) -> Self {
        Self {
            next: range.start,
            size: range.end,
            block,
            again: VecDeque::new(),
            under_way: HashMap::new(),
            probed: false,
            end: None,
        }
    }

    /// The next range to ask for.
    fn next(&self) -> Option<ByteRange> {
        if let Some(rest) = self.again.front() {
            return Some(*rest);
        }
        if self.end.is_some() {
            return None;
        }
        let length = match self.size.checked_sub(self.next) {
            Some(left @ 1..) => u32::try_from(left).unwrap_or(u32::MAX).min(self.block),
            _ if self.probed => return None,
            _ => self.block,
        };
        Some(ByteRange {
            offset: self.next,
            length,
        })
    }

    fn asked(&mut self, range: ByteRange, permit: InFlightPermit) {
        let ByteRange { offset, length } = range;
        if self.again.front() == Some(&range) {
            self.again.pop_front();
        } else if self.next >= self.size {
            self.probed = true;
        } else {
            self.next = offset.saturating_add(u64::from(length));
        }
        self.under_way.insert(offset, permit);
    }

    /// Takes a reply. Returns how many bytes came.
    fn received(&mut self, completed: CompletedRequest, link: &Link) -> Result<u64, TransferError> {
        self.under_way.remove(&completed.offset);
        let count = match completed.ended {
            Completion::ConnectionLost => return Err(TransferError::ConnectionLost(link.lost())),
            Completion::Data(count) => count,
            Completion::Reply(reply) => match RemoteError::from_reply(reply, "data") {
                failed if failed.is_end() => 0,
                failed => return Err(TransferError::Remote("read the file", failed)),
            },
        };
        let end = completed.offset.saturating_add(u64::from(count));
        if count == 0 {
            self.end = Some(self.end.map_or(completed.offset, |end| end.min(completed.offset)));
            return Ok(0);
        }
        if end > self.size {
            // The file has grown, so what lies behind is asked for as well.
            self.size = end;
            self.next = self.next.max(end);
            self.probed = false;
        } else if count < completed.length {
            self.again.push_back(ByteRange {
                offset: end,
                length: completed.length - count,
            });
        }
        Ok(u64::from(count))
    }
}
