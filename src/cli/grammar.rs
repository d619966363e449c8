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

mod settings;
mod user;

pub use user::{AddArgs, KeyCommand, OutputArgs, SetArgs, UserCommand};

use crate::domain::user::UserName;
use crate::ssh::hostkeys::Kind;
use base::error::{Error, Result};

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

Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 there is no such user or session, 4 it exists already."
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
    /// Works while the server runs: when the command returns, the server has taken the change in. Sessions that have
    /// lost something (the user, a permission, the home, the key or password of their sign-in, their address) are ended,
    /// and how many is said. A quota changes for sessions that exist, too. A server that does not confirm the change
    /// within 5 seconds is an error; the change is stored all the same.
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
        #[arg(value_parser = UserName::stored)]
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
        #[arg(value_parser = UserName::stored)]
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
        #[arg(required_unless_present = "user", conflicts_with = "user", value_parser = session_number)]
        id: Option<u64>,
        /// All sessions of this user
        #[arg(long, value_name = "NAME", value_parser = UserName::stored)]
        user: Option<UserName>,
    },
}

/// A session's number. What is written there instead is most often a name.
fn session_number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        let shown = text.escape_debug();
        Error::new(format!("\"{shown}\" is not a session's number")).hint(format!(
            "sessions list shows them; for all sessions of a user: sessions kick --user {shown}"
        ))
    })
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
