//! Standard input to a file of the server. A file that is replaced stays until the new one is whole and verified, if
//! the server can rename over it.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sftp_wire::{Attributes, Extension};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{EndedStream, StreamedBytes, check_provable, prove};
use crate::link::{Block, Handle, InFlightPermit, Link};
use crate::plan::{Conflict, ExistingEntry, Policy};
use crate::transfer::attempt::Attempt;
use crate::transfer::breaks::ProgressAtBreak;
use crate::transfer::context::TransferContext;
use crate::transfer::decide::existing_entry;
use crate::transfer::error::TransferError;
use crate::transfer::hashers::BlockHasher;
use crate::transfer::job::{Job, endings};
use crate::transfer::outcome::Outcome;
use crate::transfer::progress_hub::{FileProgress, Stage};
use crate::transfer::remote_work::RemoteWork;
use crate::transfer::settings::Verify;
use crate::transfer::temporary_names::temporary_name;
use crate::transfer::write_pump::{FirstRefusal, check_written};
use base::visible::printable;

/// How many blocks are read before they are sent.
const READ_AHEAD: usize = 4;
/// The longest time that removing an incomplete file may take.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// One stream that goes to the server.
pub struct StreamUpload<'a> {
    context: &'a TransferContext,
    job: Job,
    /// The file that grows, once it was opened. It is removed if the stream fails.
    growing: Option<Vec<u8>>,
    /// Whether it was decided that the file that is there is replaced.
    overwrite_agreed: bool,
}

/// A file of the server that is open for the stream.
struct OpenedTarget {
    link: Arc<Link>,
    handle: Handle,
    path: Vec<u8>,
    /// Whether the path is a temporary name, under which the file grows until it is whole.
    is_temporary: bool,
    /// The mode of the file that is replaced.
    mode: Option<u32>,
}

impl<'a> StreamUpload<'a> {
    /// A stream to the remote file of the job.
    pub fn new(context: &'a TransferContext, job: Job) -> Self {
        Self {
            context,
            job,
            growing: None,
            overwrite_agreed: false,
        }
    }

    /// Sends the input until it ends.
    ///
    /// # Errors
    /// When the input or the server fails, or the connection is lost. Nothing of the stream stays then, if possible.
    pub async fn run(mut self, input: Box<dyn Read + Send>) -> Result<Outcome, TransferError> {
        let context = self.context;
        let progress = context.hub.begin(&self.job);
        let result = tokio::select! {
            biased;
            () = context.stop.cancelled() => Err(TransferError::BrokenStream("stopped".to_owned())),
            result = self.send(input, &progress) => result,
        };
        let result = match (result, self.growing.take()) {
            (Err(error), Some(path)) => Err(self.give_up(error, &path).await),
            (result, _) => result,
        };
        context.hub.end(&self.job, &progress, &result);
        result
    }

    async fn send(
        &mut self,
        input: Box<dyn Read + Send>,
        progress: &FileProgress,
    ) -> Result<Outcome, TransferError> {
        let context = self.context;
        progress.enter(Stage::Deciding);
        let Some(opened) = self.open_repeatedly(progress).await? else {
            return Ok(Outcome::Skipped);
        };
        let attempt = Attempt {
            context,
            link: &opened.link,
            progress,
            place: None,
        };
        progress.enter(Stage::Sending);
        let sent = pump(attempt, &opened.handle, input).await?;
        let closed = opened.link.close_handle(&opened.handle).await;
        closed.map_err(TransferError::remote("close the file"))?;
        progress.set_total(sent.size);
        let job = Job {
            remote: opened.path.clone(),
            ..self.job.clone()
        };
        let proof = prove(context, progress, &job, EndedStream::Stored(sent)).await?;
        if opened.is_temporary {
            self.publish(&opened.path, opened.mode).await?;
        }
        self.growing = None;
        let resumed_from = 0;
        Ok(Outcome::Sent { resumed_from, proof })
    }

    /// Decides, and opens the file, on as many connections as it takes: nothing of the input was read yet. `None`: what
    /// is there stays.
    async fn open_repeatedly(
        &mut self,
        progress: &FileProgress,
    ) -> Result<Option<OpenedTarget>, TransferError> {
        let context = self.context;
        let hub = &context.hub;
        let mut breaks = context.breaks();
        loop {
            let opened = self.open(progress).await;
            let reached = ProgressAtBreak {
                run: hub.done(),
                file: 0,
            };
            let is_lost = matches!(opened, Err(TransferError::ConnectionLost(_)));
            if !is_lost || !breaks.allow_another(reached) {
                return opened;
            }
        }
    }

    async fn open(&mut self, progress: &FileProgress) -> Result<Option<OpenedTarget>, TransferError> {
        let context = self.context;
        let link = context.link().await.map_err(TransferError::Disconnected)?;
        let attempt = Attempt {
            context,
            link: &link,
            progress,
            place: None,
        };
        check_provable(attempt, &self.job).await?;
        let there = link.look(&self.job.remote).await;
        let there = there.map_err(TransferError::remote("look at the file"))?;
        let replaces = match existing_entry(there) {
            ExistingEntry::Nothing | ExistingEntry::File(0) => false,
            ExistingEntry::Directory => {
                let shown = printable(&self.job.remote);
                return Err(TransferError::BrokenStream(format!(
                    "\"{shown}\" is a directory (hint: name the file that standard input is stored in)"
                )));
            }
            ExistingEntry::File(_) => match self.decide(&link, Conflict::Exists).await? {
                Some(replaces) => replaces,
                None => return Ok(None),
            },
            ExistingEntry::Other => match self.decide(&link, Conflict::Other).await? {
                Some(false) => false,
                Some(true) => return Err(TransferError::InTheWay(Conflict::Other)),
                None => return Ok(None),
            },
        };
        let target = self.job.remote.clone();
        let is_temporary = replaces && link.channel.offers(Extension::PosixRename);
        let path = match is_temporary {
            true => temporary_name(&target),
            false => target,
        };
        let mode = there.and_then(|attrs| attrs.permissions).filter(|_| replaces);
        let opened = link
            .open_write(&path, true, mode.map(|mode| mode & 0o777 | 0o600))
            .await;
        let handle = opened.map_err(TransferError::remote("open the file"))?;
        self.growing = Some(path.clone());
        Ok(Some(OpenedTarget {
            link,
            handle,
            path,
            is_temporary,
            mode,
        }))
    }

    /// Whether the file that is there is replaced, or another name was taken. `None`: it is to be skipped.
    async fn decide(&mut self, link: &Link, conflict: Conflict) -> Result<Option<bool>, TransferError> {
        if self.overwrite_agreed {
            return Ok(Some(true));
        }
        match self.context.resolve_conflict(link, &self.job, conflict).await? {
            Policy::Skip => Ok(None),
            Policy::Rename => {
                self.rename(link).await?;
                Ok(Some(false))
            }
            Policy::Overwrite => {
                self.overwrite_agreed = true;
                Ok(Some(true))
            }
            Policy::Ask => Err(TransferError::Conflict(conflict)),
        }
    }

    async fn rename(&mut self, link: &Link) -> Result<(), TransferError> {
        for ending in endings() {
            let renamed = self.job.renamed(&ending);
            let there = link.look(&renamed.remote).await;
            if there
                .map_err(TransferError::remote("look for a free name"))?
                .is_none()
            {
                let message = format!("{}: sent as {}", self.job.name(), printable(&renamed.remote));
                self.context.hub.warn(&message);
                self.job = renamed;
                return Ok(());
            }
        }
        Err(TransferError::NoName)
    }

    /// Gives the whole file its name, with the mode of the one that it replaces.
    async fn publish(&mut self, temporary: &[u8], mode: Option<u32>) -> Result<(), TransferError> {
        let attrs = Attributes {
            permissions: mode.map(|mode| mode & 0o7777),
            ..Attributes::default()
        };
        if mode.is_some()
            && let Err(refused) = RemoteWork::Set(temporary, &attrs).run(self.context).await
        {
            let name = self.job.name();
            let warning =
                format!("{name}: it does not keep the permissions of the file that it replaces: {refused}");
            self.context.hub.warn(&warning);
        }
        let renaming = RemoteWork::Rename(temporary, &self.job.remote);
        let renamed = renaming.run(self.context).await;
        if let Err(refused) = renamed {
            // All bytes have arrived: they stay under the other name.
            self.growing = None;
            let shown = printable(temporary);
            return Err(TransferError::BrokenStream(format!(
                "it is whole as \"{shown}\", but cannot be renamed: {refused}"
            )));
        }
        Ok(())
    }

    /// Removes what has arrived, since nobody can send the rest, and returns the error to report.
    async fn give_up(&self, error: TransferError, path: &[u8]) -> TransferError {
        let removed = match self.context.remote.link_now() {
            Some(link) => tokio::time::timeout(CLEAN_UP, link.remove(path)).await,
            None => Ok(Err(crate::link::ConnectionLost("it is gone".into()).into())),
        };
        let rest = match removed {
            Ok(Ok(())) => "what had arrived was removed".to_owned(),
            _ => format!("a part of it stays on the server as \"{}\"", printable(path)),
        };
        match error {
            differs @ (TransferError::Differs { .. } | TransferError::OtherSize { .. }) => differs,
            error => TransferError::BrokenStream(format!("{error}; {rest}")),
        }
    }
}

/// Sends blocks of the input until it ends. Returns what was sent, with its hash if it is wanted.
async fn pump(
    attempt: Attempt<'_>,
    handle: &[u8],
    input: Box<dyn Read + Send>,
) -> Result<StreamedBytes, TransferError> {
    let (channel, pace) = (&attempt.link.channel, &attempt.context.pace);
    let (filled, mut blocks) = mpsc::channel(READ_AHEAD);
    let reader = StreamReader {
        input,
        handle: handle.to_vec(),
        room: pace.block(channel.limits.write),
    };
    // It may wait for input for ever; the end of the program does not wait for it.
    tokio::task::spawn_blocking(move || reader.run(&filled));
    let wanted = attempt.context.settings.verify != Verify::Never;
    let hasher = wanted.then(|| BlockHasher::start(attempt.new_digest()));
    let (sender, mut completions) = mpsc::unbounded_channel();
    let permits = Mutex::new(HashMap::<u64, InFlightPermit>::new());
    let refused = CancellationToken::new();
    let sending = async {
        // Dropping the sender ends `completions` when the last reply has arrived.
        let sender = sender;
        let mut end = 0;
        loop {
            let block: Option<io::Result<Block>> = tokio::select! {
                block = blocks.recv() => block,
                () = refused.cancelled() => None,
            };
            let Some(block) = block else {
                return Ok::<u64, TransferError>(end);
            };
            let block = block.map_err(TransferError::local("read standard input"))?;
            end = block.offset.saturating_add(u64::from(block.length));
            let permit = tokio::select! {
                permit = async {
                    let permit = channel.reserve(block.length).await;
                    pace.take(u64::from(block.length)).await;
                    permit
                } => permit,
                () = refused.cancelled() => return Ok(end),
            };
            permits.lock().extend(permit.map(|permit| (block.offset, permit)));
            let data = channel.write(block, &sender);
            if let Some(hasher) = &hasher {
                hasher.feed(data).await;
            }
        }
    };
    let receiving = async {
        let mut refusal = FirstRefusal::default();
        while let Some(written) = completions.recv().await {
            let offset = written.offset;
            permits.lock().remove(&offset);
            refusal.take(offset, check_written(attempt, written));
            if refusal.is_there() {
                refused.cancel();
            }
        }
        refusal
    };
    let (sent, refusal) = tokio::join!(sending, receiving);
    refusal.into_result().map_err(|failed| failed.error)?;
    let hash = match hasher {
        Some(hasher) => {
            let digest = hasher.finish().await;
            Some(digest.map_err(TransferError::local("hash the stream"))?.value())
        }
        None => None,
    };
    Ok(StreamedBytes { size: sent?, hash })
}

/// Reads the input in blocks of the size that the server takes.
struct StreamReader {
    input: Box<dyn Read + Send>,
    handle: Vec<u8>,
    /// The size of a block, in bytes.
    room: u32,
}

impl StreamReader {
    /// Reads blocks until the input ends, or the receiver is dropped.
    fn run(mut self, blocks: &mpsc::Sender<io::Result<Block>>) {
        let mut at = 0_u64;
        loop {
            let mut block = Block::new(&self.handle, at, self.room);
            let (count, error) = fill(&mut *self.input, block.data());
            block.cut(count);
            at = at.saturating_add(u64::from(count));
            if count > 0 && blocks.blocking_send(Ok(block)).is_err() {
                return;
            }
            if let Some(error) = error {
                // If nobody waits for it, the transfer has failed already.
                let _ = blocks.blocking_send(Err(error));
                return;
            }
            if count == 0 {
                return;
            }
        }
    }
}

/// Reads until the buffer is full or the input ends. Returns how many bytes came, and the error if there was one.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> (u32, Option<io::Error>) {
    let mut filled = 0;
    let mut failed = None;
    while let Some(room) = buffer.get_mut(filled..)
        && !room.is_empty()
    {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    (u32::try_from(filled).unwrap_or(u32::MAX), failed)
}
