//! How a server is reached: directly, through other hosts, or by ssh itself.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{ConfigFile, Destination, LocalEnvironment, Options, Route, SshProgram};
use crate::connect::ssh_config;
use crate::connect::ssh_config::copy::{self, ConfigCopy};
use crate::connect::ssh_config::settings::{Proxy, SshSettings, UnknownKeys};
use crate::connect::target::{Target, TargetError};
use base::error::{Error, Result};

/// The most hosts that are connected through, one behind the other.
const MAX_JUMPS: usize = 8;
/// The program that connects where only ssh itself can.
const SSH: &str = "ssh";

/// How many hosts the configuration has led through so far.
#[derive(Debug, Clone, Copy, Default)]
struct JumpDepth(usize);

/// Resolves a target. It reads the configuration from disk.
///
/// # Errors
/// When the configuration cannot be used, or a name of a host to connect through is wrong.
pub fn resolve(target: &Target, options: &Options, here: &LocalEnvironment) -> Result<Destination> {
    resolve_behind(target, options, here, JumpDepth::default())
}

/// Checks what the options say by themselves, whatever the configuration says.
///
/// # Errors
/// When an option of ssh is not one, or a name of a host to connect through is wrong.
pub fn check_options(options: &Options) -> Result<()> {
    for line in &options.settings {
        ssh_config::apply_option(line, &mut SshSettings::default())?;
    }
    // What ssh connects through is its own business, but nothing is nothing for ssh, too.
    let is_checked = |jump: &&str| options.ssh.is_none() || jump.trim().is_empty();
    let jump = options.jump.as_deref().filter(is_checked);
    let jump = jump.filter(|jump| !jump.eq_ignore_ascii_case("none"));
    for word in jump.into_iter().flat_map(|jump| jump.split(',')) {
        jump_target(word.trim())?;
    }
    Ok(())
}

fn resolve_behind(
    target: &Target,
    options: &Options,
    here: &LocalEnvironment,
    depth: JumpDepth,
) -> Result<Destination> {
    let (mut destination, settings) = Destination::without_route(target, options, here)?;
    let mut reasons = settings.only_ssh.clone();
    let jumps = jump_words(target, options, &settings);
    let jumps = match options.ssh.is_some() || !reasons.is_empty() {
        true => Vec::new(),
        false => through(&jumps, options, here, depth)?,
    };
    for jump in &jumps {
        if let Route::Ssh(program) = &jump.route {
            reasons.extend(program.reasons.iter().cloned());
        }
    }
    destination.route = if options.ssh.is_some() || !reasons.is_empty() {
        // They are about what this client does itself.
        destination.not_obeyed.clear();
        destination.comfort.clear();
        let config = config_copy(&destination, options, here);
        Route::Ssh(SshProgram {
            program: options.ssh.clone().unwrap_or_else(|| PathBuf::from(SSH)),
            options: ssh_options(target, options, config.as_ref()),
            host: target.host.clone(),
            batch: destination.batch,
            reasons,
            shares_by_configuration: settings.comfort.iter().any(|name| name.starts_with("control")),
            config,
        })
    } else if jumps.is_empty() {
        Route::Direct
    } else {
        Route::Jumps(jumps)
    };
    Ok(destination)
}

/// The words that name the hosts to connect through: of the command line, else of the configuration.
fn jump_words(target: &Target, options: &Options, settings: &SshSettings) -> Vec<String> {
    let text = match (&options.jump, &settings.proxy) {
        (Some(jump), _) | (None, Some(Proxy::Jump(jump))) => jump,
        _ => return Vec::new(),
    };
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    let is_itself = |word: &String| jump_target(word).is_ok_and(|jump| jump.host == target.host);
    let directly = matches!(words.as_slice(), [none] if none.eq_ignore_ascii_case("none"));
    // `Host *` with a ProxyJump is also about the host that is jumped through.
    let leads_to_itself = options.jump.is_none() && words.iter().any(is_itself);
    match directly || leads_to_itself {
        true => Vec::new(),
        false => words,
    }
}

/// Reads a host to connect through: `[USER@]HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]`.
fn jump_target(word: &str) -> Result<Target> {
    let rest = word.strip_prefix("ssh://").unwrap_or(word);
    let wrong = |why: String| {
        Error::new(format!("cannot connect through \"{}\"", word.escape_debug()))
            .because(why)
            .hint("[USER@]HOST[:PORT], several with commas between them; none connects directly")
    };
    let target = Target::parse(OsStr::new(&format!("sftp://{rest}"))).map_err(|error| {
        wrong(match error {
            // The word is not repeated: it has a secret.
            TargetError::Password => {
                return Error::new(
                    "a host to connect through has a password, which everybody on this machine can read",
                )
                .hint("leave it out; you will be asked");
            }
            TargetError::NoHost(_) => "it names no host".to_owned(),
            TargetError::Name(name) => format!("\"{name}\" is not a host or user name"),
            TargetError::Port(port) => format!("\"{port}\" is not a port from 1 to 65535"),
            TargetError::Escape(text) => format!("\"{text}\" has a % that is not an escape"),
        })
    })?;
    match target.path {
        Some(_) => Err(wrong("a path makes no sense there".to_owned())),
        None => Ok(target),
    }
}

/// Resolves the hosts to connect through. The first may itself be behind others.
fn through(
    words: &[String],
    options: &Options,
    here: &LocalEnvironment,
    depth: JumpDepth,
) -> Result<Vec<Destination>> {
    let mut jumps = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let depth = JumpDepth(depth.0 + 1 + number);
        if depth.0 > MAX_JUMPS {
            return Err(Error::new(format!(
                "the configuration of ssh leads through more than {MAX_JUMPS} hosts"
            )));
        }
        let options = Options {
            identities: options.identities.clone(),
            config: options.config.clone(),
            known_hosts: options.known_hosts.clone(),
            unknown_keys: options.unknown_keys,
            connect_timeout: options.connect_timeout,
            batch: options.batch,
            // Only the first host is connected to from here.
            jump: (number > 0).then(|| "none".to_owned()),
            ..Options::default()
        };
        let mut jump = resolve_behind(&jump_target(word)?, &options, here, depth)?;
        if let Route::Jumps(before) = &mut jump.route {
            jumps.append(before);
            jump.route = Route::Direct;
        }
        jumps.push(jump);
    }
    Ok(jumps)
}

/// The configuration that ssh is to read where `$HOME` is not the home of the account: by itself it would read other files
/// of the user than this client has read.
fn config_copy(destination: &Destination, options: &Options, here: &LocalEnvironment) -> Option<ConfigCopy> {
    let account_home = here.account_home.as_ref()?;
    let is_same = |one: &Path, other: &Path| {
        let canonical = one.canonicalize().ok().zip(other.canonicalize().ok());
        one == other || canonical.is_some_and(|(one, other)| one == other)
    };
    if is_same(account_home, &here.home) {
        return None;
    }
    let files = destination.sign_in.files.iter();
    let usual: Vec<&PathBuf> = files.filter(|file| !file.named).map(|file| &file.path).collect();
    // ssh complains of a key that is named and does not exist, and without any takes those of the account.
    let existing = usual.iter().filter(|path| path.exists());
    let mut identities: Vec<PathBuf> = existing.map(|path| (*path).clone()).collect();
    if identities.is_empty() && !usual.is_empty() {
        identities.push("none".into());
    }
    Some(ConfigCopy {
        home: here.home.clone(),
        system: here.system.clone(),
        files: match &options.config {
            ConfigFile::Usual => vec![here.home.join(".ssh/config"), here.system.join("ssh_config")],
            ConfigFile::None => Vec::new(),
            ConfigFile::File(file) => vec![file.clone()],
        },
        identities,
    })
}

/// The options of ssh that mean the same as ours. A file of keys or hosts is named as ours is. The configuration is not
/// named if ssh gets a copy of it.
fn ssh_options(target: &Target, options: &Options, copy: Option<&ConfigCopy>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |option: &str, value: &OsStr| {
        words.push(option.into());
        words.push(value.to_owned());
    };
    let setting = |name: &str, value: &OsStr| {
        let mut text = OsString::from(name);
        text.push("=");
        text.push(value);
        text
    };
    for fixed in [
        "ForwardX11=no",
        "ForwardAgent=no",
        "PermitLocalCommand=no",
        "ClearAllForwardings=yes",
        // Both would be for a shell, and keep SFTP from beginning.
        "RemoteCommand=none",
        "RequestTTY=no",
    ] {
        add("-o", fixed.as_ref());
    }
    match &options.config {
        ConfigFile::None if copy.is_none() => add("-F", "none".as_ref()),
        ConfigFile::File(file) if copy.is_none() => add("-F", file.as_ref()),
        ConfigFile::Usual | ConfigFile::None | ConfigFile::File(_) => {}
    }
    if let Some(user) = target.user.as_ref().or(options.user.as_ref()) {
        add("-l", user.as_ref());
    }
    if let Some(port) = target.port.or(options.port) {
        add("-p", port.to_string().as_ref());
    }
    for file in &options.identities {
        add("-i", file.as_ref());
    }
    if let Some(file) = &options.known_hosts {
        add("-o", &setting("UserKnownHostsFile", file.as_ref()));
        add("-o", "GlobalKnownHostsFile=none".as_ref());
    }
    if options.unknown_keys == Some(UnknownKeys::AcceptNew) {
        add("-o", "StrictHostKeyChecking=accept-new".as_ref());
    }
    if let Some(limit) = options.connect_timeout {
        add(
            "-o",
            setting("ConnectTimeout", limit.as_secs().max(1).to_string().as_ref()).as_ref(),
        );
    }
    if let Some(jump) = &options.jump {
        add("-J", jump.as_ref());
    }
    for line in &options.settings {
        match copy {
            Some(copy) => add("-o", copy::option_with_home(line, &copy.home).as_ref()),
            None => add("-o", line.as_ref()),
        }
    }
    for _ in 0..options.verbose.min(3) {
        words.push("-v".into());
    }
    words
}
