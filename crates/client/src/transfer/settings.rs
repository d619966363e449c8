//! The settings of transfers, as the command line gives them.

use std::num::NonZeroU64;

use crate::plan::Policy;

/// Whether hashes are compared after a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Verify {
    /// Compare whenever the server can hash.
    #[default]
    Auto,
    /// Compare, and fail if a hash cannot be had.
    Always,
    /// Compare nothing but the sizes.
    Never,
}

/// Which hash is compared after a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum HashChoice {
    /// MD5, which is comparable with anybody's md5sum.
    #[default]
    Md5,
    /// SHA-256, by the server's extensions only.
    Sha256,
    /// SHA-256 where that is faster and the server has it, else MD5.
    Fast,
}

/// The settings of a run of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What is done about a file that exists and differs.
    pub conflicts: Policy,
    /// Whether a conflict that would be asked about is decided by the dates: the newer file stays, or gets there.
    pub update: bool,
    /// Whether an existing part may be completed.
    pub resume: bool,
    /// Whether and when hashes are compared.
    pub verify: Verify,
    /// Which hash is compared after a transfer.
    pub hash: HashChoice,
    /// Whether times and permissions are kept.
    pub preserve: bool,
    /// Whether uploads that replace a file always go to a temporary name first. If not, they do where nothing speaks
    /// against it.
    pub temp: bool,
    /// The most bytes per second of all files together.
    pub limit_rate: Option<NonZeroU64>,
    /// How many connections files, and ranges of large files, are spread over.
    pub parallel: usize,
}

impl Settings {
    /// The advice for a file that changed while it was transferred, or that arrived with other bytes: the next run must
    /// not take what is at the target for a conflict.
    pub(super) fn advice_to_start_anew(&self) -> &'static str {
        match self.conflicts {
            Policy::Overwrite => "run the same command again",
            Policy::Ask | Policy::Skip | Policy::Rename => "run the same command again with --overwrite",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            conflicts: Policy::Ask,
            update: false,
            resume: true,
            verify: Verify::Auto,
            hash: HashChoice::Md5,
            preserve: false,
            temp: false,
            limit_rate: None,
            parallel: 1,
        }
    }
}
