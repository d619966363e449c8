//! Sends one large file over several connections, under its temporary name. Its hashes are computed in the order of the
//! file, as far as the server has acknowledged it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::mark::Mark;
use super::window::{Ranges, SharedRanges, UncutFront};
use super::{HelperCount, HelperFailure, SMALLEST, join_all, worst};
use crate::link::{Answered as _, Link, RemoteError};
use crate::transfer::attempt::Attempt;
use crate::transfer::context::TransferContext;
use crate::transfer::cut::with_size;
use crate::transfer::digest::Digest;
use crate::transfer::error::TransferError;
use crate::transfer::open_files::OpenFiles;
use crate::transfer::upload_proof::{BlockHashers, RunningProof, UploadProver};
use crate::transfer::write_pump::{FailedWrite, SentRange, read_full, send_blocks};

/// The size of one read of this machine's file for its hashes, in bytes.
const HASHED: usize = 256 << 10;

/// Whether an upload of so many bytes is spread.
pub(in crate::transfer) fn is_spread(context: &TransferContext, bytes: u64) -> bool {
    bytes >= SMALLEST && HelperCount::of(context.connections_of_upload()).for_bytes(bytes) > 0
}

/// The upload of one file by one attempt, with helpers.
pub(in crate::transfer) struct SpreadUpload<'a> {
    pub attempt: Attempt<'a>,
    /// The path of the file on the server.
    pub path: &'a [u8],
    pub files: OpenFiles<'a>,
    /// Gets the front, unless everything arrives.
    pub uncut: &'a UncutFront,
}

/// What a helper sees under the name of the file.
enum HelperView {
    /// The file of the first connection. The range was handed out to the helper already, if there is one.
    SameFile(Option<Range<u64>>),
    /// Another file.
    OtherFile,
    /// A file that cannot be compared. A range was handed out that does not arrive.
    Unknown,
    /// All ranges were handed out before it has looked.
    NothingLeft,
}

impl HelperView {
    fn of(is_found: bool, first: Option<Range<u64>>) -> Self {
        match is_found {
            true => Self::SameFile(first),
            false => Self::OtherFile,
        }
    }
}

/// Remembers the front when it is dropped, unless everything has arrived: the upload may be stopped at any time.
struct FrontOnDrop<'a> {
    ranges: &'a SharedRanges,
    uncut: &'a UncutFront,
    is_whole: bool,
}

impl Drop for FrontOnDrop<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.uncut.set(self.ranges.front());
        }
    }
}

impl SpreadUpload<'_> {
    /// Sends the range, and proves it meanwhile.
    pub async fn run(
        &self,
        range: Range<u64>,
        digest: Option<Digest>,
        prover: Option<UploadProver<'_>>,
    ) -> Result<SentRange, FailedWrite> {
        let shared = SharedRanges::new(range.clone());
        let mut front = FrontOnDrop {
            ranges: &shared,
            uncut: self.uncut,
            is_whole: false,
        };
        let (hashers, proof) = RunningProof::start(digest, prover);
        let ended = CancellationToken::new();
        let sending = async {
            let sent = self.rounds(&shared, range.end).await;
            ended.cancel();
            sent
        };
        let hashing = self.hash(range.start, &shared, hashers, &ended);
        let proving = proof.run(shared.fronts());
        let (sent, digest, is_proven) = tokio::join!(sending, hashing, proving);
        if sent.is_err() {
            // What lies beyond will be cut off.
            self.attempt.progress.set_done(shared.front());
        }
        let end = sent?;
        front.is_whole = end == range.end;
        let digest = digest?;
        Ok(SentRange {
            end,
            digest,
            is_proven,
        })
    }

    /// Sends round after round, until everything has arrived. Returns where the file ended.
    async fn rounds(&self, shared: &SharedRanges, end: u64) -> Result<u64, FailedWrite> {
        let mut helpers = HelperCount::of(self.attempt.context.connections_of_upload());
        loop {
            let begin = shared.front();
            let count = helpers.for_bytes(end.saturating_sub(begin));
            let (mark, written) = (Mark::at(shared.late_offset()), watch::Sender::new(None));
            // It is sent before all data of this round.
            let marking = (count > 0).then(|| mark.write(self.attempt.link, self.files.handle));
            let marking = async {
                let is_there = match marking {
                    Some(marking) => marking.await.is_ok(),
                    None => false,
                };
                written.send_replace(Some(is_there));
            };
            let ranges = Ranges::Shared {
                first: None,
                ranges: shared,
            };
            let own = self.share(self.attempt, self.files, ranges, shared);
            let help = |_| self.help(shared, &mark, written.subscribe());
            let helping = join_all((0..count).map(help).collect());
            let (own, failures, ()) = tokio::join!(own, helping, marking);
            let front = shared.front();
            if let Err(failed) = own {
                return Err(FailedWrite {
                    // Whatever was refused, the file is whole up to the front.
                    refused_at: failed.refused_at.map(|_| front),
                    error: failed.error,
                });
            }
            let Some(failure) = worst(failures) else {
                return Ok(front);
            };
            helpers.broke(failure, front > begin);
            self.cut(front).await?;
            self.attempt.progress.set_done(front);
            shared.restart();
        }
    }

    /// Cuts the file to its front, so that its size says no more than its bytes.
    async fn cut(&self, front: u64) -> Result<(), TransferError> {
        let attrs = with_size(front);
        let cut = self.attempt.link.set_handle(self.files.handle, &attrs).await;
        // A server that does not do this gets the bytes beyond once more, and its file is whole in the end.
        cut.unless_refused()?;
        Ok(())
    }

    /// Sends ranges by one connection, until nothing is left or a connection has failed.
    async fn share(
        &self,
        attempt: Attempt<'_>,
        files: OpenFiles<'_>,
        ranges: Ranges<'_>,
        shared: &SharedRanges,
    ) -> Result<(), FailedWrite> {
        let hashers = BlockHashers::default();
        let arrived = |offset, length| shared.arrived(offset, length);
        let sent = send_blocks(attempt, files, ranges, hashers, arrived).await;
        if sent.is_err() {
            shared.stop();
        }
        sent.map(|_| ())
    }

    /// Helps with another connection, once there is one. Returns how it has failed, if it has.
    async fn help(
        &self,
        shared: &SharedRanges,
        mark: &Mark,
        written: watch::Receiver<Option<bool>>,
    ) -> Option<HelperFailure> {
        let lease = tokio::select! {
            lease = self.attempt.context.connections.take_spare() => lease?,
            () = shared.exhausted() => return None,
        };
        let attempt = Attempt {
            link: &lease.link,
            ..self.attempt
        };
        // A helper that cannot open the file has sent nothing, so nothing has to be done again.
        let opened = lease.link.open_existing(self.path).await.unless_refused();
        let Ok(Some(handle)) = opened else {
            return None;
        };
        let files = OpenFiles {
            handle: &handle,
            ..self.files
        };
        let seen = match self.finds_early(&lease.link, shared, mark, written).await {
            Ok(None) => self.finds_late(&lease.link, shared).await,
            Ok(Some(is_found)) => Ok(HelperView::of(is_found, None)),
            Err(failed) => Err(failed),
        };
        let helped = match seen {
            Ok(HelperView::SameFile(first)) => {
                let ranges = Ranges::Shared {
                    first,
                    ranges: shared,
                };
                let shared = self.share(attempt, files, ranges, shared).await;
                shared.map_err(|failed| failed.error)
            }
            Ok(HelperView::NothingLeft) => Ok(()),
            Ok(HelperView::Unknown) => {
                shared.stop();
                lease.link.forget_handle(&handle);
                return Some(HelperFailure::Refused);
            }
            Ok(HelperView::OtherFile) => {
                self.attempt.context.upload_by_one_connection();
                shared.stop();
                lease.link.forget_handle(&handle);
                return Some(HelperFailure::Refused);
            }
            Err(failed) => Err(TransferError::remote("compare the file")(failed)),
        };
        let closed = lease.link.close_handle(&handle).await;
        let is_lost = match (helped, closed) {
            (Ok(()), Ok(())) => return None,
            (Err(error), _) => matches!(error, TransferError::ConnectionLost(_)),
            (Ok(()), Err(failed)) => matches!(failed, RemoteError::ConnectionLost(_)),
        };
        shared.stop();
        Some(match is_lost {
            true => HelperFailure::Lost,
            false => HelperFailure::Refused,
        })
    }

    /// Whether a helper finds the mark of this round under the name of the file. `None`: it is overwritten already, or
    /// could not be written.
    async fn finds_early(
        &self,
        helper: &Arc<Link>,
        shared: &SharedRanges,
        mark: &Mark,
        mut written: watch::Receiver<Option<bool>>,
    ) -> Result<Option<bool>, RemoteError> {
        let is_there = match written.wait_for(Option::is_some).await {
            Ok(written) => *written == Some(true),
            Err(_) => false,
        };
        if !is_there {
            return Ok(None);
        }
        let is_found = mark.is_in(helper, self.path).await?;
        Ok(match is_found {
            false if shared.has_handed_out(mark.offset) => None,
            found => Some(found),
        })
    }

    /// Looks for a mark where the helper is to begin, under the name of the file. It waits for what the first connection
    /// has under way. The helper overwrites the mark.
    async fn finds_late(&self, helper: &Arc<Link>, shared: &SharedRanges) -> Result<HelperView, RemoteError> {
        let Some(first) = shared.next().await else {
            return Ok(HelperView::NothingLeft);
        };
        if first.end.saturating_sub(first.start) < u64::from(Mark::LENGTH) {
            // The mark would lie behind the end of the file.
            return Ok(HelperView::Unknown);
        }
        let mark = Mark::at(first.start);
        mark.write(self.attempt.link, self.files.handle).await?;
        let is_found = mark.is_in(helper, self.path).await?;
        Ok(HelperView::of(is_found, Some(first)))
    }

    /// Hashes this machine's file up to the front, until sending has ended.
    async fn hash(
        &self,
        from: u64,
        shared: &SharedRanges,
        hashers: BlockHashers,
        ended: &CancellationToken,
    ) -> Result<Option<Digest>, TransferError> {
        if hashers.whole.is_none() && hashers.ranges.is_none() {
            return Ok(None);
        }
        let mut fronts = shared.fronts();
        let mut at = from;
        loop {
            let has_ended = ended.is_cancelled();
            let front = *fronts.borrow_and_update();
            if at < front {
                let wanted = usize::try_from(front - at).unwrap_or(HASHED).min(HASHED);
                let block = read_block(Arc::clone(self.files.local), at, wanted).await?;
                if block.is_empty() {
                    // The file has become shorter, which is noticed at the end.
                    break;
                }
                at = at.saturating_add(block.len() as u64);
                hashers.feed(block).await;
            } else if has_ended {
                break;
            } else {
                tokio::select! {
                    _ = fronts.changed() => {}
                    () = ended.cancelled() => {}
                }
            }
        }
        hashers.finish().await
    }
}

/// Reads bytes of this machine's file, which were read a moment ago to be sent.
async fn read_block(file: Arc<std::fs::File>, at: u64, length: usize) -> Result<Bytes, TransferError> {
    let reading = spawn_blocking(move || {
        let mut block = vec![0; length];
        let count = read_full(&file, &mut block, at)?;
        block.truncate(count as usize);
        Ok::<_, std::io::Error>(Bytes::from(block))
    });
    let read = reading
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(TransferError::local("read the file"))
}
