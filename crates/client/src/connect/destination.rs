//! Everything that a connection needs to know, put together from the command line, ssh's configuration and the
//! defaults. It connects to nothing.

mod expand;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::expand::Tokens;
use super::host_key::HostKeyRules;
use super::known_hosts::HostName;
use super::ssh_config::settings::{Method, SshSettings, UnknownKeys};
use super::ssh_config::{self, ConfigSource, HostQuery, LocalFiles};
use super::target::Target;
use base::error::{Error, Result};

/// The port of SSH (RFC 4253, 4).
const PORT: u16 = 22;
/// How long to wait for an answer while connecting. That is long enough for a distant server that is just starting; ssh
/// itself waits for minutes, like the operating system.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a password is asked for by default, as in ssh.
const PASSWORD_PROMPTS: u32 = 3;
/// The largest `NumberOfPasswordPrompts`: no server lets more pass.
const MAX_PASSWORD_PROMPTS: u32 = 100;
/// The keys that are tried when none is named.
const IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

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
    /// How long to wait for each address, and for each answer of the server before the sign-in.
    pub connect_timeout: Option<Duration>,
}

/// The machine and the user that run the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEnvironment {
    /// The home directory, for `~`.
    pub home: PathBuf,
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
            home: home.ok_or_else(|| Error::new("there is no home directory").hint("set HOME"))?,
            local_user: match user {
                Some(user) => user.name,
                None => std::env::var("USER").unwrap_or_else(|_| uid.to_string()),
            },
            agent: std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()),
            system: PathBuf::from("/etc/ssh"),
        })
    }
}

/// The file of a key, and whether the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFile {
    /// The private key, or the public part of a key that the agent has.
    pub path: PathBuf,
    /// Whether the command line or the configuration names the file. If such a file is missing, that is reported.
    pub named: bool,
}

/// How the user signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRules {
    /// The user's name on the server.
    pub user: String,
    /// The keys, in the order in which they are tried.
    pub files: Vec<IdentityFile>,
    /// Whether only the keys of these files are used, also from the agent.
    pub identities_only: bool,
    /// The agent's socket, if there is an agent.
    pub agent: Option<PathBuf>,
    /// The methods, in the order in which they are tried.
    pub methods: Vec<Method>,
    /// How often a password is asked for.
    pub password_prompts: u32,
}

/// A server, and how to sign in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host as it was given.
    pub given: String,
    /// The host that is looked up and connected to.
    pub host: String,
    /// The port that is connected to.
    pub port: u16,
    /// How the server's host key is judged.
    pub host_key: HostKeyRules,
    /// How the user signs in.
    pub sign_in: SignInRules,
    /// How long to wait for each address, and for each answer of the server before its key is known. `None`: as long as
    /// it takes.
    pub connect_timeout: Option<Duration>,
    /// Whether prompts are forbidden, as with `--batch`.
    pub batch: bool,
}

impl Destination {
    /// Resolves a target. It reads the configuration from disk.
    ///
    /// # Errors
    /// When the configuration cannot be used, or asks for something that is not supported.
    pub fn resolve(target: &Target, options: &Options, here: &LocalEnvironment) -> Result<Self> {
        let user = target.user.as_deref().or(options.user.as_deref());
        let question = HostQuery {
            host: &target.host,
            user,
            local_user: &here.local_user,
        };
        let settings = read_config(&question, &options.config, here)?;
        ssh_config::refuse_unsupported(&settings, &target.host)?;
        let user = user.or(settings.user.as_deref()).unwrap_or(&here.local_user);
        let port = target.port.or(options.port).or(settings.port).unwrap_or(PORT);
        let mut tokens = Tokens {
            home: &here.home,
            given: &target.host,
            host: &target.host,
            port,
            user,
            local_user: &here.local_user,
        };
        let host = match &settings.host_name {
            Some(name) => tokens.host_name(name)?,
            None => target.host.clone(),
        };
        tokens.host = &host;
        Ok(Self {
            given: target.host.clone(),
            host_key: host_key(&settings, options, &tokens, here)?,
            sign_in: SignInRules {
                user: user.to_owned(),
                files: identities(&settings, options, &tokens)?,
                identities_only: settings.identities_only.unwrap_or(false),
                agent: agent(&settings, &tokens, here)?,
                methods: methods(&settings),
                password_prompts: (settings.password_prompts.unwrap_or(PASSWORD_PROMPTS))
                    .min(MAX_PASSWORD_PROMPTS),
            },
            connect_timeout: match options.connect_timeout {
                Some(timeout) => Some(timeout),
                None => settings.connect_timeout.unwrap_or(Some(CONNECT_TIMEOUT)),
            },
            batch: settings.batch.unwrap_or(false),
            port,
            host,
        })
    }
}

fn read_config(
    question: &HostQuery<'_>,
    config: &ConfigFile,
    here: &LocalEnvironment,
) -> Result<SshSettings> {
    let disk = LocalFiles {
        home: &here.home,
        system: &here.system,
    };
    let mut settings = SshSettings::default();
    let usual = here.home.join(".ssh/config");
    let system = here.system.join("ssh_config");
    let files: &[(&Path, bool)] = match config {
        ConfigFile::None => &[],
        ConfigFile::File(file) => {
            let text = disk.text(file, false)?.ok_or_else(|| {
                Error::new(format!("there is no configuration \"{}\"", file.display()))
                    .hint("-F none reads no configuration")
            })?;
            let source = ConfigSource {
                path: file,
                text: &text,
            };
            ssh_config::read(source, question, &disk, &mut settings)?;
            &[]
        }
        ConfigFile::Usual => &[(&usual, true), (&system, false)],
    };
    for (file, private) in files {
        if let Some(text) = disk.text(file, *private)? {
            let source = ConfigSource {
                path: file,
                text: &text,
            };
            ssh_config::read(source, question, &disk, &mut settings)?;
        }
    }
    Ok(settings)
}

fn host_key(
    settings: &SshSettings,
    options: &Options,
    tokens: &Tokens<'_>,
    here: &LocalEnvironment,
) -> Result<HostKeyRules> {
    let files = |named: &Option<Vec<String>>, usual: [PathBuf; 2]| match named {
        Some(named) => {
            let named = named.iter().filter(|name| !name.eq_ignore_ascii_case("none"));
            named.map(|name| tokens.path(name)).collect()
        }
        None => Ok(usual.to_vec()),
    };
    let ssh = here.home.join(".ssh");
    let usual = ["known_hosts", "known_hosts2"].map(|name| ssh.join(name));
    let global = ["ssh_known_hosts", "ssh_known_hosts2"].map(|name| here.system.join(name));
    let (user_files, global_files) = match &options.known_hosts {
        Some(file) => (vec![file.clone()], Vec::new()),
        None => (
            files(&settings.user_known_hosts, usual)?,
            files(&settings.global_known_hosts, global)?,
        ),
    };
    let alias = settings.host_key_alias.as_deref();
    Ok(HostKeyRules {
        name: HostName::new(tokens.host, tokens.port, alias),
        user_files,
        global_files,
        unknown: options.unknown_keys.or(settings.unknown_keys).unwrap_or_default(),
        hash: settings.hash_known_hosts.unwrap_or(false),
    })
}

fn identities(settings: &SshSettings, options: &Options, tokens: &Tokens<'_>) -> Result<Vec<IdentityFile>> {
    let named = |path| IdentityFile { path, named: true };
    let mut files: Vec<IdentityFile> = options.identities.iter().cloned().map(named).collect();
    let configured = settings
        .identity_files
        .iter()
        .filter(|file| !file.eq_ignore_ascii_case("none"));
    for file in configured {
        files.push(named(tokens.path(file)?));
    }
    // `IdentityFile none` says that there are none.
    if files.is_empty() && settings.identity_files.is_empty() {
        let usual = IDENTITIES.map(|name| tokens.home.join(".ssh").join(name));
        files.extend(usual.map(|path| IdentityFile { path, named: false }));
    }
    Ok(files)
}

/// The agent's socket: none, a path, `SSH_AUTH_SOCK`, or another variable by its `$NAME`.
fn agent(settings: &SshSettings, tokens: &Tokens<'_>, here: &LocalEnvironment) -> Result<Option<PathBuf>> {
    let of_environment = here.agent.as_ref().map(PathBuf::from);
    match settings.identity_agent.as_deref() {
        None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK") => Ok(of_environment),
        Some(none) if none.eq_ignore_ascii_case("none") => Ok(None),
        Some(word) => match word.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(name) => Ok(std::env::var_os(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)),
            None => tokens.path(word).map(Some),
        },
    }
}

fn methods(settings: &SshSettings) -> Vec<Method> {
    let allowed = |method: &Method| {
        let said = match method {
            Method::PublicKey => settings.public_keys,
            Method::KeyboardInteractive => settings.keyboard_interactive,
            Method::Password => settings.passwords,
        };
        said.unwrap_or(true)
    };
    let usual = vec![Method::PublicKey, Method::KeyboardInteractive, Method::Password];
    let preferred = settings.preferred.clone().unwrap_or(usual);
    preferred.into_iter().filter(allowed).collect()
}

#[cfg(test)]
mod tests;
