//! The command line of `homeportd user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings::Settings;
use crate::cli::passwords::PasswordSource;
use crate::domain::user::UserName;

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
        #[arg(value_parser = UserName::stored)]
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
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Manage a user's public keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Let a user sign in again
    #[command(after_help = "Example:\n  homeportd user enable calvin")]
    Enable {
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Keep a user from signing in, and end the user's sessions
    #[command(after_help = "Example:\n  homeportd user disable calvin")]
    Disable {
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give a user another name; the home stays where it is
    ///
    /// Sessions under the old name are ended.
    #[command(after_help = "Example:\n  homeportd user rename calvin calvin@example.com")]
    Rename {
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// As `user add` takes it
        new_name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove a user
    ///
    /// The home stays, unless --delete-home is given. A home that other users share is never deleted.
    #[command(after_help = "Example:\n  homeportd user remove calvin --delete-home")]
    Remove {
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Delete the home and all that is in it; links in it are deleted, never followed
        #[arg(long)]
        delete_home: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `user add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// 1 to 128 of a-z A-Z 0-9 _ . - @ + (the last four not first)
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
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `user set`
#[derive(Debug, Args)]
pub struct SetArgs {
    #[arg(value_parser = UserName::stored)]
    pub name: UserName,
    #[command(flatten)]
    pub home: HomeArgs,
    #[command(flatten)]
    pub settings: Settings,
    #[command(flatten)]
    pub output: OutputArgs,
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
    /// Read the password's hash from standard input: argon2id, as $argon2id$v=19$m=...,t=...,p=...$SALT$HASH
    #[arg(long, conflicts_with = "password_stdin")]
    pub password_hash_stdin: bool,
}

impl PasswordArgs {
    /// Where the password comes from.
    pub fn source(&self) -> PasswordSource {
        match (self.password_stdin, self.password_hash_stdin) {
            (true, _) => PasswordSource::Stdin,
            (_, true) => PasswordSource::HashStdin,
            _ => PasswordSource::Terminal,
        }
    }
}

/// How what was done is told.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print a JSON object: v, user, changed, confirmed (by a running server), sessions_ended, still_busy (sessions and
    /// homes for which a call that had begun waits for a disk that hangs; no further one begins)
    #[arg(long)]
    pub json: bool,
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
    /// Lines as in authorized_keys, or RFC 4716 as PuTTYgen saves it: ed25519, ecdsa, or rsa with 2048 bits or more.
    /// The options from= and expiry-time= are enforced; restrict, no-* and command="internal-sftp" mean nothing here;
    /// any other option refuses the line. A line that is refused is named, and the others are added.
    #[command(after_help = "Example:\n  homeportd user key add calvin ~/.ssh/id_ed25519.pub")]
    Add {
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Files of public keys; - is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List public keys with their fingerprints
    #[command(after_help = "Example:\n  homeportd user key list calvin")]
    List {
        #[arg(value_parser = UserName::stored)]
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
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// As `user key list` shows it
        fingerprint: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}
