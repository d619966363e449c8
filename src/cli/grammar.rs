//! The command line of `homeportd`: its arguments, and the help texts, which are also the manual.
#![allow(
    missing_docs,
    reason = "doc comments are the help text here, and some fields need none"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "[server] is a section of the configuration, in help text"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

mod audit;
mod backup;
mod folder;
mod group;
mod hooks;
mod host_keys;
mod quota;
mod settings;
mod token;
mod user;
mod users_file;

pub use audit::AuditArgs;
pub use backup::{BackupArgs, RestoreArgs};
pub use folder::{FolderAddArgs, FolderCommand, FolderSetArgs};
pub use group::{GroupAddArgs, GroupCommand, GroupSetArgs, SharedOutputArgs};
pub use hooks::{HookSelectionArgs, HooksCommand};
pub use host_keys::{HostKeyArgs, HostkeyCommand};
pub use quota::{HolderArgs, QuotaCommand};
pub use token::{TokenAddArgs, TokenCommand};
pub use user::{AddArgs, KeyCommand, OutputArgs, SetArgs, TotpCommand, UserCommand};
pub use users_file::{ApplyArgs, ImportArgs, ImportFormat, PlanArgs, UsersFileCommand};

use crate::domain::user::UserName;
use base::error::{Error, Result};
use base::manual::ManualSections;

/// What the manual pages say beside the grammar.
pub const MANUAL: ManualSections = ManualSections {
    exit_status: &[
        ("0", "Everything is done."),
        ("1", "The command failed."),
        ("2", "The command line is wrong."),
        ("3", "There is no such user, group, folder, token or session."),
        ("4", "It exists already."),
        ("10", "With --plan: there is something to change."),
    ],
    environment: &[
        ("HOMEPORT_CONFIG", "The configuration file, unless -c names one."),
        (
            "HOMEPORT_SECTION_NAME",
            "A setting, in place of that in the file: HOMEPORT_SERVER_LISTEN is \"listen\" in [server]. A list is \
             separated by commas.",
        ),
    ],
    files: &[
        (
            "homeportd.toml, /etc/homeport/homeportd.toml",
            "The configuration, unless it is named otherwise.",
        ),
        (
            "data/, hostkeys/",
            "The data directory and the host keys, where the configuration says. Paths in it are relative to its file.",
        ),
    ],
};

/// A secure multi-user SFTP server
///
/// Each user signs in with a password or a key, and can access only their own home directory.
#[derive(Debug, Parser)]
#[command(
    name = "homeportd",
    version,
    max_term_width = 100,
    after_help = "Examples:
  homeportd demo                                  try it: a ready server on 127.0.0.1:2222
  homeportd init /srv/homeport                    a server to keep
  homeportd -c /srv/homeport/homeportd.toml user add calvin --quota 10GiB
  homeportd -c /srv/homeport/homeportd.toml serve

Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 there is no such user, group, folder,
token or session, 4 it exists already, 10 (--plan only) there is something to change."
)]
pub struct Cli {
    /// The configuration file [default: $HOMEPORT_CONFIG, ./homeportd.toml, /etc/homeport/homeportd.toml]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `homeportd`, each with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a ready-to-use server and serve it, to try things out
    ///
    /// Creates DIR if it is missing, with a configuration, host keys, and the users calvin (password 123456, quota 1
    /// GiB) and tom (password 654321, quota 100 MiB). These passwords are public, so only loopback addresses are
    /// served.
    #[command(after_help = "Example:\n  homeportd demo --dir /tmp/demo --listen 127.0.0.1:2022")]
    Demo(DemoArgs),
    /// Create a new server's directory: configuration, host keys, data
    ///
    /// Existing files are never overwritten. Without DIR, the command creates what the configuration (-c) names and
    /// what is still missing: the store and the host keys. It may be repeated.
    #[command(after_help = "Examples:
  homeportd init /srv/homeport --listen 0.0.0.0:2222
  homeportd -c /srv/homeport/homeportd.toml user add calvin
  homeportd -c /srv/homeport/homeportd.toml serve
  homeportd -c /etc/homeport/homeportd.toml init")]
    Init(InitArgs),
    /// Run the server in the foreground
    ///
    /// SIGTERM and SIGINT stop the server; transfers may continue for [server] drain_secs, or until a second signal.
    /// SIGHUP makes it read the configuration again, as `reload` does; if that is invalid, nothing changes, and the log
    /// says why.
    #[command(after_help = "Examples:
  homeportd -c /srv/homeport/homeportd.toml serve
  homeportd -c /etc/homeport/homeportd.toml serve --users /etc/homeport/users.toml")]
    Serve(ServeArgs),
    /// Make the running server read its configuration again, and say what has changed
    ///
    /// The server applies changes in [ssh], [limits], [log] and the host keys to new connections, and changed [[hooks]]
    /// to new events, and opens its log files again. The command waits until that is done, and prints which sections
    /// have changed, and which changes need a restart. If the configuration is invalid, the server keeps the former
    /// one, and the command prints what is wrong; the exit code is then 1. With --json: v, applied,
    /// waiting_for_restart, files (setting and path of those that settings name and whose content has changed), and
    /// sessions_ended.
    #[command(after_help = "Example:\n  homeportd -c /srv/homeport/homeportd.toml reload")]
    Reload {
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
    /// Check everything, change nothing, and report every problem
    ///
    /// Checks the configuration, the kernel, the sockets, the store, the host keys and all homes in the same way as a
    /// start does: if `check` finds no error, `serve` can start. Lines with "will" say what a start would create or
    /// change. The exit code is 1 if there is an error; warnings alone give 0. As root it checks with the rights of the
    /// server's user. A port or a lock that is in use is an error, unless the running server of this configuration
    /// holds it.
    #[command(
        after_help = "Examples:\n  homeportd -c /srv/homeport/homeportd.toml check && systemctl reload homeport\n  homeportd check --json | jq -r '.problems[] | select(.kind == \"error\") | .text'"
    )]
    Check(CheckArgs),
    /// Manage users
    ///
    /// These commands work while the server runs: when one returns, the change is in force. Sessions that have lost
    /// something (the user, a permission, the home, the key or password of their sign-in, their address) are ended, and
    /// the command prints how many. A new quota also applies to existing sessions. If the server does not confirm the
    /// change within 5 seconds, that is an error, but the change is stored.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage groups: settings that several users share
    ///
    /// A user inherits from the group what the user's own settings leave open. A quota is the limit of each member's
    /// home, not of all together. When a command returns, the change is in force for all members; sessions of members
    /// who have lost something are ended, as with `user set`.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Manage folders: directories that several users see
    ///
    /// A folder lies outside all homes and has a quota of its own. Users get it by --folder of `user set`, or by that
    /// of their group, each with their own permissions, and see it at /NAME.
    #[command(subcommand)]
    Folder(FolderCommand),
    /// Manage tokens, with which programs use the API
    ///
    /// A token stands for its user and for all factors that the user needs to sign in. It holds only while its user is
    /// enabled, has not expired, and may come from the program's address.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show the use and the quota of homes and folders, and measure them again
    ///
    /// The use of a home is the sum of its files' sizes. A file counts once, however many hard links it has; a removed
    /// file counts until it is closed. --max-files limits the number of files, directories and symbolic links.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Mark directories for homes as belonging to this server
    #[command(subcommand)]
    Storage(StorageCommand),
    /// List and disconnect the sessions of the running server
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Show what the running server does, all the time
    ///
    /// Shows the sessions, the files that they read, write and hash, with rates over the last seconds and progress, how
    /// full their homes are, the free space, and file systems that answer slowly. Keys: arrows select a session, k
    /// disconnects it after a question, s sorts by rate or by age, q or Ctrl-C quits. With --json, it prints one object
    /// and ends: v, status, sessions.
    #[command(after_help = "Examples:\n  homeportd top\n  homeportd top --json | jq .status.bytes_up")]
    Top(TopArgs),
    /// List events that wait for hooks, and retry or drop them
    ///
    /// An event waits until the command or the url of each [[hooks]] in the configuration has taken it. After the
    /// attempts that the hook may have, it is set aside, until it is retried or dropped. These commands ask the running
    /// server; without one, they read and change the queue in the data directory.
    #[command(subcommand)]
    Hooks(HooksCommand),
    /// Ask the audit log who did what, when and from where
    ///
    /// Reads the file of [log] audit, and what logrotate has made of it: .1, .2.gz, -20261130, -20261130.gz; oldest
    /// first. Files are followed through renames: what was done to a file by a former name is found by its last name.
    /// All options that are given must fit. With --json, the lines are printed as docs/json.md describes them.
    #[command(after_help = "Examples:
  homeportd audit --path invoice.pdf
  homeportd audit --user calvin --event removed,renamed --since 7d
  homeportd audit --address 192.0.2.0/24 --since 2026-11-23 --until 2026-11-24 --json")]
    Audit(AuditArgs),
    /// Create, list and replace host keys
    #[command(subcommand)]
    Hostkey(HostkeyCommand),
    /// Copy everything that makes the server what it is, except for the users' files
    ///
    /// Creates DIR with a copy of the store, the configuration file, the files that it names (the host keys) and what
    /// else the server keeps in the data directory, and with manifest.json, which has the SHA-256 of each file. It
    /// works while the server runs: the store is copied as it is at one moment. DIR gets its name when it is complete
    /// and on the disk; it contains secrets, and only its owner may read it. The files in the homes and the audit log
    /// are not in it.
    #[command(after_help = "Examples:
  homeportd backup /var/backups/homeport-2026-11-30
  homeportd -c /srv/homeport/homeportd.toml backup /mnt/nas/homeport.new --json")]
    Backup(BackupArgs),
    /// Make a server from a backup
    ///
    /// Checks the SHA-256 of every file in DIR first, and then writes the configuration file that -c names, and
    /// everything else where that configuration says; relative paths in it are relative to the file. No server may run
    /// there, and nothing is overwritten: a store or another file that exists is an error. As root, the files belong to
    /// the owner of the data directory. The users sign in as before, to a server with the same host keys; their homes
    /// are measured again.
    ///
    /// The store gets a new id, so that two servers never let the same homes grow. Homes that have the id of the server
    /// that was backed up can be read, and grow only after --take-over, or after `storage adopt --take-over`. Copy the
    /// files of the homes yourself, before or after. Homes and folders that do not exist here are named; --map says where
    /// those are that lay outside of [storage] homes.
    #[command(after_help = "Examples:
  homeportd -c /srv/homeport/homeportd.toml restore /var/backups/homeport-2026-11-30
  homeportd -c /etc/homeport/homeportd.toml restore --take-over /mnt/nas/homeport.new
  homeportd -c /etc/homeport/homeportd.toml restore --keep-config --map /srv/disk2=/mnt/files /mnt/nas/homeport.new")]
    Restore(RestoreArgs),
    /// Print a shell completion script for homeportd
    #[command(after_help = "Example:\n  homeportd completions bash > /etc/bash_completion.d/homeportd")]
    Completions {
        /// The shell: bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(after_help = "Example:\n  homeportd man /usr/local/share/man/man1")]
    Man {
        /// The directory, which is created if it is missing
        dir: PathBuf,
    },
}

/// The command-line arguments of `homeportd demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The directory of the demo's configuration, keys, users and homes
    #[arg(long, default_value = "demo")]
    pub dir: PathBuf,
    /// The loopback address and port to listen on [default: 127.0.0.1:2222]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// The command-line arguments of `homeportd top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Print one JSON object with stable names
    #[arg(long)]
    pub json: bool,
}

/// The command-line arguments of `homeportd check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Do not check the sockets and the lock, because another program holds them for the server, as systemd's socket
    /// units do
    #[arg(long)]
    pub sockets_held: bool,
    /// Print every finding. Otherwise those of one kind are cut short after the first five
    #[arg(long)]
    pub all: bool,
    /// Print a JSON object with stable names, and with every finding
    #[arg(long)]
    pub json: bool,
}

/// The command-line arguments of `homeportd serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Apply this file first, as `user apply` does without --prune; if it has a mistake, the server does not start. A
    /// store that does not exist yet is made
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
}

/// The command-line arguments of `homeportd init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The directory of the new server [default: what the configuration names]
    pub dir: Option<PathBuf>,
    /// The address and port to write into the configuration [default: 127.0.0.1:2222]
    #[arg(long, value_name = "ADDR", requires = "dir")]
    pub listen: Option<SocketAddr>,
    /// Print a JSON object with stable names
    #[arg(long)]
    pub json: bool,
}

/// The commands of `homeportd storage`.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Allow this server to create homes in a directory, and to let them grow there
    ///
    /// The directory is [storage] homes or one of the roots. The command writes a file .homeport-store into it, with
    /// the id of this server's store. If that file is missing (because the disk is not mounted), or belongs to another
    /// server, the server creates no home there and lets nothing grow; reading still works. A running server sees the
    /// change at the next sign-in. init and the first user add do the same for the directories that exist.
    #[command(after_help = "Examples:
  homeportd storage adopt
  homeportd storage adopt /srv/archive
  homeportd storage adopt --take-over /srv/archive")]
    Adopt(AdoptArgs),
}

/// The command-line arguments of `homeportd storage adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// The directories [default: homes and all roots of the configuration]
    #[arg(value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Take the directory from another server, which lets nothing grow there from then on
    #[arg(long)]
    pub take_over: bool,
    /// Print a JSON object with stable names
    #[arg(long)]
    pub json: bool,
}

/// The commands of `homeportd sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the sessions, one for each connection that has signed in
    ///
    /// With --json: v, id, user, peer, client, protocol, since, channels, bytes_in, bytes_out, used_bytes,
    /// quota_bytes, folders, open_files, files; docs/json.md describes them.
    #[command(after_help = "Example:\n  homeportd sessions list")]
    List {
        /// Print a JSON array of objects with stable names
        #[arg(long)]
        json: bool,
    },
    /// Disconnect one session, or all sessions of a user
    #[command(
        after_help = "Examples:\n  homeportd sessions kick 17\n  homeportd sessions kick --user calvin"
    )]
    Kick {
        /// The id that `sessions list` shows
        #[arg(required_unless_present = "user", conflicts_with = "user", value_parser = session_number)]
        id: Option<u64>,
        /// Disconnect all sessions of this user
        #[arg(long, value_name = "NAME", value_parser = UserName::stored)]
        user: Option<UserName>,
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
}

/// Parses a session's number. A mistake here is most often a user's name.
fn session_number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        let shown = text.escape_debug();
        Error::new(format!("\"{shown}\" is not a session's number")).hint(format!(
            "sessions list shows them; for all sessions of a user: sessions kick --user {shown}"
        ))
    })
}
