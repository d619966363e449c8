//! The outcome of a run, in numbers.

use super::error::TransferError;
use super::outcome::{Outcome, Proof};

/// The outcome of many transfers.
#[derive(Debug, Default)]
pub struct Summary {
    /// The number of files that were sent, in whole or in part.
    pub sent: u64,
    /// Files that were sent and verified by hash.
    pub proven: u64,
    /// Those of them that were verified by SHA-256.
    pub proven_by_sha256: u64,
    /// Files that were sent and of which only the sizes were compared.
    pub sized: u64,
    /// Files that existed already with the same content.
    pub same: u64,
    /// Files that were skipped because of a conflict.
    pub skipped: u64,
    /// Links that were copied as links.
    pub links: u64,
    /// Links and special files that were left out, although nobody has decided that.
    pub left_out: u64,
    /// The number of files that failed.
    pub failed: u64,
    /// Files that failed because their bytes differ at the two ends.
    pub differ: u64,
    /// Whether the user stopped the run.
    pub stopped: bool,
}

impl Summary {
    /// The program's exit code: 5 if bytes differ, 4 if something failed, was left out or was stopped, else 0.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self { differ: 1.., .. } => 5,
            Self { failed: 1.., .. } | Self { left_out: 1.., .. } | Self { stopped: true, .. } => 4,
            _ => 0,
        }
    }

    /// Counts the outcome of one file.
    pub fn count(&mut self, result: &Result<Outcome, TransferError>) {
        match result {
            Ok(Outcome::Sent { proof, .. }) => {
                self.sent += 1;
                self.proven += u64::from(proof.is_hash());
                self.proven_by_sha256 += u64::from(*proof == Proof::Sha256);
                self.sized += u64::from(*proof == Proof::Sizes);
            }
            Ok(Outcome::Same(_)) => self.same += 1,
            Ok(Outcome::Skipped) => self.skipped += 1,
            Err(error) => {
                self.failed += 1;
                self.differ += u64::from(matches!(
                    error,
                    TransferError::Differs { .. } | TransferError::OtherSize { .. }
                ));
                self.stopped |= matches!(error, TransferError::Stopped);
            }
        }
    }
}
