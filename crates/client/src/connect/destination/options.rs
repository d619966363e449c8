//! What the command line and this machine say about connecting.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::connect::ssh_config::settings::UnknownKeys;
use base::error::{Error, Result};

/// The configuration of ssh that is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigFile {
    /// `~/.ssh/config`, then the system's configuration.
    #[default]
    Usual,
    /// No configuration file is read: `-F none`.
    None,
    /// This file alone: `-F FILE`.
    File(PathBuf),
}

/// The options of the command line about connecting. All of them outweigh the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The user, unless the target names one.
    pub user: Option<String>,
    /// The port, unless the target names one.
    pub port: Option<u16>,
    /// The keys named with `-i`. They are tried before those of the configuration, and must exist.
    pub identities: Vec<PathBuf>,
    /// The configuration file named with `-F`.
    pub config: ConfigFile,
    /// The file to use instead of all the usual `known_hosts` files, the system's included.
    pub known_hosts: Option<PathBuf>,
    /// What to do about a host that is not known.
    pub unknown_keys: Option<UnknownKeys>,
    /// How long to wait for each address, and for each answer of the server before SFTP has begun.
    pub connect_timeout: Option<Duration>,
    /// Lines of configuration that outweigh the files: `-o KEY=VALUE`.
    pub settings: Vec<String>,
    /// The hosts to connect through: `-J`. It outweighs the configuration.
    pub jump: Option<String>,
    /// The program that makes the connection: `--ssh`.
    pub ssh: Option<PathBuf>,
    /// Whether prompts are forbidden: `--batch`.
    pub batch: bool,
    /// How many details ssh itself is to print: `-v`.
    pub verbose: u8,
}

/// The machine and the user that run the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEnvironment {
    /// The home directory of the user, which `~` stands for.
    pub home: PathBuf,
    /// The home directory of the account, which `~` stands for in the system's ssh. `None`: the user has no account.
    pub account_home: Option<PathBuf>,
    /// The name of the user who runs the program.
    pub local_user: String,
    /// The agent's socket, from `$SSH_AUTH_SOCK`.
    pub agent: Option<OsString>,
    /// The directory of the system's ssh configuration, `/etc/ssh`.
    pub system: PathBuf,
}

impl LocalEnvironment {
    /// The environment of this process.
    ///
    /// # Errors
    /// When there is no home directory or no name for the user.
    pub fn of_this_process() -> Result<Self> {
        let uid = nix::unistd::Uid::current();
        let user = nix::unistd::User::from_uid(uid).ok().flatten();
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        Ok(Self {
            account_home: user.as_ref().map(|user| user.dir.clone()),
            home: home.ok_or_else(|| Error::new("there is no home directory").hint("set HOME"))?,
            local_user: match user {
                Some(user) => user.name,
                // A container may run as a user without a name.
                None => {
                    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
                    name.unwrap_or_else(|| uid.to_string())
                }
            },
            agent: std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()),
            system: PathBuf::from("/etc/ssh"),
        })
    }
}
