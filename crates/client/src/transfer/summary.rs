//! What became of a run, in numbers.

use super::trouble::Trouble;
use super::{Outcome, Proof};

/// What became of many files.
#[derive(Debug, Default)]
pub struct Summary {
    /// Files that were sent.
    pub sent: u64,
    /// Of these, files whose bytes are proven by MD5.
    pub proven: u64,
    /// Of these, files of which only the size is known to be right.
    pub sized: u64,
    /// Files that were there.
    pub same: u64,
    /// Files that were left alone.
    pub skipped: u64,
    /// Files that failed.
    pub failed: u64,
    /// Of these, files whose bytes differ at the two ends.
    pub differ: u64,
    /// Somebody stopped it.
    pub stopped: bool,
}

impl Summary {
    /// Of the program: 5 if bytes differ, 4 if something failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self { differ: 1.., .. } => 5,
            Self { failed: 1.., .. } | Self { stopped: true, .. } => 4,
            _ => 0,
        }
    }

    /// Counts one file.
    pub fn count(&mut self, result: &Result<Outcome, Trouble>) {
        match result {
            Ok(Outcome::Sent { proof, .. }) => {
                self.sent += 1;
                self.proven += u64::from(*proof == Proof::Md5);
                self.sized += u64::from(*proof == Proof::Sizes);
            }
            Ok(Outcome::Same(_)) => self.same += 1,
            Ok(Outcome::Skipped) => self.skipped += 1,
            Err(trouble) => {
                self.failed += 1;
                self.differ += u64::from(matches!(trouble, Trouble::Differs { .. }));
                self.stopped |= matches!(trouble, Trouble::Stopped);
            }
        }
    }
}
