//! One file to the server. It is written where it belongs from the first byte on: what is there when it breaks off is
//! its beginning, which the next run proves and completes.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{Attributes, Request};

use super::board::Stage;
use super::decide::{Decided, Ends, there};
use super::digest::Digest;
use super::pump::Heard;
use super::trouble::Trouble;
use super::{Attempt, Job, Outcome, SMALL_BYTES, endings};
use crate::link::Block;
use crate::local_attributes::local_attributes;
use crate::printable::printable;
use crate::remote::failed::done;
use crate::remote::prove::Md5;

/// What to do about a server that has other bytes than those that were sent.
const HINT: &str = "what was stored differs from what was sent; send it again with --overwrite";

/// An open file of this machine, as it was when it was opened.
struct Source {
    file: Arc<File>,
    meta: Metadata,
}

impl Source {
    fn open(job: &Job) -> Result<Self, Trouble> {
        let file = File::options()
            .read(true)
            // A FIFO would make us wait for who writes to it.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&job.local)
            .map_err(Trouble::local("open the file"))?;
        let meta = file.metadata().map_err(Trouble::local("look at the file"))?;
        if !meta.is_file() {
            return Err(Trouble::NotAFile);
        }
        Ok(Self {
            file: Arc::new(file),
            meta,
        })
    }

    /// Did it hold still while `sent` bytes of it were sent?
    fn check(&self, sent: u64) -> Result<(), Trouble> {
        let now = self.file.metadata().map_err(Trouble::local("look at the file"))?;
        let size = self.meta.len();
        let changed = |what: String, hint: &str| Err(Trouble::Changed(format!("{what} (hint: {hint})")));
        let again = "run the same command again";
        let anew = "run it again with --overwrite: what is there now is something else";
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
    pub(super) async fn upload(mut self) -> Result<Outcome, Trouble> {
        self.meter.enter(Stage::Deciding);
        self.can_prove().await?;
        let source = Source::open(self.job)?;
        let size = source.meta.len();
        self.meter.set_total(size);
        let there = match self.job.there {
            Some(there) if !*self.ours => there,
            _ => there(
                self.link
                    .look(&self.job.remote)
                    .await
                    .map_err(Trouble::remote("look at the file"))?,
            ),
        };
        let ends = Ends {
            size,
            there,
            local: Some(&source.file),
        };
        match self.decide(ends).await? {
            // All of it had arrived when the connection broke.
            Decided::Same(proof) if *self.ours => {
                self.keep_times(&source).await?;
                let resumed_from = size;
                Ok(Outcome::Sent { resumed_from, proof })
            }
            Decided::Same(proof) => {
                self.keep_times(&source).await?;
                Ok(Outcome::Same(proof))
            }
            Decided::Skip => Ok(Outcome::Skipped),
            Decided::Send { from, head } => self.send(&source, from, head).await,
            Decided::Rename => {
                self.rename_remote().await?;
                self.send(&source, 0, Digest::default()).await
            }
        }
    }

    /// From now on the file gets another name, also on the next connection.
    async fn rename_remote(&mut self) -> Result<(), Trouble> {
        for ending in endings() {
            let renamed = self.job.renamed(&ending);
            let there = self.link.look(&renamed.remote).await;
            let there = there.map_err(Trouble::remote("look for a free name"))?;
            if there.is_none() && self.engine.claim(renamed.target()) {
                let message = format!("{}: sent as {}", self.job.name(), printable(&renamed.remote));
                self.engine.board.warn(&message);
                *self.job = renamed;
                return Ok(());
            }
        }
        Err(Trouble::NoName)
    }

    async fn send(self, source: &Source, from: u64, head: Digest) -> Result<Outcome, Trouble> {
        let mode = local_attributes(&source.meta).permissions;
        let opened = self.link.open_write(&self.job.remote, from == 0, mode).await;
        let handle = opened.map_err(Trouble::remote("open the file"))?;
        *self.ours = true;
        self.meter.set_done(from);
        self.meter.enter(Stage::Sending);
        let size = source.meta.len();
        let small = size - from.min(size) < SMALL_BYTES;
        let digest = if small {
            self.send_at_once(source, &handle, from, head).await?
        } else {
            let digest = self.proves().then_some(head);
            let sent = self.pump_up((&source.file, &handle), (from, size), digest).await;
            if sent.is_err() {
                // What has arrived stays. The answer changes nothing.
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

    /// Times and permissions, if they are wanted; nothing else than what is kept.
    fn kept(&self, source: &Source) -> Option<Attributes> {
        self.engine.settings.preserve.then(|| {
            let attrs = local_attributes(&source.meta);
            if attrs.times.is_none() {
                let job = self.job.name();
                let warning = "its time is not kept: SFTP has room for those from 1970 to 2106 only";
                self.engine.board.warn(&format!("{job}: {warning}"));
            }
            attrs
        })
    }

    /// The same for a file that is there already.
    async fn keep_times(&self, source: &Source) -> Result<(), Trouble> {
        if let Some(attrs) = self.kept(source) {
            let set = self.link.set(&self.job.remote, &attrs).await;
            set.map_err(Trouble::remote("keep times and permissions"))?;
        }
        Ok(())
    }

    /// Behind a refused WRITE others may have been taken: what is left is a beginning of the file, without a hole that
    /// the next run would have to take for the file's own bytes.
    pub(super) async fn cut_back(&self, heard: Heard) -> Result<(), Trouble> {
        let Some((offset, trouble)) = heard.refused else {
            return Ok(());
        };
        let attrs = Attributes {
            size: Some(offset),
            ..Attributes::default()
        };
        if matches!(trouble, Trouble::Remote(..))
            && let Err(failed) = self.link.set(&self.job.remote, &attrs).await
        {
            let job = self.job.name();
            self.engine
                .board
                .warn(&format!("{job}: what has arrived may have holes: {failed}"));
        }
        Err(trouble)
    }

    async fn finish(&self, source: &Source, handle: &Bytes) -> Result<(), Trouble> {
        if let Some(attrs) = self.kept(source) {
            let set = self.link.set_handle(handle, &attrs).await;
            set.map_err(Trouble::remote("keep times and permissions"))?;
        }
        self.link
            .close_handle(handle)
            .await
            .map_err(Trouble::remote("close the file"))
    }

    /// All requests leave together: a small file costs no round trip for each of them.
    async fn send_at_once(
        &self,
        source: &Source,
        handle: &Bytes,
        from: u64,
        mut head: Digest,
    ) -> Result<Option<Md5>, Trouble> {
        let size = source.meta.len();
        let mut blocks = Vec::new();
        let mut at = from;
        while at < size {
            let room = u32::try_from(size - at)
                .unwrap_or(u32::MAX)
                .min(self.link.limits.write);
            let mut block = Block::new(handle, at, room);
            let count = super::pump::read_full(&source.file, block.data(), at)
                .map_err(Trouble::local("read the file"))?;
            block.cut(count);
            head.update(block.data());
            if count == 0 {
                break;
            }
            at = at.saturating_add(u64::from(count));
            blocks.push(block);
        }
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for block in blocks {
            self.link.write(block, &tell);
        }
        drop(tell);
        let set = self
            .kept(source)
            .map(|attrs| self.link.begin(&Request::Fsetstat { handle, attrs }));
        let closed = self.link.begin(&Request::Close { handle });
        let mut heard = Heard::default();
        while let Some(written) = told.recv().await {
            let offset = written.offset;
            heard.take(offset, self.written(written));
        }
        self.cut_back(heard).await?;
        let lost = |_| Trouble::Lost(self.link.lost());
        if let Some(set) = set {
            done(set.await.map_err(lost)?).map_err(Trouble::remote("keep times and permissions"))?;
        }
        done(closed.await.map_err(lost)?).map_err(Trouble::remote("close the file"))?;
        source.check(at)?;
        Ok(self.proves().then(|| head.value()))
    }
}
