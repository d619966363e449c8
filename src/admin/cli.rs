//! The command line of `homeportd`: arguments, and the help that is its manual.
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

use super::settings::Settings;
use crate::ssh::hostkeys::Kind;
use crate::user::UserName;

/// A secure multi-user SFTP server
///
/// Each user signs in with a password or a key, and lands in a home directory that is the whole world to them.
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

Exit codes: 0 done, 1 it failed, 2 the command line is wrong."
)]
pub struct Cli {
    /// The configuration [default: $HOMEPORT_CONFIG, ./homeportd.toml, /etc/homeport/homeportd.toml]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a ready-to-use server and serve it, to try things out
    ///
    /// Makes DIR if it is missing: a configuration, a host key, and the users calvin (password 123456, quota 1 GiB)
    /// and tom (password 654321, quota 100 MiB). These passwords are public, so only loopback addresses are served.
    #[command(after_help = "Example:\n  homeportd demo --dir /tmp/demo --listen 127.0.0.1:2022")]
    Demo(DemoArgs),
    /// Write a new server's directory: configuration, host keys, data
    ///
    /// Nothing that exists is overwritten.
    #[command(after_help = "Example:
  homeportd init /srv/homeport --listen 0.0.0.0:2222
  homeportd -c /srv/homeport/homeportd.toml user add calvin
  homeportd -c /srv/homeport/homeportd.toml serve")]
    Init(InitArgs),
    /// Run the server in the foreground
    ///
    /// SIGTERM and SIGINT end it after transfers had [server] drain_secs to finish; a second one does not wait for
    /// them. SIGHUP reads the configuration again; a broken one changes nothing and is told in the log.
    #[command(after_help = "Example:\n  homeportd -c /srv/homeport/homeportd.toml serve")]
    Serve,
    /// Read everything, change nothing, and report every problem
    ///
    /// Looks at the configuration, the kernel, the sockets, the store, the host keys and all homes, as a start does:
    /// what it approves, `serve` serves. Lines with "will" say what a start would make. Exit code 1 if there is an
    /// error; warnings alone give 0. As root it looks with the eyes of the server's user. A port or a lock that is
    /// taken is an error, unless the running server of this configuration has it.
    #[command(
        after_help = "Example:\n  homeportd -c /srv/homeport/homeportd.toml check && systemctl reload homeport"
    )]
    Check(CheckArgs),
    /// Manage users
    ///
    /// Works while the server runs: changes hold from the next sign-in; sessions of users who are disabled or
    /// removed end within 2 seconds.
    #[command(subcommand)]
    User(UserCommand),
    /// Show what homes hold and may hold, and measure them again
    ///
    /// A home costs the sum of its files' sizes, each file once however many hard links it has; files that were
    /// removed count until they are closed. --max-files counts files, directories and symbolic links.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Say which places of storage are this server's
    #[command(subcommand)]
    Storage(StorageCommand),
    /// List and disconnect the sessions of the running server
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Make and list host keys
    #[command(subcommand)]
    Hostkey(HostkeyCommand),
    /// Print a script that completes homeportd's arguments in a shell
    #[command(after_help = "Example:\n  homeportd completions bash > /etc/bash_completion.d/homeportd")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(after_help = "Example:\n  homeportd man /usr/local/share/man/man1")]
    Man {
        /// Made if it is missing
        dir: PathBuf,
    },
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where everything is kept
    #[arg(long, default_value = "demo")]
    pub dir: PathBuf,
    /// A loopback address and port [default: 127.0.0.1:2222]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Do not look at the sockets and the lock: somebody holds them for the server, as systemd's socket units do
    #[arg(long)]
    pub sockets_held: bool,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where the server is to live
    pub dir: PathBuf,
    /// Address and port to write into the configuration [default: 127.0.0.1:2222]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// `user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user, and make the home
    ///
    /// Without --key and --password-stdin the password is asked for on the terminal, without echo. Passwords are
    /// never arguments: others could read them.
    #[command(after_help = "Examples:
  homeportd user add calvin --quota 10GiB
  homeportd user add backup --key backup.pub --read-only --allow-from 10.0.0.0/8
  pwgen 20 1 | tee calvin.txt | homeportd user add calvin --password-stdin")]
    Add(AddArgs),
    /// Change a user's settings; what is not named stays
    #[command(after_help = "Examples:
  homeportd user set calvin --quota unlimited
  homeportd user set calvin --permissions list,read,create --expires 2030-01-01")]
    Set(SetArgs),
    /// Show a user
    ///
    /// With --json: name, enabled, home, keys, has_password, quota_bytes, quota_files, used_bytes, used_files,
    /// usage_exact, max_sessions, permissions, allowed_from, require, expires_at. null in a quota is unlimited.
    /// The use is the running server's, else what was written down last: null if nothing is known, and a number that
    /// it is not above where usage_exact is false (see `quota show`).
    #[command(after_help = "Example:\n  homeportd user show calvin --json | jq .home")]
    Show {
        name: UserName,
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
    /// List all users
    #[command(after_help = "Example:\n  homeportd user list --json | jq -r '.[] | select(.enabled) | .name'")]
    List {
        /// Print a JSON array of objects, as `user show` prints one
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password
    #[command(after_help = "Example:\n  homeportd user passwd calvin")]
    Passwd {
        name: UserName,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Manage a user's public keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Let a user sign in again
    #[command(after_help = "Example:\n  homeportd user enable calvin")]
    Enable { name: UserName },
    /// Keep a user from signing in, and end the user's sessions
    #[command(after_help = "Example:\n  homeportd user disable calvin")]
    Disable { name: UserName },
    /// Remove a user
    ///
    /// The home stays, unless --delete-home is given. A home that other users share is never deleted.
    #[command(after_help = "Example:\n  homeportd user remove calvin --delete-home")]
    Remove {
        name: UserName,
        /// Delete the home and all that is in it; links in it are deleted, never followed
        #[arg(long)]
        delete_home: bool,
    },
}

/// `user add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// 1 to 64 of a-z A-Z 0-9 . _ - (not first)
    pub name: UserName,
    #[command(flatten)]
    pub password: PasswordArgs,
    /// A file of public keys, a line each as in authorized_keys; - is standard input; can be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    #[command(flatten)]
    pub home: HomeArgs,
    #[command(flatten)]
    pub settings: Settings,
}

/// `user set`
#[derive(Debug, Args)]
pub struct SetArgs {
    pub name: UserName,
    #[command(flatten)]
    pub home: HomeArgs,
    #[command(flatten)]
    pub settings: Settings,
}

impl SetArgs {
    /// Is there nothing to set?
    pub fn is_empty(&self) -> bool {
        self.home.home.is_none() && self.settings == Settings::default()
    }
}

/// How a password comes in.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from standard input; one newline at its end is not part of it
    #[arg(long)]
    pub password_stdin: bool,
}

/// Where a home is.
#[derive(Debug, Args)]
pub struct HomeArgs {
    /// The home, beneath [storage] homes or one of its roots [default: homes/NAME]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// `user key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Add public keys
    ///
    /// Lines as in authorized_keys: ed25519, ecdsa, or rsa with 2048 bits or more. The options from= and
    /// expiry-time= are enforced; restrict and no-* mean nothing here; any other option refuses the line.
    #[command(after_help = "Example:\n  homeportd user key add calvin ~/.ssh/id_ed25519.pub")]
    Add {
        name: UserName,
        /// Files of public keys; - is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List public keys with their fingerprints
    #[command(after_help = "Example:\n  homeportd user key list calvin")]
    List {
        name: UserName,
        /// Print a JSON array of objects: fingerprint, comment, line
        #[arg(long)]
        json: bool,
    },
    /// Remove a public key
    #[command(
        after_help = "Example:\n  homeportd user key remove calvin SHA256:0sPkeGKG1fLxNhXs7lJGz6mKk0JtQhOyGZVRNxeiFwg"
    )]
    Remove {
        name: UserName,
        /// As `user key list` shows it
        fingerprint: String,
    },
}

/// `quota …`
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Show what homes hold, as the running server knows it, else as it was written down last
    ///
    /// With --json: name, home, used_bytes, used_files, quota_bytes, quota_files, usage_exact, standing; an object for
    /// NAME, an array of them for all. null in a quota is unlimited, in a use unknown. Where usage_exact is false, the
    /// use is at most that: standing says "exact", "at_most" (the server was cut off, and the home is being measured
    /// or waits for it), "unmeasurable" or "unknown".
    #[command(
        after_help = "Examples:\n  homeportd quota show\n  homeportd quota show calvin --json | jq .used_bytes"
    )]
    Show {
        /// Of this user only
        name: Option<UserName>,
        /// Print JSON with stable names
        #[arg(long)]
        json: bool,
    },
    /// Measure homes again, and correct what was known
    ///
    /// For what was put into a home, or taken out of it, behind the server's back. The running server does it, while
    /// transfers go on; where none runs, this command does, and none can start until it is done. Users who share a
    /// home are told once.
    #[command(after_help = "Examples:\n  homeportd quota scan calvin\n  homeportd quota scan")]
    Scan {
        /// This user's home only
        name: Option<UserName>,
    },
}

/// `storage …`
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Let this server make homes in a place, and let them grow there
    ///
    /// A place is [storage] homes or one of its roots. The command writes a file .homeport-store into it, with the id of
    /// this server's store. Where that file is missing (the disk is not mounted) or another server's, the server
    /// makes no home and lets nothing grow; reading goes on. A running server sees the change at the next sign-in.
    /// init and the first user add do the same for the places that they find.
    #[command(after_help = "Examples:
  homeportd storage adopt
  homeportd storage adopt /srv/archive
  homeportd storage adopt --take-over /srv/archive")]
    Adopt(AdoptArgs),
}

/// `storage adopt`
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// The places [default: homes and all roots of the configuration]
    #[arg(value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Take the place from another server, which lets nothing grow there from then on
    #[arg(long)]
    pub take_over: bool,
}

/// `sessions …`
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List who is connected
    ///
    /// With --json: id, user, peer, client, since, channels, bytes_in, bytes_out.
    #[command(after_help = "Example:\n  homeportd sessions list")]
    List {
        /// Print a JSON array of objects with stable names
        #[arg(long)]
        json: bool,
    },
    /// Disconnect a session, or all of a user
    #[command(
        after_help = "Examples:\n  homeportd sessions kick 17\n  homeportd sessions kick --user calvin"
    )]
    Kick {
        /// As `sessions list` shows it
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<u64>,
        /// All sessions of this user
        #[arg(long, value_name = "NAME")]
        user: Option<UserName>,
    },
}

/// `hostkey …`
#[derive(Debug, Subcommand)]
pub enum HostkeyCommand {
    /// Make a host key if it is missing, and record it as this server's
    ///
    /// The server refuses to start when a key that clients know is gone or has become another. This command accepts
    /// what is there (or makes what is missing) as the new identity; clients will warn about it.
    #[command(after_help = "Examples:
  homeportd hostkey generate
  homeportd hostkey generate --type rsa")]
    Generate {
        /// ed25519, ecdsa (P-256) or rsa (3072 bits)
        #[arg(long = "type", value_name = "TYPE", default_value = "ed25519")]
        kind: Kind,
    },
    /// List the host keys and their fingerprints
    #[command(after_help = "Example:\n  homeportd hostkey list")]
    List {
        /// Print a JSON array of objects: algorithm, fingerprint, file
        #[arg(long)]
        json: bool,
    },
}
