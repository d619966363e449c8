//! The commands about host keys.

use clap::{Args, Subcommand};

use crate::ssh::hostkeys::Kind;

/// The arguments of the commands that change host keys.
#[derive(Debug, Args)]
pub struct HostKeyArgs {
    /// The type: ed25519, ecdsa (P-256) or rsa (3072 bits)
    #[arg(long = "type", value_name = "TYPE", default_value = "ed25519")]
    pub kind: Kind,
    /// Print a JSON object: v, changed, confirmed, key
    #[arg(long)]
    pub json: bool,
}

/// The commands of `homeportd hostkey`.
#[derive(Debug, Subcommand)]
pub enum HostkeyCommand {
    /// Create a host key if it is missing, and record it as this server's
    ///
    /// The server does not start if a key that clients know is missing or has been replaced. This command accepts the
    /// existing key (or creates a missing one) as the new identity; clients will warn about it. To replace a key
    /// without a warning, see `homeportd hostkey rotate`.
    #[command(after_help = "Examples:
  homeportd hostkey generate
  homeportd hostkey generate --type rsa")]
    Generate(HostKeyArgs),
    /// Create a new host key beside the one in use, and announce it to clients
    ///
    /// The key in use stays as it is. Clients of OpenSSH (UpdateHostKeys) learn the new key when they next sign in.
    /// When all have done so, `homeportd hostkey retire` switches to it.
    #[command(after_help = "Examples:
  homeportd hostkey rotate
  homeportd hostkey rotate --type ecdsa --json")]
    Rotate(HostKeyArgs),
    /// Take a host key out of use: switch to the new one that was announced
    ///
    /// Clients that have not signed in since `homeportd hostkey rotate` will warn about the new key. The old one is
    /// kept, unused, until `homeportd hostkey remove`.
    #[command(after_help = "Examples:
  homeportd hostkey retire
  homeportd hostkey retire --type rsa --without-successor")]
    Retire {
        /// The type and the format of the answer
        #[command(flatten)]
        args: HostKeyArgs,
        /// Do without a key of this type. This also accepts that a key that clients know is gone
        #[arg(long)]
        without_successor: bool,
    },
    /// Delete a retired host key
    #[command(after_help = "Example:\n  homeportd hostkey remove --type ed25519")]
    Remove(HostKeyArgs),
    /// List the host keys and their fingerprints
    #[command(after_help = "Example:\n  homeportd hostkey list")]
    List {
        /// Print a JSON array of objects: v, algorithm, fingerprint, file, state
        #[arg(long)]
        json: bool,
    },
}
