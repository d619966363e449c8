//! Uploads one file. It is written at its target from the first byte on: if the connection breaks, the target has the
//! beginning, which the next run verifies and completes.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{Attributes, Request};

use super::attempt::Attempt;
use super::decide::{ComparedFiles, TransferAction, existing_entry};
use super::digest::Digest;
use super::error::TransferError;
use super::job::{Job, SMALL_BYTES, endings};
use super::open_files::OpenFiles;
use super::outcome::Outcome;
use super::progress_hub::Stage;
use super::pump::FirstRefusal;
use crate::link::Block;
use crate::link::Md5;
use crate::link::done;
use crate::local_attributes::local_attributes;
use base::visible::printable;

/// The advice when the server has other bytes than those that were sent.
const HINT: &str = "what was stored differs from what was sent; run the same command again with --overwrite";

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

impl Attempt<'_> {
    pub(super) async fn upload(mut self) -> Result<Outcome, TransferError> {
        self.progress.enter(Stage::Deciding);
        self.can_prove().await?;
        let source = SourceFile::open(self.job)?;
        let size = source.meta.len();
        self.progress.set_total(size);
        let destination = match self.job.destination {
            Some(destination) if !*self.begun_by_this_run => destination,
            _ => existing_entry(
                self.link
                    .look(&self.job.remote)
                    .await
                    .map_err(TransferError::remote("look at the file"))?,
            ),
        };
        let ends = ComparedFiles {
            size,
            destination,
            local: Some(&source.file),
        };
        match self.decide(ends).await? {
            // All bytes had arrived when the connection broke.
            TransferAction::Same(proof) if *self.begun_by_this_run => {
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
                self.send(&source, 0, Digest::default()).await
            }
        }
    }

    /// Gives the file another name from now on, also on the next connection.
    async fn rename_remote(&mut self) -> Result<(), TransferError> {
        for ending in endings() {
            let renamed = self.job.renamed(&ending);
            let there = self.link.look(&renamed.remote).await;
            let there = there.map_err(TransferError::remote("look for a free name"))?;
            if there.is_none() && self.context.claim(renamed.target()) {
                let message = format!("{}: sent as {}", self.job.name(), printable(&renamed.remote));
                self.context.hub.warn(&message);
                *self.job = renamed;
                return Ok(());
            }
        }
        Err(TransferError::NoName)
    }

    async fn send(self, source: &SourceFile, from: u64, head: Digest) -> Result<Outcome, TransferError> {
        let mode = local_attributes(&source.meta).permissions;
        let opened = self.link.open_write(&self.job.remote, from == 0, mode).await;
        let handle = opened.map_err(TransferError::remote("open the file"))?;
        *self.begun_by_this_run = true;
        self.progress.set_done(from);
        self.progress.enter(Stage::Sending);
        let size = source.meta.len();
        let small = size - from.min(size) < SMALL_BYTES;
        let digest = if small {
            self.send_at_once(source, &handle, from, head).await?
        } else {
            let digest = self.proves().then_some(head);
            let files = OpenFiles {
                local: &source.file,
                handle: &handle,
            };
            let sent = self.pump_up(files, from..size, digest).await;
            if sent.is_err() {
                // The bytes that have arrived are kept, and the reply does not matter.
                drop(self.link.begin(&Request::Close { handle: &handle }));
            }
            let (end, digest) = sent?;
            self.finish(source, &handle).await?;
            source.check(end)?;
            digest.map(Digest::value)
        };
        let proof = self.verify(digest, None, HINT).await?;
        Ok(Outcome::Sent {
            resumed_from: from,
            proof,
        })
    }

    /// The times and permissions to set, if they are to be kept.
    fn kept(&self, source: &SourceFile) -> Option<Attributes> {
        self.context.settings.preserve.then(|| {
            let attrs = local_attributes(&source.meta);
            if attrs.times.is_none() {
                let job = self.job.name();
                let warning = "its time is not kept: SFTP has only times from 1970 to 2106";
                self.context.hub.warn(&format!("{job}: {warning}"));
            }
            attrs
        })
    }

    /// Sets times and permissions of a file that exists already.
    async fn keep_times(&self, source: &SourceFile) -> Result<(), TransferError> {
        if let Some(attrs) = self.kept(source) {
            let set = self.link.set(&self.job.remote, &attrs).await;
            set.map_err(TransferError::remote("keep times and permissions"))?;
        }
        Ok(())
    }

    /// Cuts the server's file back after a refused WRITE. Later WRITEs may have succeeded; the rest must be a beginning
    /// of the file, without a hole that the next run would take for the file's own bytes.
    pub(super) async fn cut_back(&self, refusal: FirstRefusal) -> Result<(), TransferError> {
        let Some((offset, error)) = refusal.refused else {
            return Ok(());
        };
        let attrs = Attributes {
            size: Some(offset),
            ..Attributes::default()
        };
        if matches!(error, TransferError::Remote(..))
            && let Err(failed) = self.link.set(&self.job.remote, &attrs).await
        {
            let job = self.job.name();
            self.context.hub.warn(&format!(
                "{job}: the part that has arrived may have holes: {failed}"
            ));
        }
        Err(error)
    }

    async fn finish(&self, source: &SourceFile, handle: &Bytes) -> Result<(), TransferError> {
        if let Some(attrs) = self.kept(source) {
            let set = self.link.set_handle(handle, &attrs).await;
            set.map_err(TransferError::remote("keep times and permissions"))?;
        }
        self.link
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
    ) -> Result<Option<Md5>, TransferError> {
        let size = source.meta.len();
        let mut blocks = Vec::new();
        let mut at = from;
        while at < size {
            let room = u32::try_from(size - at)
                .unwrap_or(u32::MAX)
                .min(self.link.limits.write);
            let mut block = Block::new(handle, at, room);
            let count = super::pump::read_full(&source.file, block.data(), at)
                .map_err(TransferError::local("read the file"))?;
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
            self.link.write(block, &sender);
        }
        drop(sender);
        let set = self
            .kept(source)
            .map(|attrs| self.link.begin(&Request::Fsetstat { handle, attrs }));
        let closed = self.link.begin(&Request::Close { handle });
        let mut refusal = FirstRefusal::default();
        while let Some(written) = completions.recv().await {
            let offset = written.offset;
            refusal.take(offset, self.written(written));
        }
        self.cut_back(refusal).await?;
        let lost = |_| TransferError::ConnectionLost(self.link.lost());
        if let Some(set) = set {
            done(set.await.map_err(lost)?).map_err(TransferError::remote("keep times and permissions"))?;
        }
        done(closed.await.map_err(lost)?).map_err(TransferError::remote("close the file"))?;
        source.check(at)?;
        Ok(self.proves().then(|| head.value()))
    }
}
