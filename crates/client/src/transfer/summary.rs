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
    /// The number of files that failed. One that the user has stopped has not failed.
    pub failed: u64,
    /// Files that failed because their bytes differ at the two ends.
    pub differ: u64,
    /// Whether the user stopped the run.
    pub stopped: bool,
    /// Files that are not whole because the user stopped the run.
    pub interrupted: u64,
    /// Files that were not begun because the user stopped the run.
    pub not_begun: u64,
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

    /// Adds the numbers of another part of the run.
    pub fn add(&mut self, other: Self) {
        // The pattern is exhaustive, so that no number can be forgotten.
        let Self {
            sent,
            proven,
            proven_by_sha256,
            sized,
            same,
            skipped,
            links,
            left_out,
            failed,
            differ,
            stopped,
            interrupted,
            not_begun,
        } = other;
        self.sent += sent;
        self.proven += proven;
        self.proven_by_sha256 += proven_by_sha256;
        self.sized += sized;
        self.same += same;
        self.skipped += skipped;
        self.links += links;
        self.left_out += left_out;
        self.failed += failed;
        self.differ += differ;
        self.stopped |= stopped;
        self.interrupted += interrupted;
        self.not_begun += not_begun;
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
            Err(TransferError::Stopped) => {
                self.stopped = true;
                self.interrupted += 1;
            }
            Err(error) => {
                self.failed += 1;
                self.differ += u64::from(matches!(
                    error,
                    TransferError::Differs { .. } | TransferError::OtherSize { .. }
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_two_parts_are_added() {
        let part = || Summary {
            sent: 5,
            proven: 4,
            proven_by_sha256: 3,
            sized: 1,
            failed: 2,
            ..Summary::default()
        };
        let mut all = part();
        all.add(Summary {
            stopped: true,
            interrupted: 3,
            not_begun: 7,
            ..part()
        });
        assert_eq!((all.sent, all.proven, all.proven_by_sha256), (10, 8, 6));
        assert_eq!((all.sized, all.failed, all.stopped), (2, 4, true));
        assert_eq!((all.interrupted, all.not_begun), (3, 7));
    }

    #[test]
    fn a_file_that_was_stopped_has_not_failed() {
        let mut summary = Summary::default();
        summary.count(&Err(TransferError::Stopped));
        assert_eq!((summary.failed, summary.interrupted), (0, 1));
        assert!(summary.stopped);
        assert_eq!(summary.exit_code(), 4);
    }
}
