//! The interactive shell: reads lines from a terminal or a script, and runs them.
//!
//! Lines are read in [`editor`] or [`script`], and run by the [`interpreter`]. Their syntax is in the [`grammar`],
//! which is made from the verbs of [`commands`](crate::commands) and from the shell's own [`verbs`]; [`help`] and
//! completion ([`complete`]) follow from it. The words of a command are patterns, as [`globs`](crate::globs) has them.

pub mod complete;
mod context;
mod editor;
mod grammar;
mod help;
mod interpreter;
mod lister;
mod messages;
mod script;
mod verb;
mod verbs;

use std::io::{self, BufRead, IsTerminal as _};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::commands::{CommandRunner, Session};
use interpreter::Interpreter;

/// Reads commands from standard input until they end, and returns the exit code of the program. At a terminal that is
/// 0; a script ends at the first command that fails, with its code.
///
/// It must be called on the main thread, outside of the runtime.
pub fn run(session: Arc<Session>, runner: Arc<dyn CommandRunner>, runtime: Handle) -> u8 {
    let mut shell = Interpreter::new(session, runner, runtime);
    if io::stdin().is_terminal() {
        return editor::run(&mut shell);
    }
    script::run(&mut shell, io::stdin().lock())
}

/// Runs a script from any source, and returns its exit code.
pub fn run_script(
    session: Arc<Session>,
    runner: Arc<dyn CommandRunner>,
    runtime: Handle,
    script: impl BufRead,
) -> u8 {
    script::run(&mut Interpreter::new(session, runner, runtime), script)
}
