//! The hash of what is transferred, on a thread of its own beside it. An upload passes on the blocks that it has read; a
//! download reports how far its file is contiguous, and the hash follows.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::checkpoints::MarkedDigest;
use super::digest::{Digest, RangeReader};

/// How many blocks may wait to be hashed. Beyond that the transfer waits for the hash.
const WAITING: usize = 16;

/// Hashes the blocks that it is given.
pub(super) struct BlockHasher {
    blocks: mpsc::Sender<Bytes>,
    task: JoinHandle<Digest>,
}

impl BlockHasher {
    pub fn start(digest: impl Into<MarkedDigest>) -> Self {
        let mut digest: MarkedDigest = digest.into();
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
