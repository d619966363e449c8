//! The hash of what is transferred, on a thread of its own beside it. An upload passes on the blocks that it has read; a
//! download reports how far its file is contiguous, and the hash follows.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use md5::digest::Digest as _;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::progress_hub::ComparedBytes;
use crate::link::{HashKind, HashValue};

/// How many blocks may wait to be hashed. Beyond that the transfer waits for the hash.
const WAITING: usize = 16;
/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;

/// The hash of the beginning of a file, which can go on.
#[derive(Clone)]
pub(super) enum Digest {
    /// MD5, which is comparable with anybody's md5sum.
    Md5(md5::Md5),
    /// SHA-256, which is faster where the CPU has instructions for it.
    Sha256(sha2::Sha256),
}

impl Digest {
    /// The hash of nothing so far.
    pub fn new(kind: HashKind) -> Self {
        match kind {
            HashKind::Md5 => Self::Md5(md5::Md5::new()),
            HashKind::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub fn value(self) -> HashValue {
        match self {
            Self::Md5(hasher) => HashValue::Md5(hasher.finalize().into()),
            Self::Sha256(hasher) => HashValue::Sha256(hasher.finalize().into()),
        }
    }

    /// Goes on with the first `length` bytes of a file, or fewer if the file ends before. `compared` counts them.
    pub async fn of_head(
        mut self,
        file: Arc<File>,
        length: u64,
        compared: ComparedBytes,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let hashing = spawn_blocking(move || {
            let taken = |count| {
                compared.add(count);
                !stop.is_cancelled()
            };
            self.take_from(&file, 0..length, taken).map(|()| self)
        });
        hashing.await.map_err(io::Error::other)?
    }

    /// Goes on with a range of a file. `goes_on` is told of the bytes of each read, and says whether another follows.
    fn take_from(&mut self, file: &File, range: Range<u64>, goes_on: impl Fn(u64) -> bool) -> io::Result<()> {
        let Range { start: mut at, end } = range;
        let mut chunk = vec![0; CHUNK];
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let room = chunk.get_mut(..wanted).unwrap_or_default();
            let count = file.read_at(room, at)?;
            if count == 0 {
                break;
            }
            self.update(room.get(..count).unwrap_or_default());
            at = at.saturating_add(count as u64);
            if !goes_on(count as u64) {
                break;
            }
        }
        Ok(())
    }
}

/// Hashes the blocks that it is given.
pub(super) struct BlockHasher {
    blocks: mpsc::Sender<Bytes>,
    task: JoinHandle<Digest>,
}

impl BlockHasher {
    pub fn start(mut digest: Digest) -> Self {
        let (blocks, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        let task = spawn_blocking(move || {
            while let Some(block) = waiting.blocking_recv() {
                digest.update(&block);
            }
            digest
        });
        Self { blocks, task }
    }

    pub async fn feed(&self, block: Bytes) {
        // The task only ends when this is dropped.
        drop(self.blocks.send(block).await);
    }

    pub async fn finish(self) -> io::Result<Digest> {
        drop(self.blocks);
        self.task.await.map_err(io::Error::other)
    }
}

#[derive(Default)]
struct HashFront {
    whole: u64,
    ended: bool,
}

#[derive(Default)]
struct FollowerShared {
    front: Mutex<HashFront>,
    moved: Condvar,
}

impl FollowerShared {
    fn front(&self) -> MutexGuard<'_, HashFront> {
        self.front.lock()
    }

    fn update(&self, change: impl FnOnce(&mut HashFront)) {
        change(&mut self.front());
        self.moved.notify_one();
    }
}

/// Hashes a growing file, up to the offset where it is contiguous.
pub(super) struct Follower {
    shared: Arc<FollowerShared>,
    task: Option<JoinHandle<io::Result<Digest>>>,
}

impl Follower {
    /// Starts to follow the file. `digest` is that of its first `from` bytes.
    pub fn start(mut digest: Digest, file: Arc<File>, from: u64) -> Self {
        let shared = Arc::<FollowerShared>::default();
        shared.front().whole = from;
        let theirs = Arc::clone(&shared);
        let task = spawn_blocking(move || {
            let mut at = from;
            loop {
                let (whole, ended) = {
                    let mut front = theirs.front();
                    theirs
                        .moved
                        .wait_while(&mut front, |front| front.whole == at && !front.ended);
                    (front.whole, front.ended)
                };
                if whole == at && ended {
                    return Ok(digest);
                }
                digest.take_from(&file, at..whole, |_| true)?;
                at = whole;
            }
        });
        Self {
            shared,
            task: Some(task),
        }
    }

    /// Reports the offset up to which the file is contiguous.
    pub fn reach(&self, whole: u64) {
        self.shared.update(|front| front.whole = whole);
    }

    /// Reports the end of the file, and waits for the digest.
    pub async fn finish(mut self) -> io::Result<Digest> {
        self.shared.update(|front| front.ended = true);
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Err(io::Error::other("it was finished before")),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.update(|front| front.ended = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashing_the_beginning_of_a_file_counts_its_bytes_and_can_be_stopped() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = vec![7; 3 * CHUNK];
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        let file = Arc::new(file);
        let (length, stop) = (2 * CHUNK as u64 + 5, CancellationToken::new());
        let compared = ComparedBytes::default();
        let new = || Digest::new(HashKind::Md5);
        let digest = new().of_head(Arc::clone(&file), length, compared.clone(), stop.clone());
        let mut expected = new();
        expected.update(bytes.get(..2 * CHUNK + 5).unwrap());
        assert_eq!(digest.await.unwrap().value(), expected.value());
        assert_eq!(compared.count(), length);
        stop.cancel();
        let compared = ComparedBytes::default();
        let stopped = new().of_head(file, length, compared.clone(), stop);
        stopped.await.unwrap();
        assert_eq!(compared.count(), CHUNK as u64);
    }
}
