//! Whether two files hold the same bytes, by their hashes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::link::{
    ConnectionLost, Extent, HashAnswer, HashComparison, HashKind, HashQuestion, HashValue, Link, LocalHash,
    RemoteError, hashing, judge,
};
use crate::transfer::{ProgressAtBreak, TransferContext};
use base::error::Clause;

/// The number of files that are hashed at once.
const AT_ONCE: usize = 16;
/// The number of small files about which a server is asked at once that hashes by commands: two of them run at once, with
/// 500 names each.
const AT_ONCE_BY_COMMAND: usize = 1000;
/// From this size on, in bytes, a file is hashed by a command of its own.
const LARGE: u64 = 4 << 20;
/// The hash by which contents are compared.
const KIND: HashKind = HashKind::Md5;
/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;

/// What is known about the contents of two files of equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// The hashes of both files are equal.
    Same,
    /// The hashes of the two files differ.
    Different,
    /// A hash cannot be had.
    Unknown,
}

/// Two files whose contents are compared.
#[derive(Debug, Clone)]
pub(super) struct FilePair {
    pub(super) local: PathBuf,
    pub(super) remote: Vec<u8>,
    /// The size of both, in bytes.
    pub(super) size: u64,
}

/// What is known about the contents of a pair, or why this machine's file cannot be read. Such a file is not one whose
/// hash cannot be had: nothing says that it is the same.
pub(super) type PairResult = Result<Contents, String>;

/// Limits on the files that are hashed at once.
struct HashingLimits {
    /// One permit for each file that this machine reads.
    reading: Semaphore,
    /// One permit for each large file.
    large: Semaphore,
}

/// Compares pairs of files, and returns what is known about each, in their order.
///
/// # Errors
/// When no connection can be made any more.
pub(super) async fn compared(
    context: &TransferContext,
    pairs: &[FilePair],
) -> Result<Vec<PairResult>, RemoteError> {
    let mut results = vec![Ok(Contents::Unknown); pairs.len()];
    let mut waiting: Vec<usize> = (0..pairs.len()).rev().collect();
    let mut asked = JoinSet::new();
    let mut breaks = context.breaks();
    let limits = Arc::new(HashingLimits {
        reading: Semaphore::new(AT_ONCE),
        large: Semaphore::new(AT_ONCE),
    });
    let mut at_once = AT_ONCE;
    // All that were asked about on one connection are told that it is lost.
    let mut lost_link: Option<Arc<Link>> = None;
    loop {
        while asked.len() < at_once
            && let Some(number) = waiting.pop()
            && let Some(pair) = pairs.get(number)
        {
            let (pair, stop, link) = (pair.clone(), context.stop.clone(), context.link().await?);
            at_once = match hashing::offers(&link, KIND) {
                true => AT_ONCE,
                false => AT_ONCE_BY_COMMAND,
            };
            let limits = Arc::clone(&limits);
            asked.spawn(async move {
                let contents = compared_pair(&link, pair, stop, &limits).await;
                (number, link, contents)
            });
        }
        let Some(answer) = asked.join_next().await else {
            return Ok(results);
        };
        match answer {
            Ok((number, _, Ok(contents))) => {
                context.hub.operation_ended();
                if let Some(result) = results.get_mut(number) {
                    *result = contents;
                }
            }
            // The next attempt is made on a new connection, or there is none.
            Ok((number, link, Err(lost))) => {
                waiting.push(number);
                if lost_link.as_ref().is_some_and(|known| Arc::ptr_eq(known, &link)) {
                    continue;
                }
                lost_link = Some(link);
                let reached = ProgressAtBreak {
                    run: context.hub.done(),
                    file: 0,
                };
                if !breaks.allow_another(reached) {
                    return Err(lost.into());
                }
            }
            Err(_) => {}
        }
    }
}

async fn compared_pair(
    link: &Link,
    pair: FilePair,
    stop: CancellationToken,
    limits: &HashingLimits,
) -> Result<PairResult, ConnectionLost> {
    if pair.size == 0 {
        return Ok(Ok(Contents::Same));
    }
    // The semaphores are never closed.
    let _turn = match pair.size {
        LARGE.. => limits.large.acquire().await.ok(),
        _ => None,
    };
    // This machine's file is hashed on another thread while the server hashes its own.
    let local = pair.local;
    let here = async {
        let _turn = limits.reading.acquire().await.ok();
        let hashing = tokio::task::spawn_blocking(move || local_hash(local, &stop)).await;
        hashing.map_err(io::Error::other).flatten()
    };
    let question = HashQuestion {
        path: &pair.remote,
        handle: None,
        extent: Extent::Whole,
        expected: Some(pair.size),
        kind: KIND,
    };
    let (here, there) = tokio::join!(here, hashing::hash(link, &question));
    match here {
        Ok(here) => contents(link, &question, here, there?).await.map(Ok),
        Err(error) => Ok(Err(format!("cannot read the file: {}", Clause(&error)))),
    }
}

async fn contents(
    link: &Link,
    question: &HashQuestion<'_>,
    here: HashValue,
    there: HashAnswer,
) -> Result<Contents, ConnectionLost> {
    let here = LocalHash {
        value: here,
        is_of_shown_bytes: false,
    };
    Ok(match judge(link, question, here, there).await? {
        HashComparison::Equal => Contents::Same,
        HashComparison::Differs(_) => Contents::Different,
        HashComparison::Unknown(_) | HashComparison::Unchecked => Contents::Unknown,
    })
}

fn local_hash(path: PathBuf, stop: &CancellationToken) -> io::Result<HashValue> {
    let mut file = File::open(path)?;
    let mut hasher = KIND.algorithm().hasher();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            let value = HashValue::new(KIND, &hasher.finalize());
            return value.ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        hasher.update(chunk.get(..count).unwrap_or_default());
    }
}
