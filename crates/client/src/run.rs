//! `homeport` from the command line to the exit code: the task ([`task`]), signing in ([`sign_in`]), and running it.

mod failure;
mod sign_in;
mod task;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, CommonArgs, ProgramCommand};
use crate::commands::{self, Session, UsageError};
use crate::connect::Target;
use crate::link::RemoteError;
use crate::output::{self, Output, Style};
use crate::{interrupt, shell};
use base::error::{Error, Result};
use base::manual;
use base::visible::printable;
use failure::CommandFailure;
use sign_in::signed_in;
use task::Task;

/// The longest wait until the disconnect message is sent.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs the command line, and returns the exit code.
pub fn run(cli: Cli) -> ExitCode {
    let code = match try_run(cli) {
        Ok(code) => code,
        Err(CommandFailure { code, error }) => {
            eprintln!("homeport: {error}");
            code
        }
    };
    // A thread that waits for input at the terminal must not delay the exit.
    std::process::exit(i32::from(code))
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
            manual::pages::<Cli>(&dir)?;
            return Ok(0);
        }
        Some(ProgramCommand::Server(command)) => Some(command),
        None => None,
    };
    let task = Task::new(command, cli.target)?;
    let runtime = match task {
        // A second thread keeps the connection alive while a line is typed.
        Task::Shell(_) => Builder::new_multi_thread().worker_threads(1).enable_all().build(),
        // One task encrypts and sends everything; waking helpers on other threads would only cost time.
        _ => Builder::new_current_thread().enable_all().build(),
    };
    let runtime = runtime.map_err(|error| Error::new("cannot start the event loop").because(error))?;
    let style = match (cli.common.json, cli.common.quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Words,
    };
    let output = Output { style };
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
            Ok(code)
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
    let link = session.link().await?;
    let path = session.path(OsStr::from_bytes(path));
    let refused =
        |failed: RemoteError| Error::new(format!("cannot go to \"{}\"", printable(&path))).because(failed);
    let there = link.stat(&path).await.map_err(refused)?;
    if there.is_directory() != Some(true) {
        return Err(Error::new(format!("\"{}\" is not a directory", printable(&path))));
    }
    session.set_directory(link.realpath(&path).await.map_err(refused)?);
    Ok(())
}
