//! `!`: runs a command of this machine, or the user's shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::shell::context::ShellContext;
use crate::shell::messages::{complain, reason};
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Run a command of this machine; without a command, a shell
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct LocalCommandArgs {
    /// The command with its words, as the shell of this machine takes them.
    #[arg(value_name = "COMMAND", allow_hyphen_values = true, trailing_var_arg = true)]
    pub(in crate::shell) words: Vec<OsString>,
}

impl ShellVerb for LocalCommandArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        let words: Vec<&[u8]> = self.words.iter().map(|word| word.as_bytes()).collect();
        LineOutcome::Code(run_line(&words.join(&b' ')))
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Local]
    }
}

/// Runs what stands behind the `!`, without splitting it: that is for the shell of this machine. Returns its exit code.
pub(in crate::shell) fn run_line(line: &[u8]) -> u8 {
    let line = line.trim_ascii();
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let shell = shell.unwrap_or_else(|| OsString::from("/bin/sh"));
    let mut command = std::process::Command::new(&shell);
    if !line.is_empty() {
        command.arg("-c").arg(OsStr::from_bytes(line));
    }
    match command.status() {
        Ok(status) => {
            let code = status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal));
            code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
        }
        Err(error) => {
            complain(&format!("cannot run a shell of this machine: {}", reason(&error)));
            1
        }
    }
}
