//! The settings of transfers, as the command line gives them.

use crate::plan::Policy;

/// Whether hashes are compared after a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Verify {
    /// Compare whenever the server can hash.
    #[default]
    Auto,
    /// Compare, and fail if the server cannot hash.
    Always,
    /// Compare nothing but the sizes.
    Never,
}

/// The settings of a run of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What is done about a file that exists and differs.
    pub conflicts: Policy,
    /// Whether an existing part may be completed.
    pub resume: bool,
    /// Whether and when hashes are compared.
    pub verify: Verify,
    /// Whether times and permissions are kept.
    pub preserve: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            conflicts: Policy::Ask,
            resume: true,
            verify: Verify::Auto,
            preserve: false,
        }
    }
}
