//! The command line of `homeport`. It only reads words; [`super::run`] acts on them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::commands::args::{ChmodArgs, DfArgs, LsArgs, MkdirArgs, MvArgs, RmArgs, SumArgs, TransferArgs};
use super::shell;

/// An SFTP client that resumes what broke off, and proves what arrived.
///
/// Without a command it opens a shell on the server; type `help` there.
#[derive(Debug, Parser)]
#[command(
    name = "homeport",
    version,
    max_term_width = 100,
    override_usage = "homeport [OPTIONS] [USER@]HOST[:PATH]\n       homeport [OPTIONS] COMMAND …",
    after_help = "Remote files are written [USER@]HOST:PATH, relative to the home, or sftp://[USER@]HOST[:PORT]/PATH.\n\n\
        Examples:\n  \
        homeport alice@files.example.org                       a shell\n  \
        homeport put backup.tar alice@files.example.org:       send it; run again to go on after a break\n  \
        homeport get -r alice@files.example.org:photos .       fetch a directory\n  \
        homeport sum alice@files.example.org:backup.tar        its MD5, computed there\n\n\
        Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 not signed in,\n\
        4 some transfers failed, 5 verification found a difference."
)]
pub struct Cli {
    /// How to connect, and what is shown.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Open a shell there.
    #[arg(value_name = "[USER@]HOST[:PATH]")]
    pub target: Option<OsString>,
    /// What to do instead.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// How to connect, and what is shown.
#[derive(Debug, Default, Args)]
pub struct CommonArgs {
    /// The server's port.
    #[arg(short = 'P', long, global = true, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// A private key to sign in with; may be given several times.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Read this instead of ~/.ssh/config; `none`: read none.
    #[arg(short = 'F', long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Known host keys are here instead of ~/.ssh/known_hosts.
    #[arg(long, global = true, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Remember the key of a host that is not known yet without asking; a changed one is refused all the same.
    #[arg(long, global = true)]
    pub accept_new: bool,
    /// Read the password from standard input: its first line.
    #[arg(long, global = true)]
    pub password_stdin: bool,
    /// Never ask anything: what would be asked fails.
    #[arg(long, global = true)]
    pub batch: bool,
    /// Give up when nothing answers for so long.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub connect_timeout: Option<u64>,
    /// Print one JSON object a line, for scripts.
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub json: bool,
    /// Print errors only.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// What to do instead of opening a shell.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// On a server.
    #[command(flatten)]
    There(Command),
    /// Print a script that completes homeport's arguments in a shell.
    #[command(after_help = "Example:\n  homeport completions bash > /etc/bash_completion.d/homeport")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    #[command(after_help = "Example:\n  homeport man /usr/local/share/man/man1")]
    Man {
        /// Made if it is missing
        dir: PathBuf,
    },
}

/// One command, for scripts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch files: get HOST:FILE… and perhaps where to
    Get(TransferArgs),
    /// Send files: put FILE… HOST:WHERE
    Put(TransferArgs),
    /// List files: ls HOST:PATH
    Ls(LsArgs),
    /// Make directories.
    Mkdir(MkdirArgs),
    /// Remove files.
    Rm(RmArgs),
    /// Rename or move: mv HOST:FROM… HOST:TO
    Mv(MvArgs),
    /// Set permissions: chmod 640 HOST:PATH…
    Chmod(ChmodArgs),
    /// Print MD5 hashes, computed on the server.
    Sum(SumArgs),
    /// Show the quota, and how much of it is used.
    Df(DfArgs),
}

impl From<Command> for shell::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Get(args) => Self::Get(args),
            Command::Put(args) => Self::Put(args),
            Command::Ls(args) => Self::Ls(args),
            Command::Mkdir(args) => Self::Mkdir(args),
            Command::Rm(args) => Self::Rm(args),
            Command::Mv(args) => Self::Mv(args),
            Command::Chmod(args) => Self::Chmod(args),
            Command::Sum(args) => Self::Sum(args),
            Command::Df(args) => Self::Df(args),
        }
    }
}
