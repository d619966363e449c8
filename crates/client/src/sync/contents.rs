//! Whether two files hold the same bytes, by their hashes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use md5::digest::Digest as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::link::{Md5, RemoteError, hashing};
use crate::transfer::TransferContext;

/// The number of files that are hashed at once.
const AT_ONCE: usize = 16;
/// How many connections may break while contents are compared.
const BREAKS: usize = 50;
/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;

/// What is known about the contents of two files of equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// The hashes are equal.
    Same,
    /// The hashes differ.
    Different,
    /// A hash cannot be had.
    Unknown,
}

/// Two files whose contents are compared.
#[derive(Debug, Clone)]
pub(super) struct FilePair {
    pub(super) local: PathBuf,
    pub(super) remote: Vec<u8>,
    /// Whether both are empty.
    pub(super) empty: bool,
}

/// Compares pairs of files, and returns what is known about each, in their order.
///
/// # Errors
/// When no connection can be made any more.
pub(super) async fn compared(
    context: &TransferContext,
    pairs: &[FilePair],
) -> Result<Vec<Contents>, RemoteError> {
    let mut results = vec![Contents::Unknown; pairs.len()];
    let mut waiting: Vec<usize> = (0..pairs.len()).rev().collect();
    let mut asked = JoinSet::new();
    let mut breaks = 0;
    loop {
        while asked.len() < AT_ONCE
            && let Some(number) = waiting.pop()
            && let Some(pair) = pairs.get(number)
        {
            let (pair, stop, link) = (pair.clone(), context.stop.clone(), context.link().await?);
            asked.spawn(async move {
                if pair.empty {
                    return (number, Ok(Contents::Same));
                }
                // This machine's file is hashed on another thread while the server hashes its own.
                let here = tokio::task::spawn_blocking(move || local_hash(pair.local, &stop));
                let there = hashing::md5(&link, &pair.remote, None).await;
                let here = here.await.map_err(io::Error::other).flatten();
                (number, contents(here.ok(), there))
            });
        }
        let Some(answer) = asked.join_next().await else {
            return Ok(results);
        };
        match answer {
            Ok((number, Ok(contents))) => {
                if let Some(result) = results.get_mut(number) {
                    *result = contents;
                }
            }
            // The next attempt is made on a new connection, or there is none.
            Ok((number, Err(_))) if breaks < BREAKS => {
                breaks += 1;
                waiting.push(number);
            }
            Ok((_, Err(lost))) => return Err(lost),
            Err(_) => {}
        }
    }
}

fn contents(here: Option<Md5>, there: Result<Option<Md5>, RemoteError>) -> Result<Contents, RemoteError> {
    match (here, there) {
        (_, Err(RemoteError::ConnectionLost(lost))) => Err(lost.into()),
        (Some(here), Ok(Some(there))) if here == there => Ok(Contents::Same),
        (Some(_), Ok(Some(_))) => Ok(Contents::Different),
        _ => Ok(Contents::Unknown),
    }
}

fn local_hash(path: PathBuf, stop: &CancellationToken) -> io::Result<Md5> {
    let mut file = File::open(path)?;
    let mut hash = md5::Md5::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        hash.update(chunk.get(..count).unwrap_or_default());
    }
}
