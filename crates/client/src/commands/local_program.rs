//! Programs of this machine that take over the terminal for a while: the pager and the editor. Ctrl-C is theirs as long
//! as they run.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::interrupt::{self, SigintMeaning};
use base::error::{Error, Result};

/// A program as a line for the shell of this machine, which may have arguments of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalProgram(String);

impl LocalProgram {
    /// The first of these environment variables that is set, else the first of these programs that is installed.
    pub(super) fn choose(variables: &[&str], programs: &[&str]) -> Result<Self> {
        let set = variables.iter().find_map(|name| {
            let value = std::env::var(name).ok()?;
            (!value.trim().is_empty()).then_some(value)
        });
        let installed = || {
            programs
                .iter()
                .find(|name| is_installed(name))
                .map(|name| (*name).to_owned())
        };
        set.or_else(installed).map(Self).ok_or_else(|| {
            let hint = format!("set ${}", variables.join(" or $"));
            Error::new(format!("none of {} is installed", programs.join(", "))).hint(hint)
        })
    }

    fn command(&self) -> Command {
        let is_special = |c: char| "|&;<>()$`\\\"'\n*?[#~=%".contains(c);
        let mut words = self.0.split_whitespace();
        // Without a shell in between, since Ctrl-C would end that even if the program goes on.
        if !self.0.contains(is_special)
            && let Some(program) = words.next()
        {
            let mut command = Command::new(program);
            command.args(words);
            return command;
        }
        let mut command = Command::new("sh");
        // The words of the program are the shell's to split; what is behind them is passed as it is.
        command.arg("-c").arg(format!("{} \"$@\"", self.0)).arg("sh");
        command
    }

    /// Runs the program on a file, and waits until it ends.
    pub(super) async fn edit(&self, file: &Path) -> Result<ExitStatus> {
        let mut command = self.command();
        command.arg(file);
        let _theirs = interrupt::meaning(SigintMeaning::Ignore);
        let status = tokio::task::spawn_blocking(move || command.status()).await;
        status
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| self.cannot_run(error))
    }

    /// Starts the program with a pipe for its input.
    pub(super) fn start_with_pipe(&self) -> Result<std::process::Child> {
        let mut command = self.command();
        command.stdin(Stdio::piped());
        command.spawn().map_err(|error| self.cannot_run(error))
    }

    fn cannot_run(&self, error: io::Error) -> Error {
        Error::new(format!("cannot run \"{}\"", self.0.escape_debug())).because(error)
    }
}

/// Whether a program of this name is in one of the directories of `$PATH`.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}
