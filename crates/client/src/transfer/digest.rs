//! MD5 of what is transferred, on a thread of its own beside it. An upload hands over what it has read, a download
//! tells how far its file is whole and is read behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use md5::digest::Digest as _;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::remote::prove::Md5;

/// Blocks that may wait to be hashed: beyond that the transfer waits for the digest.
const WAITING: usize = 16;
/// One read.
const CHUNK: usize = 256 << 10;

/// A hash of the beginning of a file, which can go on.
#[derive(Clone, Default)]
pub(super) struct Digest(md5::Md5);

impl Digest {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn value(self) -> Md5 {
        self.0.finalize().into()
    }

    /// Of the first `length` bytes; fewer if the file ends before.
    pub async fn of_head(file: Arc<File>, length: u64, stop: CancellationToken) -> io::Result<Self> {
        let hashing = spawn_blocking(move || {
            let mut digest = Self::default();
            digest.take_from(&file, (0, length), &stop).map(|()| digest)
        });
        hashing.await.map_err(io::Error::other)?
    }

    fn take_from(
        &mut self,
        file: &File,
        (mut at, end): (u64, u64),
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while at < end && !stop.is_cancelled() {
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let room = chunk.get_mut(..wanted).unwrap_or_default();
            let count = file.read_at(room, at)?;
            if count == 0 {
                break;
            }
            self.update(room.get(..count).unwrap_or_default());
            at = at.saturating_add(count as u64);
        }
        Ok(())
    }
}

/// Hashes what it is given.
pub(super) struct Hasher {
    blocks: mpsc::Sender<Bytes>,
    task: JoinHandle<Digest>,
}

impl Hasher {
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
        // It only ends when this is dropped.
        drop(self.blocks.send(block).await);
    }

    pub async fn finish(self) -> io::Result<Digest> {
        drop(self.blocks);
        self.task.await.map_err(io::Error::other)
    }
}

#[derive(Default)]
struct Front {
    whole: u64,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    front: Mutex<Front>,
    moved: Condvar,
}

impl Shared {
    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Front)) {
        change(&mut self.front());
        self.moved.notify_one();
    }
}

/// Hashes a file that grows, behind its front.
pub(super) struct Follower {
    shared: Arc<Shared>,
    task: Option<JoinHandle<io::Result<Digest>>>,
}

impl Follower {
    /// `digest` is that of the first `from` bytes.
    pub fn start(mut digest: Digest, file: Arc<File>, from: u64) -> Self {
        let shared = Arc::<Shared>::default();
        shared.front().whole = from;
        let theirs = Arc::clone(&shared);
        let task = spawn_blocking(move || {
            let mut at = from;
            loop {
                let (whole, ended) = {
                    let front = theirs.front();
                    let waits = |front: &mut Front| front.whole == at && !front.ended;
                    let front = theirs
                        .moved
                        .wait_while(front, waits)
                        .unwrap_or_else(PoisonError::into_inner);
                    (front.whole, front.ended)
                };
                if whole == at && ended {
                    return Ok(digest);
                }
                digest.take_from(&file, (at, whole), &CancellationToken::new())?;
                at = whole;
            }
        });
        Self {
            shared,
            task: Some(task),
        }
    }

    /// The file is whole up to here.
    pub fn reach(&self, whole: u64) {
        self.shared.tell(|front| front.whole = whole);
    }

    /// Nothing more comes.
    pub async fn finish(mut self) -> io::Result<Digest> {
        self.shared.tell(|front| front.ended = true);
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Err(io::Error::other("it was finished before")),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.tell(|front| front.ended = true);
    }
}
