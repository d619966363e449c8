//! `exit`: leaves the shell, as Ctrl-D does.

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Leave the shell and close the connection
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct ExitArgs {}

impl ShellVerb for ExitArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        LineOutcome::Exit
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[]
    }
}
