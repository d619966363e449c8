//! The interactive shell: reads lines, from a terminal or as a script, and has them done.
//!
//! What looks around and moves (`cd`, `lls`, `help`, …) is done here ([`here`]); everything else goes to a [`Run`]. Lines
//! are read in [`editor`] or [`script`], and understood in [`verbs`]. The words of a [`Command`] are patterns, as
//! [`globs`](super::globs) has them.

pub mod complete;
mod editor;
mod help;
mod here;
mod lister;
mod script;
mod verbs;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal as _, Write as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::commands::Session;
use super::commands::args::{ChmodArgs, DfArgs, LsArgs, MkdirArgs, MvArgs, RmArgs, SumArgs, TransferArgs};
use super::interrupt::{Heard, guard};
use super::printable::printable;
use base::words::words;
use here::Here;
use verbs::Spoken;

/// What the server is needed for. Words are patterns: see [`globs`](super::globs).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the commands")]
pub enum Command {
    Ls(LsArgs),
    Get(TransferArgs),
    Put(TransferArgs),
    Mkdir(MkdirArgs),
    /// `remov` too, which is recursive.
    Rm(RmArgs),
    Mv(MvArgs),
    Chmod(ChmodArgs),
    Sum(SumArgs),
    Df(DfArgs),
}

impl Command {
    /// Its words.
    pub fn words(&mut self) -> &mut Vec<OsString> {
        match self {
            Self::Ls(args) => &mut args.words,
            Self::Get(args) | Self::Put(args) => &mut args.words,
            Self::Mkdir(args) => &mut args.words,
            Self::Rm(args) => &mut args.words,
            Self::Mv(args) => &mut args.words,
            Self::Chmod(args) => &mut args.words,
            Self::Sum(args) => &mut args.words,
            Self::Df(args) => &mut args.words,
        }
    }
}

/// Who does it.
#[async_trait]
pub trait Run: Send + Sync {
    /// Does it, says what there is to say, and returns the exit code. The session's `stop` is cancelled by Ctrl-C.
    async fn run(&self, session: &Arc<Session>, command: Command) -> u8;
}

/// Reads commands from standard input until they end; the exit code of the program. At a terminal it is 0 at the end;
/// a script ends at the first command that fails, with its code.
///
/// For the main thread, outside of the runtime.
pub fn run(session: Arc<Session>, runner: Arc<dyn Run>, runtime: Handle) -> u8 {
    let mut shell = Shell::new(session, runner, runtime);
    if io::stdin().is_terminal() {
        return editor::run(&mut shell);
    }
    script::run(&mut shell, io::stdin().lock())
}

/// The same for a script that comes from elsewhere.
pub fn run_script(session: Arc<Session>, runner: Arc<dyn Run>, runtime: Handle, script: impl BufRead) -> u8 {
    script::run(&mut Shell::new(session, runner, runtime), script)
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// With this code, which is 0 if all went well.
    Code(u8),
    /// What was typed before is to be shown.
    History,
    /// That was the last one.
    Exit,
}

/// Where one is, and who does the work.
struct Shell {
    session: Arc<Session>,
    runner: Arc<dyn Run>,
    runtime: Handle,
    /// Where `cd -` goes.
    previous: Option<Vec<u8>>,
    /// Ctrl-C between commands; none where it can't be heard.
    heard: Option<Heard>,
}

impl Shell {
    fn new(session: Arc<Session>, runner: Arc<dyn Run>, runtime: Handle) -> Self {
        let heard = {
            let _inside = runtime.enter();
            Heard::listen().ok()
        };
        Self {
            session,
            runner,
            runtime,
            previous: None,
            heard,
        }
    }

    /// Does what one line says.
    fn line(&mut self, line: &[u8]) -> Done {
        let line = line.trim_ascii_start();
        match line.first() {
            None | Some(b'#') => return Done::Code(0),
            Some(b'!') => {
                complain(
                    "commands of this machine are not run here (hint: another terminal; lls, lcd and lpwd are there)",
                );
                return Done::Code(2);
            }
            Some(_) => {}
        }
        let words = match words(line) {
            Ok(words) => words,
            Err(error) => {
                complain(&error.to_string());
                return Done::Code(2);
            }
        };
        match verbs::understand(&words) {
            Ok(Spoken::Run(command)) => {
                let stop = self.session.begin();
                let work = self.runner.run(&self.session, command);
                Done::Code(self.runtime.block_on(guard(stop, work)))
            }
            Ok(Spoken::Here(Here::Exit)) => Done::Exit,
            Ok(Spoken::Here(Here::History)) => Done::History,
            Ok(Spoken::Here(here)) => Done::Code(self.here(here)),
            Err(help::Told { text, code: 0 }) => {
                say(&text);
                Done::Code(0)
            }
            Err(help::Told { text, code }) => {
                complain(&text);
                Done::Code(code)
            }
        }
    }

    /// Was Ctrl-C pressed since this was asked last?
    fn was_interrupted(&mut self) -> bool {
        self.heard.as_mut().is_some_and(Heard::any)
    }
}

/// A result, in lines of its own.
fn say(text: &str) {
    // Where standard output is closed, nobody reads it.
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// What went wrong.
fn complain(sentence: &str) {
    let _ = writeln!(io::stderr().lock(), "homeport: {sentence}");
}

/// A name in a sentence.
fn named(name: &[u8]) -> String {
    format!("\"{}\"", printable(name))
}
