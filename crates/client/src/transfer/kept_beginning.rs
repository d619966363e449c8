//! How much of a growing file is kept, which an earlier run has left.
//!
//! Ranges of a large file may have come over several connections. If that run was killed, the file may have holes in its
//! last [`WINDOW`] bytes, which its size does not show. So only a hash of all of it says that it is whole; without one,
//! the last [`WINDOW`] bytes are transferred again. If the hashes differ, they are transferred again as well, but only if
//! nobody else can have made the file: it has a name of ours or our mark, or holes are seen in it.

use std::fs::File;
use std::sync::Arc;

use super::end_samples::is_all;
use super::error::TransferError;
use super::prover::{ExistingBytes, Prover};
use super::spread::window::WINDOW;

/// Whether a growing file may have holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    /// It grew in order, or was cut to its front.
    None,
    /// None are seen in it, but there may be small ones in its last [`WINDOW`] bytes. It may be somebody else's file.
    Unseen,
    /// Some are seen in it. It is probably ours.
    Seen,
    /// It is ours, and may have some in its last [`WINDOW`] bytes.
    Possible,
}

/// The beginning of a growing file that is kept, if it is the same as the source's. If it is shorter than the file, the
/// rest is cut off.
pub(super) struct KeptBeginning {
    /// Its length, in bytes.
    pub length: u64,
    /// What a comparison says about it.
    pub bytes: ExistingBytes,
}

/// Compares the first `length` bytes of both files, and fewer if there may be holes. `whole`: these are all bytes of the
/// source.
pub(super) async fn kept_beginning(
    prover: Prover<'_>,
    local: &Arc<File>,
    length: u64,
    whole: bool,
    holes: Holes,
) -> Result<KeptBeginning, TransferError> {
    let bytes = prover.compare_existing(local, length, whole).await?;
    let is_settled = match &bytes {
        _ if holes == Holes::None => true,
        ExistingBytes::Same { proof, .. } => proof.is_hash() || is_all(length),
        ExistingBytes::Different => holes == Holes::Unseen,
        ExistingBytes::Replaceable => true,
    };
    if is_settled {
        return Ok(KeptBeginning { length, bytes });
    }
    let length = length.saturating_sub(WINDOW);
    let bytes = match (length, bytes) {
        // Nothing says whose a short file with holes is, if all that it has in common with the source may be missing.
        (0, ExistingBytes::Different) if holes == Holes::Seen => ExistingBytes::Different,
        (0, _) => prover.nothing(),
        _ => prover.compare_existing(local, length, false).await?,
    };
    Ok(KeptBeginning { length, bytes })
}
