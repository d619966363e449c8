//! Everything that a connection needs to know, put together from the command line, ssh's configuration and the
//! defaults. It connects to nothing.

mod expand;
mod options;
mod route;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use self::options::{ConfigFile, LocalEnvironment, Options};
pub use self::route::{check_options, resolve};

use self::expand::Tokens;
use super::algorithms::Algorithms;
use super::host_key::HostKeyRules;
use super::known_hosts::HostName;
use super::ssh_config::copy::ConfigCopy;
use super::ssh_config::settings::{AddressFamily, Method, Origin, SshSettings};
use super::ssh_config::{self, ConfigSource, HostQuery, LocalFiles};
use super::target::Target;
use base::error::{Error, Result};

/// The port of SSH (RFC 4253, 4).
const PORT: u16 = 22;
/// How long to wait for an answer while connecting. That is long enough for a distant server that is just starting; ssh
/// itself waits for minutes, like the operating system.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait where the configuration sets no limit: about as long as the operating system tries to connect.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(130);
/// How often a silent server is asked whether it is there. After about a minute without an answer, the connection
/// counts as lost.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVES: usize = 4;
/// The largest `ServerAliveCountMax`: more would be to wait for ever.
const MAX_KEEPALIVES: u32 = 1000;
/// How often a password is asked for by default, as in ssh.
const PASSWORD_PROMPTS: u32 = 3;
/// The largest `NumberOfPasswordPrompts`: no server lets more pass.
const MAX_PASSWORD_PROMPTS: u32 = 100;
/// The keys that are tried when none is named.
const IDENTITIES: [&str; 5] = ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"];

/// How often a silent server is asked whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// The pause between two questions.
    pub every: Duration,
    /// How many questions may stay without an answer.
    pub unanswered: usize,
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
    /// The files of certificates, beside those that lie next to the keys.
    pub certificates: Vec<PathBuf>,
    /// Whether only the keys of these files are used, also from the agent.
    pub identities_only: bool,
    /// The agent's socket, if there is an agent.
    pub agent: Option<PathBuf>,
    /// The methods, in the order in which they are tried.
    pub methods: Vec<Method>,
    /// How often a password is asked for.
    pub password_prompts: u32,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// By a connection from this machine.
    Direct,
    /// Through these hosts, the first of which is connected to from this machine.
    Jumps(Vec<Destination>),
    /// The system's ssh connects and signs in.
    Ssh(SshProgram),
}

/// The program `ssh` with its arguments, which end with the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshProgram {
    /// The program that is run, a name or a path.
    pub program: PathBuf,
    /// The options that stand before the host.
    pub options: Vec<OsString>,
    /// The host as it was given.
    pub host: String,
    /// Whether the program must not ask anything.
    pub batch: bool,
    /// What of the configuration only ssh can obey. Empty if the user asked for ssh.
    pub reasons: Vec<String>,
    /// Whether the configuration has ssh share connections (ControlMaster, ControlPath).
    pub shares_by_configuration: bool,
    /// The configuration that the program is to read, where it would read other files than this client. `None`: it reads
    /// the same files by itself.
    pub config: Option<ConfigCopy>,
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
    /// How long to wait for each address, and for each answer of the server before SFTP has begun. The sign-in has
    /// limits of its own.
    pub connect_timeout: Duration,
    /// Whether prompts are forbidden, as with `--batch`.
    pub batch: bool,
    /// How the server is reached.
    pub route: Route,
    /// The algorithms that are offered.
    pub algorithms: Algorithms,
    /// Which addresses of the host are used.
    pub addresses: AddressFamily,
    /// The address of this machine to connect from, as written.
    pub bind_address: Option<String>,
    /// How often a silent server is asked whether it is there.
    pub keepalive: Keepalive,
    /// What the configuration of ssh asks for and is not obeyed, apart from `comfort`. If ssh connects, it obeys all.
    pub not_obeyed: Vec<String>,
    /// What the configuration of ssh asks for and is not obeyed, but would only change speed or comfort.
    pub comfort: Vec<String>,
}

impl Destination {
    /// The hosts to which connections are made: those in the middle in their order, and then the server.
    pub fn hosts(&self) -> impl Iterator<Item = &Self> {
        let middle = match &self.route {
            Route::Jumps(middle) => middle.as_slice(),
            Route::Direct | Route::Ssh(_) => &[],
        };
        middle.iter().chain([self])
    }

    /// Resolves a target as if nothing stood between it and this machine. The settings are returned as well.
    fn without_route(
        target: &Target,
        options: &Options,
        here: &LocalEnvironment,
    ) -> Result<(Self, SshSettings)> {
        let mut settings = SshSettings::default();
        for line in &options.settings {
            ssh_config::apply_option(line, &mut settings)?;
        }
        let user = target.user.as_deref().or(options.user.as_deref());
        let question = HostQuery {
            host: &target.host,
            user,
            local_user: &here.local_user,
        };
        read_config(&question, &options.config, here, &mut settings)?;
        let (algorithms, missing) = Algorithms::of(&settings);
        let not_obeyed = [&settings.not_obeyed[..], &missing.skipped].concat();
        for keyword in missing.empty {
            settings.needs_ssh(keyword);
        }
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
        let certificates = settings.certificate_files.iter().map(|file| tokens.path(file));
        let configured = settings.connect_timeout.unwrap_or(Some(CONNECT_TIMEOUT));
        let destination = Self {
            given: target.host.clone(),
            host_key: host_key(&settings, options, &tokens, here)?,
            sign_in: SignInRules {
                user: user.to_owned(),
                files: identities(&settings, options, &tokens)?,
                certificates: certificates.collect::<Result<_>>()?,
                identities_only: settings.identities_only.unwrap_or(false),
                agent: agent(&settings, &tokens, here)?,
                methods: methods(&settings),
                password_prompts: (settings.password_prompts.unwrap_or(PASSWORD_PROMPTS))
                    .min(MAX_PASSWORD_PROMPTS),
            },
            connect_timeout: options.connect_timeout.or(configured).unwrap_or(LONGEST_TIMEOUT),
            batch: options.batch || settings.batch.unwrap_or(false),
            route: Route::Direct,
            algorithms,
            addresses: settings.address_family.unwrap_or_default(),
            bind_address: settings.bind_address.clone(),
            keepalive: keepalive(&settings),
            not_obeyed,
            comfort: settings.comfort.clone(),
            port,
            host,
        };
        Ok((destination, settings))
    }
}

fn keepalive(settings: &SshSettings) -> Keepalive {
    let count = settings
        .alive_count
        .map(|count| count.clamp(1, MAX_KEEPALIVES) as usize);
    // 0 is ssh's default, which never asks. Here, a dead server is always noticed.
    match settings.alive_interval.flatten() {
        Some(every) => Keepalive {
            every,
            // As in ssh.
            unanswered: count.unwrap_or(3),
        },
        None => Keepalive {
            every: KEEPALIVE_EVERY,
            unanswered: count.unwrap_or(KEEPALIVES),
        },
    }
}

fn read_config(
    question: &HostQuery<'_>,
    config: &ConfigFile,
    here: &LocalEnvironment,
    settings: &mut SshSettings,
) -> Result<()> {
    let disk = LocalFiles {
        home: &here.home,
        system: &here.system,
    };
    let mut texts: Vec<(PathBuf, String, Origin)> = Vec::new();
    match config {
        ConfigFile::None => {}
        ConfigFile::File(file) => {
            let text = disk.text(file, false)?.ok_or_else(|| {
                Error::new(format!("there is no configuration \"{}\"", file.display()))
                    .hint("-F none reads no configuration")
            })?;
            texts.push((file.clone(), text, Origin::User));
        }
        ConfigFile::Usual => {
            let usual = (here.home.join(".ssh/config"), Origin::User);
            let system = (here.system.join("ssh_config"), Origin::System);
            for (file, origin) in [usual, system] {
                if let Some(text) = disk.text(&file, origin == Origin::User)? {
                    texts.push((file, text, origin));
                }
            }
        }
    }
    let sources: Vec<ConfigSource<'_>> = texts
        .iter()
        .map(|(path, text, origin)| ConfigSource {
            path,
            text,
            origin: *origin,
        })
        .collect();
    ssh_config::read(&sources, question, &disk, settings)
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
