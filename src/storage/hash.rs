//! Digests of what files hold, at the digest's own speed. Knows files and no protocol.
//!
//! One thread reads the next buffers while another digests the last; a range of one buffer stays on one thread. It
//! ends when the range is done, when the file ends before it (the digest is of what there is), when reading fails,
//! or when the client has left, which is looked at before each buffer. A read that hangs in its file system keeps two
//! threads and a place of its home; it keeps no [`CpuSlots`], so nobody else waits for it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use md5::digest::DynDigest;
use tokio_util::sync::CancellationToken;

use super::{Error, OpenFile, Result, Wait};
use crate::io::cpu_slots::CpuSlots;
use base::buffer::{BUFFER_SIZE, Buffer};
use base::digest::Algorithm;

/// As draft-ietf-secsh-filexfer-05 has it: a quick check is about so many bytes.
const QUICK_CHECK: u64 = 2048;
/// Buffers between the threads: one to digest, one ready, one to fill.
const READY: usize = 1;

/// Bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// From here.
    pub offset: u64,
    /// So many.
    pub length: u64,
}

/// What is to be digested.
pub struct Work {
    /// An open file, which can be read.
    pub file: Arc<dyn OpenFile>,
    /// Which digest.
    pub algorithm: Algorithm,
    /// Of which bytes.
    pub range: Range,
    /// A digest of each so many bytes, the last one of what is left; `None`: one of all.
    pub block: Option<NonZeroU64>,
    /// Digest nothing if the first 2048 bytes of the range do not have this MD5.
    pub quick_check: Option<[u8; 16]>,
}

impl Work {
    /// Digests off the event loop, when it is this home's turn; the digests one behind the other, or nothing if the
    /// quick check failed. Dropping the future ends nothing that runs: `gone` does.
    ///
    /// # Errors
    /// What reading says; `ECANCELED` if the client has left.
    pub async fn run(self, gone: &CancellationToken) -> Result<Vec<u8>> {
        let io = self.file.scheduler().clone();
        let mut waiting = Waiting { work: Some(self) };
        // What is small does not wait for what is large.
        let place = match waiting.work.as_ref().is_some_and(Work::is_small) {
            true => io.slow_way().await,
            false => io.hash_way().await,
        };
        let Some(work) = waiting.work.take() else {
            return Err(Error::Cancelled);
        };
        let gone = gone.clone();
        let working = tokio::task::spawn_blocking(move || {
            let digests = work.compute(io.cpu_slots(), &gone);
            // The file closes here, too, before the place is free.
            drop(work);
            drop(place);
            digests
        });
        working.await.unwrap_or(Err(Error::DeviceFailed))
    }

    /// Is it done with one read?
    fn is_small(&self) -> bool {
        self.range.length <= BUFFER_SIZE as u64
    }

    /// The same on this thread, and one beside it.
    ///
    /// # Errors
    /// As [`Work::run`].
    pub fn compute(&self, cpu_slots: &CpuSlots, gone: &CancellationToken) -> Result<Vec<u8>> {
        if let Some(expected) = self.quick_check {
            let head = Range {
                length: self.range.length.min(QUICK_CHECK),
                ..self.range
            };
            let mut digester = Digester::new(Algorithm::Md5, None);
            self.feed(head, gone, |bytes| digester.update(bytes))?;
            if digester.finish() != expected {
                return Ok(Vec::new());
            }
        }
        let mut digester = Digester::new(self.algorithm, self.block);
        self.feed(self.range, gone, |bytes| {
            let _slot = cpu_slots.take();
            digester.update(bytes);
        })?;
        Ok(digester.finish())
    }

    fn feed(&self, range: Range, gone: &CancellationToken, take: impl FnMut(&[u8])) -> Result<()> {
        let reading = || Reading {
            file: &*self.file,
            rest: range,
            gone,
        };
        if self.is_small() {
            return reading().give(take);
        }
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(READY);
            let ahead = reading();
            let reader = std::thread::Builder::new().name("hash-reader".into());
            match reader.spawn_scoped(scope, move || ahead.send(&sender)) {
                Ok(_) => digest_sent(&receiver, take),
                // The system gives no more threads: slower, and right all the same.
                Err(_) => reading().give(take),
            }
        })
    }
}

/// Work whose turn has not come. If its client leaves, its file closes where that may take long.
struct Waiting {
    work: Option<Work>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            let io = work.file.scheduler().clone();
            io.close(work);
        }
    }
}

type Piece = Result<Option<(Buffer, usize)>>;

fn digest_sent(receiver: &Receiver<Piece>, mut take: impl FnMut(&[u8])) -> Result<()> {
    while let Ok(piece) = receiver.recv() {
        let Some((buffer, count)) = piece? else {
            return Ok(());
        };
        take(buffer.get(..count).unwrap_or_default());
    }
    // Only a reader that panicked says no last word.
    Err(Error::DeviceFailed)
}

/// What is still to be read.
struct Reading<'a> {
    file: &'a dyn OpenFile,
    rest: Range,
    gone: &'a CancellationToken,
}

impl Reading<'_> {
    /// The next bytes; `None` at the end of the range or of the file.
    fn next(&mut self) -> Piece {
        if self.gone.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if self.rest.length == 0 {
            return Ok(None);
        }
        let mut buffer = Buffer::take();
        let wanted = usize::try_from(self.rest.length).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let room = buffer.get_mut(..wanted).unwrap_or_default();
        let count = self.file.read_at(room, self.rest.offset, Wait::Allowed)?;
        if count == 0 {
            return Ok(None);
        }
        self.rest.offset = self.rest.offset.saturating_add(count as u64);
        self.rest.length = self.rest.length.saturating_sub(count as u64);
        Ok(Some((buffer, count)))
    }

    /// Reads and hands over on one thread.
    fn give(mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        while let Some((buffer, count)) = self.next()? {
            take(buffer.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    /// Reads until the end, an error, or until nobody takes it any more.
    fn send(mut self, sender: &SyncSender<Piece>) {
        loop {
            let piece = self.next();
            let last = !matches!(piece, Ok(Some(_)));
            if sender.send(piece).is_err() || last {
                return;
            }
        }
    }
}

/// Digests by the block.
struct Digester {
    hasher: Box<dyn DynDigest + Send>,
    block: u64,
    left_in_block: u64,
    one_of_all: bool,
    digests: Vec<u8>,
}

impl Digester {
    fn new(algorithm: Algorithm, block: Option<NonZeroU64>) -> Self {
        let size = block.map_or(u64::MAX, NonZeroU64::get);
        Self {
            hasher: algorithm.hasher(),
            block: size,
            left_in_block: size,
            one_of_all: block.is_none(),
            digests: Vec::new(),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length =
                usize::try_from(self.left_in_block).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (now, rest) = bytes.split_at(length);
            self.hasher.update(now);
            self.left_in_block -= now.len() as u64;
            if self.left_in_block == 0 {
                self.end_block();
            }
            bytes = rest;
        }
    }

    fn end_block(&mut self) {
        self.digests.extend_from_slice(&self.hasher.finalize_reset());
        self.left_in_block = self.block;
    }

    /// Nothing has a digest, too, but no blocks.
    fn finish(mut self) -> Vec<u8> {
        if self.one_of_all || self.left_in_block < self.block {
            self.end_block();
        }
        self.digests
    }
}

#[cfg(test)]
mod tests;
