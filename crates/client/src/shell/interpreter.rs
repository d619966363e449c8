//! Runs one line: splits it into words, parses them, and runs the command.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::context::ShellContext;
use super::help;
use super::messages::complain;
use super::verb::LineOutcome;
use super::verbs::local_command::run_line;
use crate::commands::{CommandRunner, Session};
use crate::interrupt::{InterruptListener, guard};
use base::words::words;

/// What to do after a line, for the loops that read lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// The line ended with this exit code, which is 0 if all went well.
    Code(u8),
    /// Show the history, which only the line editor has.
    ShowHistory,
    /// Leave the shell, because this was the last line.
    Leave,
}

/// The shell without the source of its lines.
pub(super) struct Interpreter {
    pub(super) context: ShellContext,
    runner: Arc<dyn CommandRunner>,
    /// Receives Ctrl-C between commands, or `None` if no signal handler can be installed.
    interrupts: Option<InterruptListener>,
}

impl Interpreter {
    /// A shell in the directory of the session. Verbs that work on the server go to `runner`.
    pub(super) fn new(session: Arc<Session>, runner: Arc<dyn CommandRunner>, runtime: Handle) -> Self {
        let interrupts = {
            let _inside = runtime.enter();
            InterruptListener::listen().ok()
        };
        Self {
            context: ShellContext {
                session,
                runtime,
                previous: None,
            },
            runner,
            interrupts,
        }
    }

    /// Runs one line, and returns what to do next.
    pub(super) fn line(&mut self, line: &[u8]) -> NextStep {
        let line = line.trim_ascii_start();
        match line.first() {
            None | Some(b'#') => return NextStep::Code(0),
            // It is not split into words here: that is for the shell of this machine.
            Some(b'!') => return NextStep::Code(run_line(line.get(1..).unwrap_or_default())),
            Some(_) => {}
        }
        let words = match words(line) {
            Ok(words) => words,
            Err(error) => {
                complain(&error.to_string());
                return NextStep::Code(2);
            }
        };
        let command = match help::understand(&words) {
            Ok(command) => command,
            Err(message) => return NextStep::Code(message.print()),
        };
        match command.into_own() {
            Ok(verb) => match verb.run(&mut self.context) {
                LineOutcome::Code(code) => NextStep::Code(code),
                LineOutcome::Help(topic) => NextStep::Code(help::of(topic.as_deref()).print()),
                LineOutcome::History => NextStep::ShowHistory,
                LineOutcome::Exit => NextStep::Leave,
            },
            Err(command) => {
                let stop = self.context.session.begin();
                let work = self.runner.run(&self.context.session, *command);
                NextStep::Code(self.context.runtime.block_on(guard(stop, work)))
            }
        }
    }

    /// Whether Ctrl-C was pressed since this was asked last.
    pub(super) fn was_interrupted(&mut self) -> bool {
        self.interrupts.as_mut().is_some_and(InterruptListener::any)
    }
}
