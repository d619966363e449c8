//! Uploads one file. It is written at its target from the first byte on: if the connection breaks, the target has the
//! beginning, which the next run verifies and completes.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{Attributes, Request};

use super::attempt::{Attempt, FileState};
use super::decide::{ComparedFiles, TransferAction, decide, existing_entry};
use super::digest::Digest;
use super::error::TransferError;
use super::job::{Job, SMALL_BYTES, endings};
use super::open_files::OpenFiles;
use super::outcome::Outcome;
use super::progress_hub::Stage;
use super::prover::Prover;
use super::range_prover::RangeProver;
use super::write_pump::{FailedWrite, FirstRefusal, check_written, pump_up, read_full};
use crate::link::{Block, HashValue, done};
use crate::local_attributes::local_attributes;
use base::visible::printable;

/// An open file of this machine, with its state at that time.
struct SourceFile {
    file: Arc<File>,
    meta: Metadata,
}

impl SourceFile {
    fn open(job: &Job) -> Result<Self, TransferError> {
        let file = File::options()
            .read(true)
            // Opening a FIFO would wait for a writer.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&job.local)
            .map_err(TransferError::local("open the file"))?;
        let meta = file
            .metadata()
            .map_err(TransferError::local("look at the file"))?;
        if !meta.is_file() {
            return Err(TransferError::NotAFile);
        }
        Ok(Self {
            file: Arc::new(file),
            meta,
        })
    }

    /// Checks that the file did not change while `sent` bytes of it were sent.
    fn check(&self, sent: u64) -> Result<(), TransferError> {
        let now = self
            .file
            .metadata()
            .map_err(TransferError::local("look at the file"))?;
        let size = self.meta.len();
        let changed =
            |what: String, hint: &str| Err(TransferError::Changed(format!("{what} (hint: {hint})")));
        let again = "run the same command again";
        let anew =
            "run the same command again with --overwrite: the file has changed since its beginning was sent";
        match now.len() {
            len if len < size => changed(
                format!("the file became shorter while it was sent: it has {len} of {size} bytes"),
                anew,
            ),
            len if len > size => changed(
                format!("the file grew while it was sent: {sent} of {len} bytes"),
                again,
            ),
            _ if sent < size => changed(format!("the file ended after {sent} of {size} bytes"), again),
            _ if now.mtime() != self.meta.mtime() || now.mtime_nsec() != self.meta.mtime_nsec() => {
                changed("the file was changed while it was sent".to_owned(), anew)
            }
            _ => Ok(()),
        }
    }
}

/// One attempt at an upload.
pub(super) struct Upload<'a> {
    attempt: Attempt<'a>,
    file: &'a mut FileState,
}

impl<'a> Upload<'a> {
    pub(super) fn new(attempt: Attempt<'a>, file: &'a mut FileState) -> Self {
        Self { attempt, file }
    }

    pub(super) async fn run(mut self) -> Result<Outcome, TransferError> {
        self.attempt.progress.enter(Stage::Deciding);
        self.prover().check_possible().await?;
        let source = SourceFile::open(&self.file.job)?;
        let size = source.meta.len();
        self.attempt.progress.set_total(size);
        let destination = match self.file.job.destination {
            Some(destination) if !self.file.begun_by_this_run => destination,
            _ => existing_entry(
                self.attempt
                    .link
                    .look(&self.file.job.remote)
                    .await
                    .map_err(TransferError::remote("look at the file"))?,
            ),
        };
        let ends = ComparedFiles {
            size,
            destination,
            local: Some(&source.file),
        };
        match decide(self.attempt, self.file, ends).await? {
            // All bytes had arrived when the connection broke.
            TransferAction::Same(proof) if self.file.begun_by_this_run => {
                self.keep_times(&source).await?;
                let resumed_from = size;
                Ok(Outcome::Sent { resumed_from, proof })
            }
            TransferAction::Same(proof) => {
                self.keep_times(&source).await?;
                Ok(Outcome::Same(proof))
            }
            TransferAction::Skip => Ok(Outcome::Skipped),
            TransferAction::Transfer { from, head } => self.send(&source, from, head).await,
            TransferAction::Rename => {
                self.rename_remote().await?;
                self.send(&source, 0, self.attempt.new_digest()).await
            }
        }
    }

    fn prover(&self) -> Prover<'_> {
        Prover::new(self.attempt, self.file)
    }

    /// Gives the file another name from now on, also on the next connection.
    async fn rename_remote(&mut self) -> Result<(), TransferError> {
        for ending in endings() {
            let renamed = self.file.job.renamed(&ending);
            let there = self.attempt.link.look(&renamed.remote).await;
            let there = there.map_err(TransferError::remote("look for a free name"))?;
            if there.is_none() && self.attempt.context.claim(renamed.target()) {
                let message = format!("{}: sent as {}", self.file.job.name(), printable(&renamed.remote));
                self.attempt.context.hub.warn(&message);
                self.file.job = renamed;
                return Ok(());
            }
        }
        Err(TransferError::NoName)
    }

    async fn send(&mut self, source: &SourceFile, from: u64, head: Digest) -> Result<Outcome, TransferError> {
        let mode = local_attributes(&source.meta).permissions;
        let opened = self
            .attempt
            .link
            .open_write(&self.file.job.remote, from == 0, mode)
            .await;
        let handle = opened.map_err(TransferError::remote("open the file"))?;
        self.file.begun_by_this_run = true;
        self.attempt.progress.set_done(from);
        self.attempt.progress.enter(Stage::Sending);
        let size = source.meta.len();
        let small = size - from.min(size) < SMALL_BYTES;
        let digest = if small {
            self.send_at_once(source, &handle, from, head).await?
        } else {
            let digest = self.prover().is_wanted().then_some(head);
            let files = OpenFiles {
                local: &source.file,
                handle: &handle,
            };
            // A resumed file is proven as a whole: its beginning is from another run.
            let ranges = match &digest {
                Some(_) if from == 0 => RangeProver::begin(self.attempt, &self.file.job.remote, size).await,
                _ => None,
            };
            let sent = match pump_up(self.attempt, files, from..size, digest, ranges).await {
                Ok(sent) => sent,
                Err(failed) => {
                    let error = self.cut_back(failed).await;
                    // The bytes that have arrived are kept, and the reply does not matter.
                    self.attempt.link.forget_handle(&handle);
                    return Err(error);
                }
            };
            self.finish(source, &handle).await?;
            source.check(sent.end)?;
            if sent.is_proven
                && let Some(digest) = sent.digest
            {
                let proof = self.prover().verify_ranges(digest.value(), size).await?;
                let resumed_from = from;
                return Ok(Outcome::Sent { resumed_from, proof });
            }
            sent.digest.map(Digest::value)
        };
        let proof = self.prover().verify_stored(digest, size).await?;
        Ok(Outcome::Sent {
            resumed_from: from,
            proof,
        })
    }

    /// The times and permissions to set, if they are to be kept.
    fn kept(&self, source: &SourceFile) -> Option<Attributes> {
        self.attempt.context.settings.preserve.then(|| {
            let attrs = local_attributes(&source.meta);
            if attrs.times.is_none() {
                let job = self.file.job.name();
                let warning = "its time is not kept: SFTP has only times from 1970 to 2106";
                self.attempt.context.hub.warn(&format!("{job}: {warning}"));
            }
            attrs
        })
    }

    /// Sets times and permissions of a file that exists already.
    async fn keep_times(&self, source: &SourceFile) -> Result<(), TransferError> {
        if let Some(attrs) = self.kept(source) {
            let set = self.attempt.link.set(&self.file.job.remote, &attrs).await;
            set.map_err(TransferError::remote("keep times and permissions"))?;
        }
        Ok(())
    }

    /// Cuts the server's file back after a refused WRITE, and returns the error. Later WRITEs may have succeeded; the
    /// rest must be a beginning of the file, without a hole that the next run would take for the file's own bytes.
    async fn cut_back(&self, failed: FailedWrite) -> TransferError {
        let attrs = Attributes {
            size: failed.refused_at,
            ..Attributes::default()
        };
        if failed.refused_at.is_some()
            && matches!(failed.error, TransferError::Remote(..))
            && let Err(uncut) = self.attempt.link.set(&self.file.job.remote, &attrs).await
        {
            let job = self.file.job.name();
            let warning = format!("{job}: the part that has arrived may have holes: {uncut}");
            self.attempt.context.hub.warn(&warning);
        }
        failed.error
    }

    async fn finish(&self, source: &SourceFile, handle: &Bytes) -> Result<(), TransferError> {
        if let Some(attrs) = self.kept(source) {
            let set = self.attempt.link.set_handle(handle, &attrs).await;
            set.map_err(TransferError::remote("keep times and permissions"))?;
        }
        self.attempt
            .link
            .close_handle(handle)
            .await
            .map_err(TransferError::remote("close the file"))
    }

    /// Sends a small file with all its requests together, so that it does not cost a round trip for each of them.
    async fn send_at_once(
        &self,
        source: &SourceFile,
        handle: &Bytes,
        from: u64,
        mut head: Digest,
    ) -> Result<Option<HashValue>, TransferError> {
        let size = source.meta.len();
        let mut blocks = Vec::new();
        let mut at = from;
        while at < size {
            let room = u32::try_from(size - at)
                .unwrap_or(u32::MAX)
                .min(self.attempt.link.channel.limits.write);
            let mut block = Block::new(handle, at, room);
            let count =
                read_full(&source.file, block.data(), at).map_err(TransferError::local("read the file"))?;
            block.cut(count);
            head.update(block.data());
            if count == 0 {
                break;
            }
            at = at.saturating_add(u64::from(count));
            blocks.push(block);
        }
        let (sender, mut completions) = tokio::sync::mpsc::unbounded_channel();
        for block in blocks {
            self.attempt.link.channel.write(block, &sender);
        }
        drop(sender);
        let set = self.kept(source).map(|attrs| {
            self.attempt
                .link
                .channel
                .begin(&Request::Fsetstat { handle, attrs })
        });
        let closed = self.attempt.link.channel.begin(&Request::Close { handle });
        let mut refusal = FirstRefusal::default();
        while let Some(written) = completions.recv().await {
            let offset = written.offset;
            refusal.take(offset, check_written(self.attempt, written));
        }
        if let Err(failed) = refusal.into_result() {
            return Err(self.cut_back(failed).await);
        }
        let lost = |_| self.attempt.lost();
        if let Some(set) = set {
            done(set.await.map_err(lost)?).map_err(TransferError::remote("keep times and permissions"))?;
        }
        done(closed.await.map_err(lost)?).map_err(TransferError::remote("close the file"))?;
        source.check(at)?;
        Ok(self.prover().is_wanted().then(|| head.value()))
    }
}
