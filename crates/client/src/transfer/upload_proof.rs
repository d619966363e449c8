//! How an upload is proven while it is sent: by continued hashes where the server has them, else range by range where it
//! hashes by another extension, else not before the end.

use bytes::Bytes;
use tokio::sync::watch;

use super::attempt::Attempt;
use super::checkpoints::{Checkpoints, MarkedDigest};
use super::continued_proof::ContinuedProver;
use super::digest::Digest;
use super::error::TransferError;
use super::hashers::BlockHasher;
use super::range_prover::{HashedRanges, RangeHasher, RangeProver};
use crate::link::Answered as _;

/// What proves an upload while it is sent.
pub(super) enum UploadProver<'a> {
    /// Each end hashes each byte once.
    Continued(ContinuedUpload<'a>),
    /// This machine hashes the ranges beside the whole file.
    Ranges(RangeProver<'a>),
}

/// An upload whose hash the server continues.
pub(super) struct ContinuedUpload<'a> {
    attempt: Attempt<'a>,
    /// The path of the file on the server.
    path: &'a [u8],
    prover: ContinuedProver<'a>,
}

impl<'a> UploadProver<'a> {
    /// Makes the prover of a file, of which the server has `from` bytes with the digest `head`. `None`: it is proven as a
    /// whole at the end.
    pub async fn begin(
        attempt: Attempt<'a>,
        path: &'a [u8],
        head: &Digest,
        from: u64,
        size: u64,
    ) -> Option<Self> {
        if let Some(prover) = ContinuedProver::new(attempt, head, from, size) {
            return Some(Self::Continued(ContinuedUpload {
                attempt,
                path,
                prover,
            }));
        }
        // A beginning that is from another run has no range of its own.
        match from {
            0 => RangeProver::begin(attempt, path, size).await.map(Self::Ranges),
            _ => None,
        }
    }
}

impl ContinuedUpload<'_> {
    /// Compares all checkpoints, by a handle of its own. Returns whether all are equal.
    async fn run(self, checkpoints: Checkpoints, acknowledged: watch::Receiver<u64>) -> bool {
        let link = self.attempt.link;
        let opened = link.open_read(self.path).await.unless_refused();
        // If the connection is lost, sending the file says it.
        let Ok(Some(handle)) = opened else {
            return false;
        };
        let all_equal = self.prover.run(&handle, checkpoints, acknowledged).await;
        // Nothing was written through the handle, so the reply does not matter.
        link.forget_handle(&handle);
        all_equal
    }
}

/// The hashes that are computed of the blocks that are sent.
#[derive(Default)]
pub(super) struct BlockHashers {
    /// The hash of the whole file.
    pub whole: Option<BlockHasher>,
    /// The hashes of its ranges.
    pub ranges: Option<RangeHasher>,
}

impl BlockHashers {
    /// Passes a block on, once the hashes are not too far behind.
    pub async fn feed(&self, block: Bytes) {
        if let Some(ranges) = &self.ranges {
            ranges.feed(block.clone()).await;
        }
        if let Some(whole) = &self.whole {
            whole.feed(block).await;
        }
    }

    /// Ends the hashes of ranges, and returns the digest of the whole.
    pub async fn finish(self) -> Result<Option<Digest>, TransferError> {
        let Self { whole, ranges } = self;
        drop(ranges);
        match whole {
            Some(whole) => whole
                .finish()
                .await
                .map(Some)
                .map_err(TransferError::local("hash the file")),
            None => Ok(None),
        }
    }
}

/// The proof of an upload that is being sent.
pub(super) enum RunningProof<'a> {
    /// There is none before the end.
    None,
    /// The server continues the hash.
    Continued(ContinuedUpload<'a>, Checkpoints),
    /// Each range is compared.
    Ranges(RangeProver<'a>, HashedRanges),
}

impl<'a> RunningProof<'a> {
    /// Starts the hashes of an upload. `digest` is that of its beginning, if the hash of all of it is wanted.
    pub fn start(digest: Option<Digest>, prover: Option<UploadProver<'a>>) -> (BlockHashers, Self) {
        match (digest, prover) {
            (Some(digest), Some(UploadProver::Continued(prover))) => {
                let (digest, checkpoints) = MarkedDigest::with_checkpoints(digest);
                let hashers = BlockHashers {
                    whole: Some(BlockHasher::start(digest)),
                    ranges: None,
                };
                (hashers, Self::Continued(prover, checkpoints))
            }
            (digest, Some(UploadProver::Ranges(prover))) => {
                let (ranges, hashed) = RangeHasher::start(prover.kind);
                let hashers = BlockHashers {
                    whole: digest.map(BlockHasher::start),
                    ranges: Some(ranges),
                };
                (hashers, Self::Ranges(prover, hashed))
            }
            (digest, None | Some(UploadProver::Continued(_))) => {
                let hashers = BlockHashers {
                    whole: digest.map(BlockHasher::start),
                    ranges: None,
                };
                (hashers, Self::None)
            }
        }
    }

    /// Whether the file is proven while it is sent.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Compares what the server has acknowledged. Returns whether all of the file is proven.
    pub async fn run(self, acknowledged: watch::Receiver<u64>) -> bool {
        match self {
            Self::None => false,
            Self::Continued(upload, checkpoints) => upload.run(checkpoints, acknowledged).await,
            Self::Ranges(prover, hashed) => prover.run(hashed, acknowledged).await,
        }
    }
}
