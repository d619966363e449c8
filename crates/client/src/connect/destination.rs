//! Everything that a connection needs to know, from the command line, the configuration of ssh and the defaults.

mod expand;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::expand::Tokens;
use super::host_key::HostKeyRules;
use super::known_hosts::HostName;
use super::ssh_config::settings::{Method, Settings, UnknownKeys};
use super::ssh_config::{self, Disk, Question};
use super::target::Target;
use base::error::{Error, Result};

/// ssh's port (RFC 4253, 4).
const PORT: u16 = 22;
/// Long enough for a server far away that is starting up; ssh itself waits as long as the system does, minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// As ssh asks.
const PASSWORD_PROMPTS: u32 = 3;
/// Most that `NumberOfPasswordPrompts` may say: no server lets more pass.
const MAX_PASSWORD_PROMPTS: u32 = 100;
/// What is tried when nothing was named.
const IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Which configuration of ssh is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigFile {
    /// `~/.ssh/config`, then the system's.
    #[default]
    Usual,
    /// `-F none`
    None,
    /// `-F FILE`: this one alone.
    File(PathBuf),
}

/// What the command line says. All of it outweighs the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Unless the target names one.
    pub user: Option<String>,
    /// Unless the target names one.
    pub port: Option<u16>,
    /// `-i`: tried before those of the configuration; must exist.
    pub identities: Vec<PathBuf>,
    /// `-F`
    pub config: ConfigFile,
    /// Instead of the usual `known_hosts`, the system's included.
    pub known_hosts: Option<PathBuf>,
    /// What to do about a host that is not known.
    pub unknown_keys: Option<UnknownKeys>,
    /// For each address, and for each answer of the server before somebody is signed in.
    pub connect_timeout: Option<Duration>,
}

/// Where the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// What `~` is.
    pub home: PathBuf,
    /// Who runs it.
    pub local_user: String,
    /// `$SSH_AUTH_SOCK`
    pub agent: Option<OsString>,
    /// `/etc/ssh`
    pub system: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// When there is no home or no name for the user.
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

/// A key's file, and whether somebody named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFile {
    /// Private, or public for a key that the agent has.
    pub path: PathBuf,
    /// Named on the command line or in the configuration: that it is missing is told.
    pub named: bool,
}

/// How somebody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRules {
    /// As whom.
    pub user: String,
    /// In this order.
    pub files: Vec<IdentityFile>,
    /// Only the keys of these files, also from the agent.
    pub identities_only: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// In this order.
    pub methods: Vec<Method>,
    /// How often a password is asked for.
    pub password_prompts: u32,
}

/// A server, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// As it was given.
    pub given: String,
    /// What is looked up and connected to.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How its key is judged.
    pub host_key: HostKeyRules,
    /// How somebody signs in.
    pub sign_in: SignInRules,
    /// For each address, and for each answer of the server before its key is known; `None`: as long as it takes.
    pub connect_timeout: Option<Duration>,
    /// Nobody is to be asked anything.
    pub batch: bool,
}

impl Destination {
    /// Resolves a target. Reads the configuration from disk.
    ///
    /// # Errors
    /// When the configuration cannot be used, or asks for what is not supported.
    pub fn resolve(target: &Target, options: &Options, here: &Surroundings) -> Result<Self> {
        let user = target.user.as_deref().or(options.user.as_deref());
        let question = Question {
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

fn read_config(question: &Question<'_>, config: &ConfigFile, here: &Surroundings) -> Result<Settings> {
    let disk = Disk {
        home: &here.home,
        system: &here.system,
    };
    let mut settings = Settings::default();
    let usual = here.home.join(".ssh/config");
    let system = here.system.join("ssh_config");
    let files: &[(&Path, bool)] = match config {
        ConfigFile::None => &[],
        ConfigFile::File(file) => {
            let text = disk.text(file, false)?.ok_or_else(|| {
                Error::new(format!("there is no configuration \"{}\"", file.display()))
                    .hint("-F none, for none")
            })?;
            ssh_config::read((file, &text), question, &disk, &mut settings)?;
            &[]
        }
        ConfigFile::Usual => &[(&usual, true), (&system, false)],
    };
    for (file, private) in files {
        if let Some(text) = disk.text(file, *private)? {
            ssh_config::read((file, &text), question, &disk, &mut settings)?;
        }
    }
    Ok(settings)
}

fn host_key(
    settings: &Settings,
    options: &Options,
    tokens: &Tokens<'_>,
    here: &Surroundings,
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

fn identities(settings: &Settings, options: &Options, tokens: &Tokens<'_>) -> Result<Vec<IdentityFile>> {
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

/// `none`, a path, `SSH_AUTH_SOCK` or another variable by its `$NAME`.
fn agent(settings: &Settings, tokens: &Tokens<'_>, here: &Surroundings) -> Result<Option<PathBuf>> {
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

fn methods(settings: &Settings) -> Vec<Method> {
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
