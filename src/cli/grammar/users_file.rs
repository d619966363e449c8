//! The command line of the commands about all users at once.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The commands of `homeportd user` that read or write a file of all users.
#[derive(Debug, Subcommand)]
pub enum UsersFileCommand {
    /// Make users, groups and folders what a file says
    ///
    /// Adds and changes what the file has, in one transaction and with one notice to the running server; it prints a line
    /// for each record, with + for added, ~ for changed and - for removed. If anything in the file is wrong, every mistake
    /// is printed with its line, and nothing is changed. Users whom the file does not have stay, unless --prune is given.
    /// What a user's section leaves out is unset, except for home, enabled and password_hash, which stay as they are. A
    /// password_hash is applied once: a password that was set later stays until the file has another hash.
    #[command(after_help = "Examples:
  homeportd user apply users.toml --plan
  homeportd user apply users.toml --prune")]
    Apply(ApplyArgs),
    /// Print all users, groups and folders as the file that `user apply` reads
    ///
    /// The file contains the hashes of passwords. One-time codes are not in it.
    #[command(after_help = "Example:\n  (umask 077; homeportd user export > users.toml)")]
    Export,
    /// Add the users of another server, and say what cannot be carried over
    ///
    /// passwd: the accounts of people (uid 1000 and above) in a file like /etc/passwd, with their passwords from --shadow and
    /// their keys from --keys. atmoz: users.conf of the container image atmoz/sftp. sftpgo: the JSON that SFTPGo dumps. A
    /// home stays where it is if it lies beneath [storage] homes or a root; files are never copied. Users who are here
    /// already get the settings of the file; nobody is removed. Passwords that break a rule of [auth.password] are imported
    /// with a warning. A file in which no user is found is an error.
    #[command(after_help = "Examples:
  homeportd user import --from passwd /etc/passwd --shadow /etc/shadow --keys '/home/%u/.ssh/authorized_keys' --plan
  homeportd user import --from sftpgo dump.json")]
    Import(ImportArgs),
}

/// The command-line arguments of `homeportd user apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The file of users
    pub file: PathBuf,
    /// Remove users, groups and folders that the file does not have; the files in homes and folders stay
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// The options of commands that change many users.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Only print what would be changed; the exit code is 10 if there is anything
    #[arg(long)]
    pub plan: bool,
    /// Print a JSON object: v, changed, planned, changes, confirmed, sessions_ended, still_busy, failed, left_out
    #[arg(long)]
    pub json: bool,
}

/// The formats that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// The accounts of a Unix system
    Passwd,
    /// users.conf of atmoz/sftp
    Atmoz,
    /// A dump of SFTPGo
    Sftpgo,
}

/// The command-line arguments of `homeportd user import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file of the other server
    pub file: PathBuf,
    /// The format of the file
    #[arg(long, value_name = "FORMAT")]
    pub from: ImportFormat,
    /// The file with the hashes of the passwords, such as /etc/shadow (passwd only)
    #[arg(long, value_name = "FILE")]
    pub shadow: Option<PathBuf>,
    /// The file of each user's keys, with %u for the name and %h for the home (passwd only)
    #[arg(long, value_name = "PATH")]
    pub keys: Option<String>,
    #[command(flatten)]
    pub plan: PlanArgs,
}
