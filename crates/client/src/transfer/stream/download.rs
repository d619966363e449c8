//! A file of the server to standard output, in order. After a break it goes on where it stopped.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sftp_wire::Attributes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{EndedStream, StreamedBytes, check_provable, prove};
use crate::link::DataSink;
use crate::plan::ExistingEntry;
use crate::transfer::attempt::Attempt;
use crate::transfer::breaks::ProgressAtBreak;
use crate::transfer::context::TransferContext;
use crate::transfer::decide::existing_entry;
use crate::transfer::digest::Digest;
use crate::transfer::error::TransferError;
use crate::transfer::job::Job;
use crate::transfer::outcome::Outcome;
use crate::transfer::progress_hub::{FileProgress, Stage};
use crate::transfer::read_pump::{ReadSchedule, reserve_next};
use crate::transfer::settings::Verify;

/// How far READs go ahead of what was written, in bytes: it bounds what is kept while the reader of the pipe is slow.
const WINDOW: u64 = 16 << 20;

/// One file that goes to a stream.
pub struct StreamDownload<'a> {
    context: &'a TransferContext,
    job: Job,
}

impl<'a> StreamDownload<'a> {
    /// A stream of the remote file of the job.
    pub fn new(context: &'a TransferContext, job: Job) -> Self {
        Self { context, job }
    }

    /// Writes the file to the output.
    ///
    /// # Errors
    /// When the server or the output fails, or no connection can be made any more.
    pub async fn run(self, output: Box<dyn Write + Send>) -> Result<Outcome, TransferError> {
        let context = self.context;
        let progress = context.hub.begin(&self.job);
        let result = tokio::select! {
            biased;
            () = context.stop.cancelled() => Err(TransferError::BrokenStream("stopped".to_owned())),
            result = self.fetch(output, &progress) => result,
        };
        context.hub.end(&self.job, &progress, &result);
        result
    }

    async fn fetch(
        &self,
        output: Box<dyn Write + Send>,
        progress: &FileProgress,
    ) -> Result<Outcome, TransferError> {
        let context = self.context;
        let link = context.link().await.map_err(TransferError::Disconnected)?;
        let first = Attempt {
            context,
            link: &link,
            progress,
            place: None,
        };
        let hashes = context.settings.verify != Verify::Never;
        let writer = StreamWriter::start(output, hashes.then(|| first.new_digest()));
        let mut at = 0;
        let mut breaks = context.breaks();
        let mut before: Option<Attributes> = None;
        let attrs = loop {
            let link = context.link().await.map_err(TransferError::Disconnected)?;
            let attempt = Attempt {
                context,
                link: &link,
                progress,
                place: None,
            };
            let fetched = self.fetch_from(attempt, &writer, &mut at, &mut before).await;
            if writer.has_failed() {
                let failed = writer.finish().await.map(|_| ());
                failed.map_err(TransferError::local("write to standard output"))?;
                return Err(TransferError::BrokenStream(
                    "standard output is closed".to_owned(),
                ));
            }
            match fetched {
                Err(TransferError::ConnectionLost(lost)) => {
                    progress.set_done(at);
                    let reached = ProgressAtBreak {
                        run: context.hub.done(),
                        file: at,
                    };
                    if !breaks.allow_another(reached) {
                        return Err(TransferError::BrokenStream(lost.to_string()));
                    }
                }
                fetched => break fetched?,
            }
        };
        let hash = writer.finish().await;
        let hash = hash.map_err(TransferError::local("write to standard output"))?;
        progress.set_total(at);
        let received = StreamedBytes {
            size: at,
            hash: hash.map(Digest::value),
        };
        let proof = prove(
            context,
            progress,
            &self.job,
            EndedStream::Received(received, &attrs),
        )
        .await?;
        let resumed_from = 0;
        Ok(Outcome::Sent { resumed_from, proof })
    }

    /// Fetches the file from `at` on, and moves `at` as far as bytes are passed on. Returns its attributes.
    async fn fetch_from(
        &self,
        attempt: Attempt<'_>,
        writer: &StreamWriter,
        at: &mut u64,
        before: &mut Option<Attributes>,
    ) -> Result<Attributes, TransferError> {
        let (context, link) = (attempt.context, attempt.link);
        attempt.progress.enter(Stage::Deciding);
        check_provable(attempt, &self.job).await?;
        let attrs = link.stat(&self.job.remote).await;
        let attrs = attrs.map_err(TransferError::remote("look at the file"))?;
        let ExistingEntry::File(size) = existing_entry(Some(attrs)) else {
            return Err(TransferError::NotAFile);
        };
        let first = *before.get_or_insert(attrs);
        if *at > 0 && (first.size, first.times) != (attrs.size, attrs.times) {
            return Err(TransferError::BrokenStream(format!(
                "the file changed on the server while the connection was lost; {at} bytes of the old one were written"
            )));
        }
        attempt.progress.set_total(size);
        let handle = link.open_read(&self.job.remote).await;
        let handle = handle.map_err(TransferError::remote("open the file"))?;
        attempt.progress.enter(Stage::Sending);
        let sink = Arc::new(OrderedSink::new(*at, writer.chunks.clone()));
        let pumped = pump(
            attempt,
            &handle,
            ReadSchedule::new(*at..size, context.pace.block(link.channel.limits.read)),
            &sink,
            writer,
        );
        let pumped = pumped.await;
        *at = sink.front();
        link.forget_handle(&handle);
        pumped?;
        match *at < size {
            true => Err(TransferError::Changed(format!(
                "the server said that the file has {size} bytes, but it ended after {at}"
            ))),
            false => Ok(attrs),
        }
    }
}

async fn pump(
    attempt: Attempt<'_>,
    handle: &[u8],
    mut schedule: ReadSchedule,
    sink: &Arc<OrderedSink>,
    writer: &StreamWriter,
) -> Result<(), TransferError> {
    let (sender, mut completions) = mpsc::unbounded_channel();
    let sink_for_link: Arc<dyn DataSink> = Arc::clone(sink) as _;
    let mut written = writer.written.clone();
    loop {
        let wanted = schedule.next();
        if wanted.is_none() && schedule.is_idle() {
            return Ok(());
        }
        let reach = written.borrow_and_update().saturating_add(WINDOW);
        let may_ask = wanted.is_some_and(|range| range.offset < reach);
        tokio::select! {
            biased;
            Some(completed) = completions.recv() => {
                let count = schedule.received(completed, attempt)?;
                attempt.progress.add(u64::from(count));
            }
            changed = written.changed() => {
                if changed.is_err() {
                    // The output has failed; `finish` says why.
                    return Ok(());
                }
            }
            Some(permit) = reserve_next(attempt, wanted), if may_ask => {
                if let Some(wanted) = wanted {
                    schedule.asked(wanted, permit);
                    attempt.link.channel.read(handle, wanted, &sink_for_link, &sender);
                }
            }
        }
    }
}

/// Passes the bytes of READs on in the order of the file, whatever the order in which they arrive.
struct OrderedSink {
    state: Mutex<OrderedState>,
    chunks: mpsc::UnboundedSender<Bytes>,
}

struct OrderedState {
    /// The offset up to which all bytes were passed on.
    front: u64,
    /// The bytes behind a gap, by their offsets. [`WINDOW`] bounds them.
    ahead: BTreeMap<u64, Bytes>,
}

impl OrderedSink {
    fn new(front: u64, chunks: mpsc::UnboundedSender<Bytes>) -> Self {
        let ahead = BTreeMap::new();
        Self {
            state: Mutex::new(OrderedState { front, ahead }),
            chunks,
        }
    }

    fn front(&self) -> u64 {
        self.state.lock().front
    }
}

impl DataSink for OrderedSink {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        let mut state = self.state.lock();
        let OrderedState { front, ahead } = &mut *state;
        ahead.insert(offset, Bytes::copy_from_slice(bytes));
        while let Some(next) = ahead.first_entry()
            && *next.key() <= *front
        {
            let (begin, chunk) = next.remove_entry();
            // A server that sends bytes twice changes nothing of what was passed on.
            let known = usize::try_from(*front - begin).unwrap_or(usize::MAX);
            let fresh = chunk.slice(known.min(chunk.len())..);
            *front = front.saturating_add(fresh.len() as u64);
            // If the output has failed, nobody needs the bytes.
            let _ = self.chunks.send(fresh);
        }
    }
}

/// Writes chunks to the output on a thread of its own, and hashes them.
struct StreamWriter {
    chunks: mpsc::UnboundedSender<Bytes>,
    /// How many bytes were written. It is closed when the output has failed.
    written: watch::Receiver<u64>,
    task: JoinHandle<io::Result<Option<Digest>>>,
}

impl StreamWriter {
    /// Starts to write. `digest` is that of nothing so far, if the bytes are to be hashed.
    fn start(mut output: Box<dyn Write + Send>, mut digest: Option<Digest>) -> Self {
        let (chunks, mut waiting) = mpsc::unbounded_channel::<Bytes>();
        let (sender, written) = watch::channel(0_u64);
        let task = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = waiting.blocking_recv() {
                output.write_all(&chunk)?;
                if let Some(digest) = &mut digest {
                    digest.update(&chunk);
                }
                sender.send_modify(|count| *count = count.saturating_add(chunk.len() as u64));
            }
            output.flush()?;
            Ok(digest)
        });
        Self {
            chunks,
            written,
            task,
        }
    }

    /// Whether the output takes no more bytes.
    fn has_failed(&self) -> bool {
        self.written.has_changed().is_err()
    }

    /// Waits until all is written, and returns the digest if it was asked for.
    async fn finish(self) -> io::Result<Option<Digest>> {
        drop(self.chunks);
        self.task.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_passed_on_in_order() {
        let (chunks, mut passed) = mpsc::unbounded_channel();
        let sink = OrderedSink::new(2, chunks);
        for (offset, bytes) in [(6, "gh"), (4, "ef"), (2, "cd"), (2, "cd"), (8, "i"), (7, "hij")] {
            sink.bytes(offset, bytes.as_bytes());
        }
        let mut text = Vec::new();
        while let Ok(chunk) = passed.try_recv() {
            text.extend_from_slice(&chunk);
        }
        assert_eq!((&text[..], sink.front()), (&b"cdefghij"[..], 10));
    }
}
