//! `remov`: `rm -r` under the name that older tools have for it.

use clap::Args;

use crate::commands::rm::RmArgs;

/// Remove files and directories with their contents: rm -r
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct RemovArgs {
    /// The options and words of `rm`.
    #[command(flatten)]
    rm: RmArgs,
}

impl RemovArgs {
    /// The `rm` that does the work.
    pub(in crate::shell) fn into_rm(self) -> RmArgs {
        RmArgs {
            recursive: true,
            ..self.rm
        }
    }
}
