//! The command line of `homeport`: the options that all commands share, and the commands of the program itself. Verbs
//! that work on a server come from [`commands`](crate::commands). It only parses; [`run`](crate::run) acts on the
//! result.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::Command;
use crate::commands::find::with_two_dashes;
use base::error::Error;
use base::manual::ManualSections;

/// What the manual pages say beside the grammar.
pub const MANUAL: ManualSections = ManualSections {
    exit_status: &[
        ("0", "Everything is done."),
        ("1", "The command failed."),
        ("2", "The command line is wrong."),
        (
            "3",
            "Not signed in: the server refused the user, or its host key is not the known one.",
        ),
        ("4", "Some transfers failed, or something was left out."),
        ("5", "Verification found a difference."),
        (
            "130",
            "Ctrl-C was pressed. The program ends by SIGINT, so that loops of a shell end, too.",
        ),
    ],
    environment: &[
        (
            "NO_COLOR",
            "If it is set and not empty, nothing is shown in colour.",
        ),
        ("SSH_AUTH_SOCK", "The socket of ssh-agent, whose keys sign in."),
        (
            "TERM",
            "If it is dumb, there are no progress bars and no colours.",
        ),
        (
            "XDG_STATE_HOME",
            "The directory for the history of the shell, instead of ~/.local/state.",
        ),
    ],
    files: &[
        (
            "~/.ssh/config, /etc/ssh/ssh_config",
            "Settings of hosts, as ssh_config(5) has them. -F names another file.",
        ),
        (
            "~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts",
            "Known host keys. --known-hosts names another file.",
        ),
        ("~/.ssh/id_*", "Keys to sign in with, unless others are named."),
        ("~/.local/state/homeport/history", "The history of the shell."),
        (
            "NAME.part",
            "A download that is not whole yet. The same command goes on with it.",
        ),
        (
            "NAME.homeport.part",
            "On a server: a file that is to replace NAME, and is not whole yet.",
        ),
    ],
};

/// An SFTP client that resumes interrupted transfers, and verifies the files that it has transferred.
///
/// Without a command, it opens an interactive shell on the server; type `help` there.
#[derive(Debug, Parser)]
#[command(
    name = "homeport",
    version,
    max_term_width = 100,
    override_usage = "homeport [OPTIONS] [USER@]HOST[:PATH]\n       homeport [OPTIONS] COMMAND …",
    after_help = "Remote files are written [USER@]HOST:PATH, relative to the home, or sftp://[USER@]HOST[:PORT]/PATH.\n\n\
        Examples:\n  \
        homeport alice@files.example.org                        a shell\n  \
        homeport put backup.tar alice@files.example.org:        send it, or the rest\n  \
        homeport get -r alice@files.example.org:photos .        fetch a directory\n  \
        homeport sum alice@files.example.org:backup.tar         its MD5 hash\n  \
        tar c . | homeport put - alice@files.example.org:x.tar  send a stream\n\n\
        Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 not signed in,\n\
        4 some transfers failed, 5 verification found a difference, 130 Ctrl-C."
)]
pub struct Cli {
    /// The options that all commands share: how to connect, and what is shown.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The server on which to open a shell.
    #[arg(value_name = "[USER@]HOST[:PATH]")]
    pub target: Option<OsString>,
    /// The command to run instead of a shell.
    #[command(subcommand)]
    pub verb: Option<ProgramCommand>,
}

/// The words of a command line, with the tests of `find` as they are read here: people type them with one dash.
pub fn words(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = typed.collect();
    let is_verb = |word: &OsString| {
        word.to_str()
            .is_some_and(|word| Command::candidates(word, 0).is_some())
    };
    let verb = words.iter().position(is_verb);
    if let Some(at) = verb
        && words.get(at).is_some_and(|verb| verb == "find")
    {
        let tests = words.split_off(at);
        words.extend(with_two_dashes(tests.into_iter()));
    }
    words
}

/// The options that all commands share: how to connect, and what is shown. Help lists them behind a command's own.
#[derive(Debug, Default, Args)]
#[command(next_display_order = 100)]
pub struct CommonArgs {
    /// Connect to this port of the server.
    #[arg(short = 'P', long, global = true, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Sign in with this private key. The option may be given several times.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Read this file instead of ~/.ssh/config. With `none`, read no file.
    #[arg(short = 'F', long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set an option of ssh_config(5), which outweighs the configuration. The option may be given several times.
    #[arg(short = 'o', long = "option", global = true, value_name = "KEY=VALUE")]
    pub option: Vec<String>,
    /// Connect through these hosts, each USER@HOST:PORT or a part of it, separated by commas. `none` connects directly.
    #[arg(short = 'J', long, global = true, value_name = "HOST,…")]
    pub jump: Option<String>,
    /// Let the system's ssh make the connection: for what only ssh has. It is chosen where the configuration needs it.
    #[arg(
        long,
        global = true,
        value_name = "PROGRAM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "ssh"
    )]
    pub ssh: Option<PathBuf>,
    /// Print how the connection is made; -vv prints each request, too.
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Read known host keys from this file instead of ~/.ssh/known_hosts.
    #[arg(long, global = true, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Remember the key of an unknown host without asking. A changed key is refused all the same.
    #[arg(long, global = true)]
    pub accept_new: bool,
    /// Read the password from the first line of standard input.
    #[arg(long, global = true)]
    pub password_stdin: bool,
    /// Never prompt. Whatever would need an answer fails.
    #[arg(long, global = true)]
    pub batch: bool,
    /// Give up connecting when the server does not answer for this many seconds.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub connect_timeout: Option<u64>,
    /// Try for this long to connect, also again when the connection breaks: 10m, 1h30m. The time runs from the first break
    /// after the last progress. Every command goes on after a break: files are read and written on where they were, and a
    /// change that was not confirmed is made again, unless it shows that it was made. Without this, the first attempt counts,
    /// a connection that breaks is made again for half a minute, and five breaks in a row without progress end a command.
    #[arg(long, global = true, value_name = "TIME", value_parser = positive_time)]
    pub retry_for: Option<Duration>,
    /// Print results as JSON, one object per line, for scripts.
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub json: bool,
    /// Print only results, errors, and what -v asks for: no progress, no summaries, no messages of the server.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Append a line for each event to this file. It is created for its owner alone, and never contains passwords.
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// The longest time of an option: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A time as people write it: `90s`, `10m`, `1h30m`.
fn positive_time(text: &str) -> Result<Duration, Error> {
    let time = text.parse::<jiff::SignedDuration>().ok();
    let time = time.and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| Error::new("this is not a time").hint("a number with a unit: 90s, 10m, 1h30m"))
}

/// The command to run instead of a shell.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// A command that works on a server.
    #[command(flatten)]
    Server(Command),
    /// Print a script that completes homeport's arguments in a shell
    #[command(after_help = "Example:\n  homeport completions bash > /etc/bash_completion.d/homeport")]
    Completions {
        /// The shell for which the script is: bash, elvish, fish, powershell or zsh.
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(after_help = "Example:\n  homeport man /usr/local/share/man/man1")]
    Man {
        /// The directory for the pages. It is created if it does not exist.
        dir: PathBuf,
    },
}
