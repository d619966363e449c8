//! The successful outcomes of a transfer, and how far they are verified.

/// How far both ends are known to hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The MD5 hashes of both files are equal.
    Md5,
    /// Only the sizes were compared, because the server cannot hash.
    Sizes,
    /// The settings asked for no verification.
    NotAsked,
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
