//! Fetches one large file over several connections. The rest, and what the file has grown by meanwhile, is fetched by the
//! connection of the attempt alone.

use std::ops::Range;
use std::sync::Arc;

use sftp_wire::Attributes;

use super::window::SharedRanges;
use super::{HelperCount, HelperFailure, SMALLEST, join_all, worst};
use crate::link::{Answered as _, ConnectionLost, Link};
use crate::transfer::attempt::Attempt;
use crate::transfer::error::TransferError;
use crate::transfer::file_sink::{FileSink, TruncateOnDrop};
use crate::transfer::hashers::Follower;
use crate::transfer::open_files::OpenFiles;
use crate::transfer::ranges_mark;
use crate::transfer::read_pump::{RangeFetch, ReadSchedule, pump_down};

/// The download of one file by one attempt, with helpers if it is large.
pub(in crate::transfer) struct SpreadDownload<'a> {
    pub attempt: Attempt<'a>,
    /// The path of the file on the server.
    pub path: &'a [u8],
    pub files: OpenFiles<'a>,
    /// Hashes the file, as far as it is contiguous.
    pub follower: Option<&'a Follower>,
}

/// One round of a download.
struct DownloadRound<'a> {
    sink: Arc<FileSink>,
    ranges: SharedRanges,
    /// The attributes of the file that is fetched.
    before: &'a Attributes,
}

impl SpreadDownload<'_> {
    /// Downloads the range, and the bytes behind it if the source has grown. Returns where the file ends.
    pub async fn run(&self, range: Range<u64>) -> Result<u64, TransferError> {
        let Range { start: mut at, end } = range;
        let mut helpers = HelperCount::of(self.attempt.context.settings.parallel);
        if end.saturating_sub(at) >= SMALLEST
            && helpers.for_bytes(end.saturating_sub(at)) > 0
            && let Some(before) = self.attributes().await?
        {
            ranges_mark::mark(self.files.local);
            loop {
                let count = helpers.for_bytes(end.saturating_sub(at));
                if count == 0 {
                    break;
                }
                let sink = Arc::new(FileSink::new(Arc::clone(self.files.local), at));
                let round = DownloadRound {
                    sink: Arc::clone(&sink),
                    ranges: SharedRanges::new(at..end),
                    before: &before,
                };
                let failure = self.round(&round, count).await?;
                let front = sink.whole();
                let Some(failure) = failure else {
                    at = front;
                    break;
                };
                helpers.broke(failure, front > at);
                at = front;
                // What lies beyond was cut off.
                self.attempt.progress.set_done(at);
            }
            ranges_mark::unmark(self.files.local);
        }
        pump_down(self.attempt, self.files, at..end, self.follower).await
    }

    /// The attributes of the open file. `None`: the server does not tell them, so nothing shows that others open the same
    /// file.
    async fn attributes(&self) -> Result<Option<Attributes>, TransferError> {
        let attributes = self.attempt.link.fstat(self.files.handle).await;
        Ok(attributes.unless_refused()?)
    }

    /// Fetches what is left with so many helpers. Returns how one of them has failed, if one has.
    async fn round(
        &self,
        round: &DownloadRound<'_>,
        helpers: usize,
    ) -> Result<Option<HelperFailure>, TransferError> {
        // This also closes the sink if the future is dropped before its end.
        let closing = TruncateOnDrop(Arc::clone(&round.sink));
        let own = self.share(self.attempt, self.files.handle, round);
        let helping = join_all((0..helpers).map(|_| self.help(round)).collect());
        let (own, failures) = tokio::join!(own, helping);
        drop(closing);
        round
            .sink
            .outcome()
            .map_err(TransferError::local("write to the file"))?;
        if own.is_err() {
            // What lies beyond was cut off.
            self.attempt.progress.set_done(round.sink.whole());
        }
        own?;
        Ok(worst(failures))
    }

    /// Fetches ranges by one connection, until nothing is left or a connection has failed.
    async fn share(
        &self,
        attempt: Attempt<'_>,
        handle: &[u8],
        round: &DownloadRound<'_>,
    ) -> Result<(), TransferError> {
        let fetch = RangeFetch {
            attempt,
            handle,
            sink: &round.sink,
            follower: self.follower,
        };
        let schedule = ReadSchedule::empty(fetch.block());
        let fetched = fetch.run(schedule, Some(&round.ranges)).await;
        if fetched.is_err() || round.sink.has_failed() {
            round.ranges.stop();
        }
        fetched
    }

    /// Helps with another connection, once there is one. Returns how it has failed, if it has.
    async fn help(&self, round: &DownloadRound<'_>) -> Option<HelperFailure> {
        let lease = tokio::select! {
            lease = self.attempt.context.connections.take_spare() => lease?,
            () = round.ranges.exhausted() => return None,
        };
        let attempt = Attempt {
            link: &lease.link,
            ..self.attempt
        };
        // A helper that cannot open the file has fetched nothing, so nothing has to be done again.
        let opened = lease.link.open_read(self.path).await.unless_refused();
        let Ok(Some(handle)) = opened else {
            return None;
        };
        let helped = match is_same(&lease.link, &handle, round.before).await {
            Ok(true) => self.share(attempt, &handle, round).await,
            // It has fetched nothing either.
            Ok(false) | Err(ConnectionLost(_)) => Ok(()),
        };
        // Nothing was written through the handle, so the reply does not matter.
        lease.link.forget_handle(&handle);
        match helped {
            Ok(()) => None,
            Err(TransferError::ConnectionLost(_)) => Some(HelperFailure::Lost),
            Err(_) => Some(HelperFailure::Refused),
        }
    }
}

/// Whether the open file is the one that is fetched, as far as its attributes show it.
async fn is_same(link: &Link, handle: &[u8], before: &Attributes) -> Result<bool, ConnectionLost> {
    let seen = |attributes: &Attributes| {
        let modified = attributes.times.map(|times| times.modified);
        (attributes.size, modified)
    };
    let attributes = link.fstat(handle).await.unless_refused()?;
    Ok(attributes.is_some_and(|attributes| seen(&attributes) == seen(before)))
}
