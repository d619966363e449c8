//! The command line of `homeportd user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings::Settings;
use super::users_file::UsersFileCommand;
use crate::cli::passwords::PasswordSource;
use crate::domain::group::GroupName;
use crate::domain::user::UserName;

/// The commands of `homeportd user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user, and create the home
    ///
    /// Without --key, --password-stdin and --generate, the password is asked for on the terminal, without echo.
    /// Passwords are never arguments, because other users could read them. [auth.password] has the rules for them.
    #[command(after_help = "Examples:
  homeportd user add calvin --quota 10GiB
  homeportd user add backup --key backup.pub --read-only --allow-from 10.0.0.0/8
  homeportd user add tom --generate
  homeportd user add calvin --password-hash-stdin < hash-from-etc-shadow.txt")]
    Add(AddArgs),
    /// Change a user's settings; those that are not named stay the same
    ///
    /// Without --move, the files stay in the old home. With --move, they get to the new home with it: sessions in the
    /// home are ended, and nobody signs in to it until it is moved. The users who share it move, too. On another file
    /// system the files are copied and compared by SHA-256 before the old ones are deleted. If the command is
    /// interrupted, the user can sign in and has all files; the same command finishes it.
    #[command(after_help = "Examples:
  homeportd user set calvin --quota unlimited
  homeportd user set calvin --permissions list,read,create --expires 2030-01-01
  homeportd user set calvin --permissions read-only --permissions /in=create,list
  homeportd user set calvin --group customers --quota inherit --folder team=all
  homeportd user set calvin --home /srv/disk2/calvin --move")]
    Set(SetArgs),
    /// Show a user
    ///
    /// With --json: v, name, group, comment, enabled, admin, home, keys, principals, has_password, password_kind (argon2id,
    /// bcrypt, ...; null: none), totp, recovery_codes_left, quota_bytes, quota_files, used_bytes, used_files,
    /// usage_exact, max_sessions, permissions, folders, folder_usage, allowed_from, require, expires_at, rate_up,
    /// rate_down, file_mode, dir_mode, file_group, last_sign_in, sessions; and own, with what the user's own settings
    /// say. null in a quota means unlimited; in a rate it means the server's, and 0 means unlimited. The use is that
    /// of the running server, or else what was last recorded; null means unknown. If usage_exact is false, the use is
    /// at most the given number (see `quota show`). docs/json.md describes all of it.
    #[command(after_help = "Example:\n  homeportd user show calvin --json | jq .home")]
    Show {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Print a JSON object with stable names
        #[arg(long)]
        json: bool,
    },
    /// List users, with their state, use and quota
    #[command(after_help = "Example:\n  homeportd user list --json | jq -r '.[] | select(.enabled) | .name'")]
    List {
        /// Only the members of this group
        #[arg(long, value_name = "NAME")]
        group: Option<GroupName>,
        /// Print a JSON array of objects like that of `user show`
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password, and end sessions that used another one
    ///
    /// [auth.password] has the rules for passwords.
    #[command(
        after_help = "Examples:\n  homeportd user passwd calvin\n  homeportd user passwd calvin --generate"
    )]
    Passwd {
        /// The name of the user
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
    /// Manage a user's second factor: one-time codes (TOTP)
    #[command(subcommand)]
    Totp(TotpCommand),
    /// Enable a user who was disabled
    #[command(after_help = "Example:\n  homeportd user enable calvin")]
    Enable {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Disable a user, so that they cannot sign in, and end their sessions
    #[command(after_help = "Example:\n  homeportd user disable calvin")]
    Disable {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Rename a user; the home stays where it is
    ///
    /// Sessions under the old name are ended.
    #[command(after_help = "Example:\n  homeportd user rename calvin calvin@example.com")]
    Rename {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// The new name, with the same rules as in `user add`
        new_name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove a user
    ///
    /// The home is kept, unless --delete-home is given. A home that other users share is never deleted.
    #[command(after_help = "Example:\n  homeportd user remove calvin --delete-home")]
    Remove {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Delete the home with its contents; links in it are deleted, and never followed
        #[arg(long)]
        delete_home: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    #[command(flatten)]
    File(UsersFileCommand),
}

/// The command-line arguments of `homeportd user add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// A name of 1 to 128 characters of a-z A-Z 0-9 _ . - @ + (the last four not at the beginning)
    pub name: UserName,
    #[command(flatten)]
    pub password: PasswordArgs,
    /// A file of public keys, one per line as in authorized_keys; - is standard input; can be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// The home, beneath [storage] homes or one of its roots [default: homes/NAME]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The command-line arguments of `homeportd user set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The name of the user
    #[arg(value_parser = UserName::stored)]
    pub name: UserName,
    /// Another home, beneath [storage] homes or one of its roots
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Move the files to the new home, a directory that does not exist or is empty
    #[arg(long = "move", requires = "home")]
    pub move_files: bool,
    #[command(flatten)]
    pub settings: Settings,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl SetArgs {
    /// Returns whether the home is to be moved and other settings are to be changed.
    pub fn moves_and_changes(&self) -> bool {
        self.move_files && self.settings != Settings::default()
    }

    /// Returns whether no setting is to be changed.
    pub fn is_empty(&self) -> bool {
        self.home.is_none() && self.settings == Settings::default()
    }
}

/// The options that say where the password comes from.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from standard input; one newline at its end is not part of it
    #[arg(long)]
    pub password_stdin: bool,
    /// Read the password's hash from standard input: argon2id, bcrypt, yescrypt, one of /etc/shadow ($6$, $5$, $1$), or
    /// PBKDF2 as SFTPGo writes it
    #[arg(long, conflicts_with = "password_stdin")]
    pub password_hash_stdin: bool,
    /// Generate a password of 20 characters, and print it once, on the last line
    #[arg(long, conflicts_with_all = ["password_stdin", "password_hash_stdin"])]
    pub generate: bool,
}

impl PasswordArgs {
    /// Returns where the password comes from.
    pub fn source(&self) -> PasswordSource {
        match self {
            Self {
                password_stdin: true, ..
            } => PasswordSource::Stdin,
            Self {
                password_hash_stdin: true,
                ..
            } => PasswordSource::HashStdin,
            Self { generate: true, .. } => PasswordSource::Generated,
            _ => PasswordSource::Terminal,
        }
    }
}

/// The option for the format of the result.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print a JSON object: v, user, changed, confirmed (by a running server), sessions_ended, still_busy (the number
    /// of sessions and homes that still have a call waiting for a hanging disk; no further call begins), password (if
    /// it was generated)
    #[arg(long)]
    pub json: bool,
}

/// The commands of `homeportd user key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Add public keys
    ///
    /// The files have lines as in authorized_keys, or are in RFC 4716 format as PuTTYgen saves it. The keys can be
    /// ed25519, ecdsa, rsa with 2048 bits or more, or of security keys (sk-*). The options from=, expiry-time=,
    /// cert-authority, principals=, verify-required and no-touch-required are enforced; restrict, no-pty and the like
    /// and command="internal-sftp" have no effect; a line with any other option is refused. Each refused line is
    /// reported, and the others are added.
    #[command(after_help = "Example:\n  homeportd user key add calvin ~/.ssh/id_ed25519.pub")]
    Add {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// The files of public keys; - is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List public keys with their fingerprints
    #[command(after_help = "Example:\n  homeportd user key list calvin")]
    List {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Print a JSON array of objects: v, fingerprint, comment, line
        #[arg(long)]
        json: bool,
    },
    /// Remove a public key, and end the sessions that it has signed in
    #[command(
        after_help = "Example:\n  homeportd user key remove calvin SHA256:0sPkeGKG1fLxNhXs7lJGz6mKk0JtQhOyGZVRNxeiFwg"
    )]
    Remove {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// The fingerprint that `user key list` shows
        fingerprint: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// The commands of `homeportd user totp`.
#[derive(Debug, Subcommand)]
pub enum TotpCommand {
    /// Give a user a second factor, and print it once
    ///
    /// Prints a QR code for authenticator applications (on a terminal), its URL, and ten recovery codes, each of which
    /// takes the place of a code once. It is in force at once: a password alone is not enough from then on, and
    /// sessions that were signed in by one are ended. A key alone is enough, unless `user set --require` names totp.
    /// The secret lies encrypted in the store; its key is the file secrets.key in the data directory, which a backup
    /// contains.
    #[command(after_help = "Examples:
  homeportd user totp enroll calvin
  homeportd user set calvin --require publickey,totp
  homeportd user totp enroll calvin --replace --json | jq -r .url")]
    Enroll {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        /// Replace the second factor that the user has, and end the sessions that it has signed in
        #[arg(long)]
        replace: bool,
        /// Read the secret of a device that has one already from standard input, in base32
        #[arg(long)]
        secret_stdin: bool,
        /// Print a JSON object: that of `user set`, and url, secret, recovery_codes
        #[arg(long)]
        json: bool,
    },
    /// Take a user's second factor away, with the recovery codes
    ///
    /// Sessions that it has signed in are ended.
    #[command(after_help = "Example:\n  homeportd user totp reset calvin")]
    Reset {
        /// The name of the user
        #[arg(value_parser = UserName::stored)]
        name: UserName,
        #[command(flatten)]
        output: OutputArgs,
    },
}
