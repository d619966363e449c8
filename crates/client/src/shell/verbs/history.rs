//! `history`: lists the lines that were typed. Only the line editor knows them.

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// List the lines that were typed
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct HistoryArgs {}

impl ShellVerb for HistoryArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        LineOutcome::History
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[]
    }
}
