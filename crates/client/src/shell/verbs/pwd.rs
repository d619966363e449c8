//! `pwd`: shows the directory of the server where one is.

use clap::Args;

use crate::shell::context::ShellContext;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Show where you are on the server
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct PwdArgs {}

impl ShellVerb for PwdArgs {
    fn run(&self, shell: &mut ShellContext) -> LineOutcome {
        shell.say_directory(&shell.session.directory());
        LineOutcome::Code(0)
    }
}
