//! The command line of `homeportd`: reads arguments, calls one use case, prints its view, and sets the exit code.

mod adopt;
mod audit;
mod backup;
mod check;
mod demo;
mod folders;
pub mod grammar;
mod groups;
mod hooks;
mod host_keys;
mod init;
mod key_files;
mod output;
mod passwords;
mod progress;
mod quota;
mod reload;
mod restore;
mod serve;
mod sessions;
mod sharing;
mod tokens;
mod top;
mod users;
mod users_file;
mod work;

use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Config};
use crate::control::client::Client;
use base::error::Result;
use base::manual;
use grammar::{Cli, Command, StorageCommand, UserCommand};

/// Runs the command of this command line. The exit code is 0 if it succeeds, otherwise that of the error.
pub fn run(cli: Cli) -> ExitCode {
    dispatch(cli).unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::from(error.exit_code())
    })
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let load = || load(cli.config.as_deref());
    match cli.command {
        Command::Serve(args) => {
            let config = load()?;
            if let Some(file) = &args.users {
                users_file::before_serving(file, &config)?;
            }
            crate::serve::process::serve(config)?;
        }
        Command::Demo(args) => serve::demo(&args.dir, args.listen)?,
        Command::Init(args) => output::print(&init::run(&args, load)?)?,
        Command::Reload { json } => {
            let config = load()?;
            let server = Client::new(config.control_socket());
            output::print(&work::wait(reload::run(&config, &server, json))??)?;
        }
        Command::Check(args) => return check::run(&args, cli.config.as_deref()),
        Command::User(UserCommand::File(command)) => return users_file::run(command, &load()?),
        Command::User(command) => users::run(command, load)?,
        Command::Group(command) => groups::run(command, &load()?)?,
        Command::Folder(command) => folders::run(command, &load()?)?,
        Command::Token(command) => tokens::run(command, &load()?)?,
        Command::Quota(command) => quota::run(command, &load()?)?,
        Command::Audit(args) => audit::run(args, &load()?)?,
        Command::Storage(StorageCommand::Adopt(args)) => adopt::run(&args, &load()?)?,
        Command::Sessions(command) => {
            let server = Client::new(load()?.control_socket());
            output::print(&work::wait(sessions::run(command, &server))??)?;
        }
        Command::Top(args) => top::run(&args, Client::new(load()?.control_socket()))?,
        Command::Backup(args) => return backup::run(&args, &load()?),
        Command::Restore(args) => restore::run(&args, cli.config.as_deref())?,
        Command::Hooks(command) => output::print(&hooks::run(command, &load()?)?)?,
        Command::Hostkey(command) => output::print(&host_keys::run(command, &load()?)?)?,
        Command::Completions { shell } => output::print(&manual::completions::<Cli>(shell))?,
        Command::Man { dir } => manual::pages::<Cli>(&dir, &grammar::MANUAL)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(explicit: Option<&Path>) -> Result<Config> {
    config::load(&config::find(explicit)?)
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod manual_tests;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

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
