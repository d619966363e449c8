//! Fetches the bytes of a file with many READs under way.
//!
//! Failures: the server refuses a READ, the connection is lost (every READ reports that at once), replies come out of
//! order or short (each is known by its offset), or this machine's disk fails.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::attempt::Attempt;
use super::error::TransferError;
use super::file_sink::{FileSink, TruncateOnDrop};
use super::hashers::Follower;
use super::open_files::OpenFiles;
use super::progress_hub::FileProgress;
use super::spread::window::SharedRanges;
use crate::link::{ByteRange, CompletedRequest, Completion, DataSink, InFlightPermit, RemoteError};

/// How many replies are taken from behind the size that the server said. A file may be longer than that, but one that
/// grows faster than it is fetched would never end.
const MAX_BEYOND: u32 = 1000;

/// Downloads the range into the file, and the bytes behind it if the source has grown. Returns where the file ends.
pub(super) async fn pump_down(
    attempt: Attempt<'_>,
    files: OpenFiles<'_>,
    range: Range<u64>,
    follower: Option<&Follower>,
) -> Result<u64, TransferError> {
    let sink = Arc::new(FileSink::new(Arc::clone(files.local), range.start));
    // This also closes the sink if the future is dropped before its end.
    let closing = TruncateOnDrop(Arc::clone(&sink));
    let fetch = RangeFetch {
        attempt,
        handle: files.handle,
        sink: &sink,
        follower,
    };
    let schedule = ReadSchedule::new(range, fetch.block());
    fetch.run(schedule, None).await?;
    drop(closing);
    sink.outcome()
        .map_err(TransferError::local("write to the file"))?;
    Ok(sink.whole())
}

/// One connection that fetches ranges of a file.
#[derive(Clone, Copy)]
pub(super) struct RangeFetch<'a> {
    pub attempt: Attempt<'a>,
    /// The handle of the file on the server.
    pub handle: &'a [u8],
    /// The local file, which takes the bytes.
    pub sink: &'a Arc<FileSink>,
    /// Hashes the file, as far as it is contiguous.
    pub follower: Option<&'a Follower>,
}

impl RangeFetch<'_> {
    /// The size of a READ, in bytes.
    pub fn block(&self) -> u32 {
        let largest = self.attempt.link.channel.limits.read;
        self.attempt.context.pace.block(largest)
    }

    /// Fetches what the schedule says, and then the ranges that are shared with other connections. If this machine's
    /// disk fails, it stops, and the sink knows why.
    pub async fn run(
        &self,
        mut schedule: ReadSchedule,
        shared: Option<&SharedRanges>,
    ) -> Result<(), TransferError> {
        let attempt = self.attempt;
        let counting = ProgressOfSink {
            progress: attempt.progress,
            sink: self.sink,
        };
        let (sender, mut completions) = mpsc::unbounded_channel();
        let sink: Arc<dyn DataSink> = Arc::clone(self.sink) as _;
        let mut more = shared.is_some();
        // It keeps its place among those that wait while replies come.
        let mut asking = None;
        while !self.sink.has_failed() {
            if shared.is_some_and(SharedRanges::is_stopped) {
                schedule.stop();
            }
            let wanted = schedule.next();
            if wanted.is_none() && !more && schedule.is_idle() {
                break;
            }
            match wanted {
                Some(_) if asking.is_none() => asking = Some(Box::pin(reserve_next(attempt, wanted))),
                Some(_) => {}
                None => asking = None,
            }
            let completed = tokio::select! {
                biased;
                Some(completed) = completions.recv() => completed,
                range = next_shared(shared), if wanted.is_none() && more => {
                    match range {
                        Some(range) => schedule.extend(range),
                        None => more = false,
                    }
                    continue;
                }
                permit = ended(&mut asking), if asking.is_some() => {
                    asking = None;
                    let permit = permit.ok_or_else(|| attempt.lost())?;
                    if let Some(wanted) = wanted {
                        schedule.asked(wanted, permit);
                        attempt.link.channel.read(self.handle, wanted, &sink, &sender);
                    }
                    continue;
                }
            };
            let offset = completed.offset;
            let count = schedule.received(completed, attempt)?;
            counting.count();
            if let Some(follower) = self.follower {
                follower.reach(self.sink.whole());
            }
            match shared {
                // The file has become shorter.
                Some(shared) if count == 0 => shared.stop(),
                Some(shared) => shared.arrived(offset, count),
                None => {}
            }
        }
        Ok(())
    }
}

/// Counts the bytes that a sink writes as progress. When it is dropped, it counts those of replies that never became
/// whole, too.
struct ProgressOfSink<'a> {
    progress: &'a FileProgress,
    sink: &'a FileSink,
}

impl ProgressOfSink<'_> {
    fn count(&self) {
        match self.sink.take_written() {
            0 => {}
            bytes => self.progress.add(bytes),
        }
    }
}

impl Drop for ProgressOfSink<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

async fn next_shared(shared: Option<&SharedRanges>) -> Option<Range<u64>> {
    shared?.next().await
}

/// The output of a future. Without one, this waits for ever.
async fn ended<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Waits until the next READ may be sent, and counts its bytes.
pub(super) async fn reserve_next(attempt: Attempt<'_>, wanted: Option<ByteRange>) -> Option<InFlightPermit> {
    let length = wanted?.length;
    let permit = attempt.link.channel.reserve(length).await;
    attempt.context.pace.take(u64::from(length)).await;
    permit
}

/// The READs that are still to be sent.
pub(super) struct ReadSchedule {
    next: u64,
    size: u64,
    block: u32,
    /// The ranges that are missing because replies were shorter than requested.
    again: VecDeque<ByteRange>,
    under_way: HashMap<u64, InFlightPermit>,
    /// How many replies came from behind the size that was known.
    beyond: u32,
    /// Whether a READ behind the expected end is under way or was answered. Only its reply proves the end of the file.
    probed: bool,
    /// The end of the file as the server reported it.
    end: Option<u64>,
}

impl ReadSchedule {
    pub fn new(range: Range<u64>, block: u32) -> Self {
        Self {
            next: range.start,
            size: range.end,
            block,
            again: VecDeque::new(),
            under_way: HashMap::new(),
            beyond: 0,
            probed: false,
            end: None,
        }
    }

    /// A schedule without a range, for ranges that follow. What lies behind the last of them is not asked for.
    pub fn empty(block: u32) -> Self {
        Self {
            probed: true,
            ..Self::new(0..0, block)
        }
    }

    /// Adds the next range, which lies behind all others, once nothing is left to be sent.
    pub fn extend(&mut self, range: Range<u64>) {
        (self.next, self.size) = (range.start, range.end);
    }

    /// Ends the schedule: no further READ is sent.
    pub fn stop(&mut self) {
        self.again.clear();
        (self.next, self.probed) = (self.size, true);
    }

    /// Whether no READ is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next range to ask for.
    pub fn next(&self) -> Option<ByteRange> {
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

    pub fn asked(&mut self, range: ByteRange, permit: InFlightPermit) {
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
    pub fn received(
        &mut self,
        completed: CompletedRequest,
        attempt: Attempt<'_>,
    ) -> Result<u32, TransferError> {
        self.under_way.remove(&completed.offset);
        let count = match completed.ended {
            Completion::ConnectionLost => return Err(attempt.lost()),
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
            self.beyond += 1;
            if self.beyond > MAX_BEYOND {
                self.end = Some(end);
            }
        } else if count < completed.length {
            self.again.push_back(ByteRange {
                offset: end,
                length: completed.length - count,
            });
        }
        Ok(count)
    }
}
