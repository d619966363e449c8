//! The hash of the beginning of a file, which can go on.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use base::hash_state::{HashState, RunningHash};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::progress_hub::ComparedBytes;
use crate::link::{HashKind, HashValue};

/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;

/// The hash of the beginning of a file, from which another machine can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The length of the beginning, in bytes.
    pub end: u64,
    /// The hash of that beginning.
    pub hash: HashValue,
    /// The state behind its last whole block.
    pub state: HashState,
    /// How many bytes the state covers.
    pub covered: u64,
}

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
pub(super) struct RangeReader {
    file: Arc<File>,
    chunk: Vec<u8>,
}

impl RangeReader {
    pub fn new(file: Arc<File>) -> Self {
        let chunk = vec![0; CHUNK];
        Self { file, chunk }
    }

    /// Passes on a range of the file, or less if the file ends before. `take` says whether another read follows.
    pub fn read(&mut self, range: Range<u64>, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
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
