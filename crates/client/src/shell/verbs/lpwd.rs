//! `lpwd`: shows the current directory on this machine.

use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::messages::reason;
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Show the current directory on this machine
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct LpwdArgs {}

impl ShellVerb for LpwdArgs {
    fn run(&self, shell: &mut ShellContext) -> LineOutcome {
        let here = std::env::current_dir();
        let here = here.map_err(|error| format!("the current directory is not known: {}", reason(&error)));
        here.map(|here| shell.say_directory(here.as_os_str().as_bytes()))
            .into()
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[]
    }
}
