//! The hash of what is transferred, on a thread of its own beside it. An upload passes on the blocks that it has read; a
//! download reports how far its file is contiguous, and the hash follows.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use base::hash_state::{HashState, RunningHash};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::checkpoints::{Checkpoint, MarkedDigest};
use super::progress_hub::ComparedBytes;
use crate::link::{HashKind, HashValue};

/// How many blocks may wait to be hashed. Beyond that the transfer waits for the hash.
const WAITING: usize = 16;
/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;

/// The hash of the beginning of a file, which can go on.
#[derive(Clone)]
pub(super) struct Digest(RunningHash);

impl Digest {
    /// The hash of nothing so far.
    pub fn new(kind: HashKind) -> Self {
        Self(RunningHash::new(match kind {
            HashKind::Md5 => HashState::MD5,
            HashKind::Sha256 => HashState::SHA256,
        }))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The number of bytes so far.
    pub fn length(&self) -> u64 {
        self.0.length()
    }

    /// The hash of the bytes so far, from which another machine can go on.
    pub fn checkpoint(&self) -> Checkpoint {
        let (state, covered) = self.0.state();
        Checkpoint {
            end: self.length(),
            hash: self.0.finish().into(),
            state,
            covered,
        }
    }

    pub fn value(self) -> HashValue {
        self.0.finish().into()
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
            let take = |bytes: &[u8]| {
                self.update(bytes);
                compared.add(bytes.len() as u64);
                !stop.is_cancelled()
            };
            RangeReader::new(file).read(0..length, take)?;
            Ok(self)
        });
        hashing.await.map_err(io::Error::other)?
    }
}

/// Reads ranges of a file, into one buffer.
struct RangeReader {
    file: Arc<File>,
    chunk: Vec<u8>,
}

impl RangeReader {
    fn new(file: Arc<File>) -> Self {
        let chunk = vec![0; CHUNK];
        Self { file, chunk }
    }

    /// Passes on a range of the file, or less if the file ends before. `take` says whether another read follows.
    fn read(&mut self, range: Range<u64>, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        let Range { start: mut at, end } = range;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let room = self.chunk.get_mut(..wanted).unwrap_or_default();
            let count = self.file.read_at(room, at)?;
            at = at.saturating_add(count as u64);
            if count == 0 || !take(room.get(..count).unwrap_or_default()) {
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
    pub fn start(digest: impl Into<MarkedDigest>) -> Self {
        let mut digest = digest.into();
        let (blocks, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        let task = spawn_blocking(move || {
            while let Some(block) = waiting.blocking_recv() {
                digest.update(&block);
            }
            digest.finish()
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
    pub fn start(mut digest: MarkedDigest, file: Arc<File>, from: u64) -> Self {
        let shared = Arc::<FollowerShared>::default();
        shared.front().whole = from;
        let theirs = Arc::clone(&shared);
        let task = spawn_blocking(move || {
            let mut at = from;
            let mut reader = RangeReader::new(file);
            loop {
                let (whole, ended) = {
                    let mut front = theirs.front();
                    theirs
                        .moved
                        .wait_while(&mut front, |front| front.whole == at && !front.ended);
                    (front.whole, front.ended)
                };
                if whole == at && ended {
                    return Ok(digest.finish());
                }
                reader.read(at..whole, |bytes| {
                    digest.update(bytes);
                    true
                })?;
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

    /// Reports the end of the file. Its last checkpoint follows.
    pub fn end(&self) {
        self.shared.update(|front| front.ended = true);
    }

    /// Ends, and waits for the digest.
    pub async fn finish(mut self) -> io::Result<Digest> {
        self.end();
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Err(io::Error::other("it was finished before")),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end();
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
