//! `help`: shows all verbs, or how one is used. The texts are made in [`help`](crate::shell::help).

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// List the commands, or show how one is used
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct HelpArgs {
    /// The command whose help is shown.
    #[arg(value_name = "COMMAND")]
    pub(in crate::shell) command: Option<String>,
}

impl ShellVerb for HelpArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        LineOutcome::Help(self.command.clone())
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Verbs]
    }
}
