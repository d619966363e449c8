//! The trait of the shell's own verbs. Verbs that work on a server are [`Verb`](crate::commands::verb::Verb)s.

use super::context::ShellContext;
use super::messages::complain;
use crate::commands::candidates::Candidates;

/// What to do after a line with a verb of the shell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineOutcome {
    /// The line was run, and ended with this exit code.
    Code(u8),
    /// Show the lines of the history.
    History,
    /// Show the help of one verb, or the list of all.
    Help(Option<String>),
    /// Leave the shell, because this was the last line.
    Exit,
}

impl From<Result<(), String>> for LineOutcome {
    /// Prints the sentence of an error.
    fn from(done: Result<(), String>) -> Self {
        match done {
            Ok(()) => Self::Code(0),
            Err(sentence) => {
                complain(&sentence);
                Self::Code(1)
            }
        }
    }
}

/// The arguments of one verb of the shell's own, and the work that they ask for.
pub(super) trait ShellVerb {
    /// Does the work, and prints its results and errors.
    fn run(&self, shell: &mut ShellContext) -> LineOutcome;

    /// What completion offers for the word behind `earlier` others.
    fn candidates(earlier: usize) -> &'static [Candidates]
    where
        Self: Sized;
}
