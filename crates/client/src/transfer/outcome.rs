//! How the transfer of one file ended well, and how far it is proven.

/// How far both ends are known to hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The MD5 of both is the same.
    Md5,
    /// Only the sizes were compared, because the server cannot hash.
    Sizes,
    /// No proof was asked for.
    NotAsked,
}

/// How a transfer ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The file was sent, or its rest.
    Sent {
        /// How many bytes were there already.
        resumed_from: u64,
        /// How far the result is proven.
        proof: Proof,
    },
    /// The file was there already.
    Same(Proof),
    /// The file was left alone, as was decided.
    Skipped,
}
