//! `homeport` from the command line to the exit code: the task ([`task`]), signing in ([`sign_in`]), and running it.

mod failure;
mod reported_prompts;
mod sign_in;
mod task;
mod wrong_words;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Cli, CommonArgs, MANUAL, ProgramCommand};
use crate::commands::{self, Session, StdinUse, UsageError, WRONG_USAGE};
use crate::connect::Target;
use crate::connect::program::askpass;
use crate::event_log::EventLog;
use crate::link::RemoteError;
use crate::output::{self, Output, Stdout, Style};
use crate::{ending, interrupt, report, shell};
use base::error::{Error, Result};
use base::manual;
use base::visible::printable;
use failure::CommandFailure;
use sign_in::signed_in;
use task::Task;
use wrong_words::WrongWords;

/// The longest wait until the disconnect message is sent.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Parses the words of the command line, the name of the program first, and runs them. Returns the exit code.
pub fn run_line(words: Vec<OsString>) -> ExitCode {
    let words = cli::words(words.into_iter());
    let mut options = words.iter().take_while(|word| word.as_os_str() != "--");
    let wants_json = options.any(|word| word.as_os_str() == "--json");
    let error = match Cli::try_parse_from(&words) {
        Ok(cli) => return run(cli),
        Err(error) if !error.use_stderr() => return show_help(&error),
        Err(error) => error,
    };
    let wrong = WrongWords::new(&error, &words);
    if wants_json {
        report::install(Style::Json, None);
        report::error(&wrong.sentence());
        return ExitCode::from(WRONG_USAGE);
    }
    let own = error.to_string();
    // clap does not wrap its errors.
    let is_wide = output::for_stderr(&own) != own;
    match wrong.text().or(is_wide.then_some(own)) {
        Some(text) => report::write(text.trim_end()),
        None => error.exit(),
    }
    ExitCode::from(WRONG_USAGE)
}

/// Prints help, or the version.
fn show_help(error: &clap::Error) -> ExitCode {
    let Stdout::Terminal { columns, colour } = Stdout::of_this_process() else {
        error.exit();
    };
    let text = match colour {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    match output::print(&output::wrap_usage(&text, columns)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether the system's ssh has started this program to ask for a password.
pub fn is_asked_by_ssh() -> bool {
    askpass::is_wanted()
}

/// Passes on what ssh asks to the program that has started ssh, and prints the answer.
pub fn ask_for_ssh() -> ExitCode {
    ExitCode::from(askpass::run())
}

/// Runs the command line, and returns the exit code.
pub fn run(cli: Cli) -> ExitCode {
    let code = match try_run(cli) {
        Ok(code) => code,
        Err(CommandFailure { code, error }) => {
            report::error(&error);
            code
        }
    };
    report::record("ended", &format!("exit code {code}"));
    if code == interrupt::EXIT_CODE {
        interrupt::end_process();
    }
    // A thread that waits for input at the terminal must not delay the exit.
    ending::exit(i32::from(code))
}

fn try_run(cli: Cli) -> std::result::Result<u8, CommandFailure> {
    let command = match cli.verb {
        Some(ProgramCommand::Completions { .. } | ProgramCommand::Man { .. }) if cli.target.is_some() => {
            return Err(
                UsageError::new("this command needs no server", "leave out what stands before it").into(),
            );
        }
        Some(ProgramCommand::Completions { shell }) => {
            output::print(&manual::completions::<Cli>(shell))?;
            return Ok(0);
        }
        Some(ProgramCommand::Man { dir }) => {
            manual::pages::<Cli>(&dir, &MANUAL)?;
            return Ok(0);
        }
        Some(ProgramCommand::Server(command)) => Some(command),
        None => None,
    };
    let style = match (cli.common.json, cli.common.quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Words,
    };
    let log = cli.common.log.as_deref().map(EventLog::open).transpose();
    report::install(style, log?);
    let stdin = match cli.common.password_stdin {
        true => StdinUse::Password,
        false => StdinUse::Free,
    };
    let task = Task::new(command, cli.target, stdin)?;
    report::record("started", &task.description());
    let runtime = match task {
        // A second thread keeps the connection alive while a line is typed.
        Task::Shell(_) => Builder::new_multi_thread().worker_threads(1).enable_all().build(),
        // One task encrypts and sends everything; waking helpers on other threads would only cost time.
        _ => Builder::new_current_thread().enable_all().build(),
    };
    let runtime = runtime.map_err(|error| Error::new("cannot start the event loop").because(error))?;
    let stdin_is_content = matches!(task, Task::Command(..));
    let output = Output {
        style,
        stdin_is_content,
    };
    let code = work(&runtime, &task, &cli.common, output);
    // A thread that waits for input at the terminal must not delay the exit.
    runtime.shutdown_background();
    code
}

/// Signs in, and runs the task.
fn work(
    runtime: &Runtime,
    task: &Task,
    common: &CommonArgs,
    output: Output,
) -> std::result::Result<u8, CommandFailure> {
    let stop = CancellationToken::new();
    let session = signed_in(&stop, common, task.target(), output);
    match task {
        Task::Shell(target) => {
            let session = runtime.block_on(interrupt::guard(stop.clone(), async {
                let session = session.await?;
                session.set_stop(stop.clone());
                session.stoppable(go_to(&session, target)).await?;
                Ok::<_, CommandFailure>(session)
            }))?;
            let runner = Arc::new(commands::Runner);
            let code = shell::run(Arc::clone(&session), runner, runtime.handle().clone());
            runtime.block_on(disconnect(&session));
            Ok(code)
        }
        task => runtime.block_on(interrupt::guard(stop.clone(), async {
            let session = session.await?;
            session.set_stop(stop.clone());
            let code = task.run(&session).await;
            disconnect(&session).await;
            Ok(match interrupt::count() {
                0 => code,
                _ => interrupt::EXIT_CODE,
            })
        })),
    }
}

/// Disconnects from the server, but waits no longer than [`DISCONNECT_TIMEOUT`] for it.
async fn disconnect(session: &Session) {
    let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, session.remote.close()).await;
}

/// Changes to the directory in which a shell begins.
async fn go_to(session: &Session, target: &Target) -> Result<()> {
    let Some(path) = &target.path else {
        return Ok(());
    };
    let path = session.path(OsStr::from_bytes(path));
    let refused =
        |failed: RemoteError| Error::new(format!("cannot go to \"{}\"", printable(&path))).because(failed);
    let there = session.stat(&path).await.map_err(refused)?;
    if there.is_directory() != Some(true) {
        return Err(Error::new(format!("\"{}\" is not a directory", printable(&path))));
    }
    session.set_directory(session.realpath(&path).await.map_err(refused)?);
    Ok(())
}
