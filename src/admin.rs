//! `homeportd`: the operator's verbs, over the store, the disk and the running server.
//!
//! Invariant: nothing here runs as root on a data directory that is another's (see [`owner`]), and no password is
//! ever an argument.

pub(crate) mod announce;
pub mod cli;
pub mod owner;
pub mod store;
pub mod usage;

mod check;
mod demo;
mod erase;
mod hostkey;
mod init;
mod key_files;
mod keys;
mod passwords;
mod quota;
mod serve;
pub(crate) mod sessions;
mod settings;
mod show;
mod storage;
mod users;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use crate::config::Config;
use crate::store::sql::SqlStore;
use crate::telemetry::escape::for_terminal;
use base::error::{Error, Result};
use base::manual;
use cli::{Cli, Command, HostkeyCommand, StorageCommand, UserCommand};

/// Does what the command line says; the exit code is 0 when it is done, else what the error says.
pub fn run(cli: Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            let text = error.to_string();
            // An error in the configuration has lines of its own; what is in them may be anybody's.
            let lines: Vec<String> = text.split('\n').map(for_terminal).collect();
            let _ = writeln!(io::stderr(), "homeportd: {}", lines.join("\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let file = cli.config.as_deref();
    let load = || Config::find(file).and_then(|file| Config::load(&file));
    let text = match cli.command {
        Command::Serve => {
            serve::serve(load()?)?;
            String::new()
        }
        Command::Demo(args) => {
            serve::demo(&args.dir, args.listen)?;
            String::new()
        }
        Command::Init(args) => {
            let file = init::init(&args.dir, args.listen)?;
            let config = Config::load(&file)?;
            with_store(store::make(&config), async |_| Ok(()))?;
            let file = file.display();
            format!(
                "made \"{file}\"\nnow: homeportd -c {file} user add NAME\n     homeportd -c {file} serve\n"
            )
        }
        Command::Check(args) => {
            let held = match args.sockets_held {
                true => check::Held::OnOurBehalf,
                false => check::Held::ByUs,
            };
            let checked = check::check(&load()?, held)?;
            print(&checked.report.text(checked.users))?;
            return Ok(if checked.report.has_errors() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
        Command::User(UserCommand::Set(args)) if args.is_empty() => {
            let error = Cli::command().error(
                ErrorKind::MissingRequiredArgument,
                "nothing to set (see `user set --help`)",
            );
            error.exit()
        }
        Command::User(command) => {
            let config = load()?;
            let inputs = users::Inputs::read(&command)?;
            let may_make = matches!(command, UserCommand::Add(_));
            let opening = async {
                match may_make {
                    true => store::make(&config).await,
                    false => store::existing(&config).await,
                }
            };
            with_store(opening, async |store| {
                users::run(command, inputs, &config, store).await
            })?
        }
        Command::Quota(command) => {
            let config = load()?;
            with_store(store::existing(&config), async |store| {
                quota::run(command, &config, store, &mut print).await
            })?;
            String::new()
        }
        Command::Storage(StorageCommand::Adopt(args)) => {
            let config = load()?;
            with_store(store::existing(&config), async |store| {
                storage::adopt(&args, &config, store).await
            })?
        }
        Command::Sessions(command) => sessions::run(command, &load()?.control_socket())?,
        Command::Hostkey(HostkeyCommand::List { json }) => {
            let config = load()?;
            if config.data_dir().is_dir() {
                owner::become_owner(config.data_dir())?;
            }
            hostkey::list(json, &config)?
        }
        Command::Hostkey(HostkeyCommand::Generate { kind }) => {
            let config = load()?;
            with_store(store::existing(&config), async |store| {
                hostkey::generate(kind, &config, store).await
            })?
        }
        Command::Completions { shell } => manual::completions::<Cli>(shell),
        Command::Man { dir } => {
            manual::pages::<Cli>(&dir)?;
            String::new()
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a short piece of asynchronous work to its end.
fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime
        .map_err(|e| Error::new("cannot start").because(e))?
        .block_on(work))
}

/// Does some work on a store, and closes it.
fn with_store<T>(
    opening: impl Future<Output = Result<SqlStore>>,
    work: impl AsyncFnOnce(&SqlStore) -> Result<T>,
) -> Result<T> {
    wait(async {
        let store = opening.await?;
        let done = work(&store).await;
        store.close().await;
        done
    })?
}

/// To standard output, all at once. A reader who has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to standard output").because(e))
        }
        _ => Ok(()),
    }
}

/// Says what is not as it should be, and keeps nothing from being done: in the log of a server, else on standard error.
fn warn(error: &Error) {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{error}");
    } else {
        let _ = writeln!(
            io::stderr(),
            "homeportd: warning: {}",
            for_terminal(&error.to_string())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, path: &str) -> usize {
            if command.has_subcommands() {
                return command
                    .get_subcommands()
                    .map(|c| check(c, &format!("{path} {}", c.get_name())))
                    .sum();
            }
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let words = path.split_once(' ').map_or("", |(_, words)| words);
            assert!(
                help.contains("homeportd") && help.contains(words),
                "{path} has no example"
            );
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            1
        }
        assert!(check(&Cli::command(), "homeportd") > 15);
    }
}
