//! The successful outcomes of a transfer, and how far they are verified.

use crate::link::HashKind;

/// How far both ends are known to hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The MD5 hashes of both files are equal.
    Md5,
    /// The SHA-256 hashes of both files are equal.
    Sha256,
    /// Only the sizes were compared, because the hash of the server's file cannot be had.
    Sizes,
    /// The settings asked for no verification.
    NotAsked,
}

impl Proof {
    /// The proof by equal hashes of this kind.
    pub fn by_hash(kind: HashKind) -> Self {
        match kind {
            HashKind::Md5 => Self::Md5,
            HashKind::Sha256 => Self::Sha256,
        }
    }

    /// Whether the hashes of both files were compared.
    pub fn is_hash(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha256)
    }
}

/// The successful outcome of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The file was sent, or its rest.
    Sent {
        /// The number of bytes that existed already.
        resumed_from: u64,
        /// How far the result is verified.
        proof: Proof,
    },
    /// The same file existed already.
    Same(Proof),
    /// The file was left alone, as was decided.
    Skipped,
}
