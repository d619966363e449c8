//! `pwd`: shows the current directory on the server.

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Show the current directory on the server
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct PwdArgs {}

impl ShellVerb for PwdArgs {
    fn run(&self, shell: &mut ShellContext) -> LineOutcome {
        shell.say_directory(&shell.session.directory());
        LineOutcome::Code(0)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[]
    }
}
