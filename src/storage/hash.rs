//! Computes digests of file contents at the full speed of the digest. This module knows files, but no protocol.
//!
//! One thread reads the next buffers while another digests the last one; a range that fits in one buffer stays on one
//! thread. The work ends when the range is done, when the file ends earlier (the digest then covers the bytes that
//! exist), when reading fails, or when the client has left, which is checked before each buffer. A read that hangs in
//! its file system keeps two threads and one hashing permit of its home. It does not keep any [`CpuSlots`], so other
//! hashes do not wait for it.
//!
//! [`continued`] hashes ranges that a client has hashed as well, from states that it has told.

pub mod continued;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use md5::digest::DynDigest;
use tokio_util::sync::CancellationToken;

use super::{Error, OpenFile, Result, Wait};
use crate::io::cpu_slots::CpuSlots;
use base::buffer::{BUFFER_SIZE, Buffer};
use base::digest::Algorithm;

/// The length of a quick check in bytes, as draft-ietf-secsh-filexfer-05 defines it.
const QUICK_CHECK: u64 = 2048;
/// The number of buffers that wait between the threads. One more is being digested, and one more is being filled.
const READY: usize = 1;

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes in the range.
    pub length: u64,
}

/// Digests to compute of a file.
pub trait HashWork: Send + 'static {
    /// Returns the file, which is open for reading.
    fn file(&self) -> &Arc<dyn OpenFile>;

    /// Returns the algorithm of all digests.
    fn algorithm(&self) -> Algorithm;

    /// Returns the number of bytes to read.
    fn length(&self) -> u64;

    /// Computes the digests, and returns them one after the other.
    ///
    /// # Errors
    /// Fails as reading does, and with `Cancelled` if the client has left.
    fn compute(&self, cpu_slots: &CpuSlots, gone: &CancellationToken) -> Result<Vec<u8>>;
}

/// Computes digests outside the event loop, when a thread is free for this home. Dropping the future does not stop work
/// that is running; cancelling `gone` does.
///
/// # Errors
/// Fails as [`HashWork::compute`] does.
pub async fn run(work: Box<dyn HashWork>, gone: &CancellationToken) -> Result<Vec<u8>> {
    let io = work.file().scheduler().clone();
    // One read is enough for a small digest, which does not wait for large ones.
    let is_small = work.length() <= BUFFER_SIZE as u64;
    let mut waiting = Waiting { work: Some(work) };
    let place = match is_small {
        true => io.slow_way().await,
        false => io.hash_way().await,
    };
    let Some(work) = waiting.work.take() else {
        return Err(Error::Cancelled);
    };
    let gone = gone.clone();
    let working = tokio::task::spawn_blocking(move || {
        let digests = work.compute(io.cpu_slots(), &gone);
        // Close the file on this thread too, before the permit is free.
        drop(work);
        drop(place);
        digests
    });
    working.await.unwrap_or(Err(Error::DeviceFailed))
}

/// The digests to compute over a range of a file.
pub struct Work {
    /// An open file that can be read.
    pub file: Arc<dyn OpenFile>,
    /// The algorithm of all digests.
    pub algorithm: Algorithm,
    /// The range of bytes to digest.
    pub range: Range,
    /// The block size in bytes: each block has its own digest, and the last block may be shorter. `None` means one
    /// digest of the whole range.
    pub block: Option<NonZeroU64>,
    /// Computes no digests unless the first 2048 bytes of the range have this MD5.
    pub quick_check: Option<[u8; 16]>,
}

impl HashWork for Work {
    fn file(&self) -> &Arc<dyn OpenFile> {
        &self.file
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn length(&self) -> u64 {
        self.range.length
    }

    /// Computes the digests on this thread and a second one. Returns nothing if the quick check failed.
    fn compute(&self, cpu_slots: &CpuSlots, gone: &CancellationToken) -> Result<Vec<u8>> {
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
}

impl Work {
    fn feed(&self, range: Range, gone: &CancellationToken, take: impl FnMut(&[u8])) -> Result<()> {
        let reading = || Reading {
            file: &*self.file,
            rest: range,
            gone,
        };
        if range.length <= BUFFER_SIZE as u64 {
            return reading().give(take);
        }
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(READY);
            let ahead = reading();
            let reader = std::thread::Builder::new().name("hash-reader".into());
            match reader.spawn_scoped(scope, move || ahead.send(&sender)) {
                Ok(_) => digest_sent(&receiver, take),
                // The system cannot start another thread: use this one, which is slower and equally correct.
                Err(_) => reading().give(take),
            }
        })
    }
}

/// Work that waits for its permit. If its client leaves, its file is closed on a thread that may block.
struct Waiting {
    work: Option<Box<dyn HashWork>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            let io = work.file().scheduler().clone();
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
    // Only a reader that panicked ends without a last message.
    Err(Error::DeviceFailed)
}

/// The range that is still to be read.
struct Reading<'a> {
    file: &'a dyn OpenFile,
    rest: Range,
    gone: &'a CancellationToken,
}

impl Reading<'_> {
    /// Returns the next bytes, or `None` at the end of the range or of the file.
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

    /// Reads and digests on the same thread.
    fn give(mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        while let Some((buffer, count)) = self.next()? {
            take(buffer.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    /// Reads until the end, an error, or until the receiver is gone.
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

/// Computes one digest for each block.
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

    /// Empty input has one whole-file digest and no block digests.
    fn finish(mut self) -> Vec<u8> {
        if self.one_of_all || self.left_in_block < self.block {
            self.end_block();
        }
        self.digests
    }
}

#[cfg(test)]
mod tests;
