//! The keywords of an ssh_config that are obeyed, and how their arguments are read.

use std::time::Duration;

use super::keywords::{KeywordEffect, effect_of, is_none};

/// Who has written a line of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The user, in a file or with `-o`.
    User,
    /// The administrator of this machine.
    System,
}

/// What to do about a host key that is not known (`StrictHostKeyChecking`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownKeys {
    /// Refuse an unknown key: `yes`.
    Refuse,
    /// Ask in a terminal, else refuse: `ask`.
    #[default]
    Ask,
    /// Add an unknown key: `accept-new`.
    AcceptNew,
    /// Add an unknown key with a warning: `no` and `off`.
    AcceptWithWarning,
}

/// A method to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With a key, from a file or the agent.
    PublicKey,
    /// With answers to the server's questions.
    KeyboardInteractive,
    /// Sign in with a password.
    Password,
}

/// Which addresses of a host are used (`AddressFamily`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressFamily {
    /// Addresses of both IPv4 and IPv6 are used: `any`.
    #[default]
    Any,
    /// Only addresses of IPv4 are used: `inet`.
    V4,
    /// Only addresses of IPv6 are used: `inet6`.
    V6,
}

/// How a host is reached that is not connected to directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// The connection is made directly: `none`.
    Direct,
    /// Through these hosts: `ProxyJump`. The text is as written.
    Jump(String),
    /// A command makes the connection: `ProxyCommand`.
    Command,
}

/// The settings of the files for one host. `None` means that no file has the keyword. File names are as written, with
/// `~` and `%` tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are ssh_config's")]
pub struct SshSettings {
    pub host_name: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// The files of all lines that apply.
    pub identity_files: Vec<String>,
    pub identities_only: Option<bool>,
    pub identity_agent: Option<String>,
    pub user_known_hosts: Option<Vec<String>>,
    pub global_known_hosts: Option<Vec<String>>,
    pub unknown_keys: Option<UnknownKeys>,
    pub host_key_alias: Option<String>,
    pub hash_known_hosts: Option<bool>,
    /// The time limit. `Some(None)`: there is no limit.
    pub connect_timeout: Option<Option<Duration>>,
    pub password_prompts: Option<u32>,
    pub preferred: Option<Vec<Method>>,
    pub public_keys: Option<bool>,
    pub passwords: Option<bool>,
    pub keyboard_interactive: Option<bool>,
    pub batch: Option<bool>,
    /// The first `ProxyCommand` or `ProxyJump`.
    pub proxy: Option<Proxy>,
    pub ciphers: Option<String>,
    pub macs: Option<String>,
    pub kex: Option<String>,
    pub host_key_algorithms: Option<String>,
    /// The keywords of those algorithms that the system's files have set, in lower case.
    pub system_algorithms: Vec<String>,
    /// The files of all lines that apply.
    pub certificate_files: Vec<String>,
    pub address_family: Option<AddressFamily>,
    pub bind_address: Option<String>,
    /// How often a silent server is asked whether it is there. `Some(None)`: never.
    pub alive_interval: Option<Option<Duration>>,
    pub alive_count: Option<u32>,
    pub tag: Option<String>,
    /// What only ssh itself can obey, by the names of the keywords.
    pub only_ssh: Vec<String>,
    /// The keywords that are not obeyed, and would change more than speed or comfort. Those of the system's files are left out.
    pub not_obeyed: Vec<String>,
    /// The keywords that are not obeyed, and would only change speed or comfort.
    pub comfort: Vec<String>,
    /// The keywords whose first value has been seen, of those that are not obeyed.
    pub seen: Vec<String>,
}

/// Sets a value unless an earlier line has set it.
fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

impl SshSettings {
    /// Applies a line. A keyword that is not obeyed is noted.
    ///
    /// # Errors
    /// What is wrong about the arguments of a keyword that is obeyed.
    pub fn apply(&mut self, keyword: &str, arguments: &[String], origin: Origin) -> Result<(), String> {
        let one = || match arguments {
            [value] if !value.is_empty() => Ok(value.as_str()),
            _ => Err("it takes one argument".to_owned()),
        };
        match keyword {
            "hostname" => first(&mut self.host_name, one()?.to_owned()),
            "port" => first(&mut self.port, port(one()?)?),
            "user" => first(&mut self.user, one()?.to_owned()),
            "identityfile" => {
                let file = one()?.to_owned();
                if !self.identity_files.contains(&file) {
                    self.identity_files.push(file);
                }
            }
            "identitiesonly" => first(&mut self.identities_only, yes_or_no(one()?)?),
            "identityagent" => first(&mut self.identity_agent, one()?.to_owned()),
            "userknownhostsfile" => first(&mut self.user_known_hosts, arguments.to_vec()),
            "globalknownhostsfile" => first(&mut self.global_known_hosts, arguments.to_vec()),
            "stricthostkeychecking" => first(&mut self.unknown_keys, unknown_keys(one()?)?),
            "hostkeyalias" => first(&mut self.host_key_alias, one()?.to_owned()),
            "hashknownhosts" => first(&mut self.hash_known_hosts, yes_or_no(one()?)?),
            "connecttimeout" => first(&mut self.connect_timeout, timeout(one()?)?),
            "numberofpasswordprompts" => first(&mut self.password_prompts, number(one()?)?),
            "preferredauthentications" => first(&mut self.preferred, methods(one()?)),
            "pubkeyauthentication" => first(&mut self.public_keys, public_keys(one()?)?),
            "passwordauthentication" => first(&mut self.passwords, yes_or_no(one()?)?),
            "kbdinteractiveauthentication" | "challengeresponseauthentication" => {
                first(&mut self.keyboard_interactive, yes_or_no(one()?)?);
            }
            "batchmode" => first(&mut self.batch, yes_or_no(one()?)?),
            "proxycommand" | "proxyjump" => self.proxy(keyword, arguments),
            _ => self.apply_connection(keyword, arguments, origin)?,
        }
        Ok(())
    }

    /// Applies a line about the connection itself: addresses, algorithms, certificates.
    fn apply_connection(
        &mut self,
        keyword: &str,
        arguments: &[String],
        origin: Origin,
    ) -> Result<(), String> {
        let one = || match arguments {
            [value] if !value.is_empty() => Ok(value.clone()),
            _ => Err("it takes one argument".to_owned()),
        };
        let algorithms = match keyword {
            "ciphers" => Some(&mut self.ciphers),
            "macs" => Some(&mut self.macs),
            "kexalgorithms" => Some(&mut self.kex),
            "hostkeyalgorithms" => Some(&mut self.host_key_algorithms),
            _ => None,
        };
        if let Some(slot) = algorithms {
            if slot.is_none() && origin == Origin::System {
                self.system_algorithms.push(keyword.to_owned());
            }
            first(slot, one()?);
            return Ok(());
        }
        match keyword {
            "certificatefile" => {
                let file = one()?;
                if !self.certificate_files.contains(&file) {
                    self.certificate_files.push(file);
                }
            }
            "addressfamily" => first(&mut self.address_family, address_family(&one()?)?),
            "bindaddress" => first(&mut self.bind_address, one()?),
            "serveraliveinterval" => first(&mut self.alive_interval, interval(&one()?)?),
            "serveralivecountmax" => first(&mut self.alive_count, number(&one()?)?),
            "tag" => first(&mut self.tag, one()?),
            _ => self.note(keyword, arguments, origin),
        }
        Ok(())
    }

    fn proxy(&mut self, keyword: &str, arguments: &[String]) {
        let proxy = match arguments {
            [word] if is_none(word) => Proxy::Direct,
            [jumps] if keyword == "proxyjump" => Proxy::Jump(jumps.clone()),
            _ => Proxy::Command,
        };
        if self.proxy.is_none() && proxy == Proxy::Command {
            self.needs_ssh("ProxyCommand");
        }
        first(&mut self.proxy, proxy);
    }

    /// Notes what only ssh itself can obey.
    pub(in crate::connect) fn needs_ssh(&mut self, what: &str) {
        if !self.only_ssh.iter().any(|known| known == what) {
            self.only_ssh.push(what.to_owned());
        }
    }

    /// Notes a keyword that is not obeyed. Its first value counts.
    fn note(&mut self, keyword: &str, arguments: &[String], origin: Origin) {
        if self.seen.iter().any(|seen| seen == keyword) {
            return;
        }
        self.seen.push(keyword.to_owned());
        let value = arguments.first().map_or("", String::as_str);
        match effect_of(keyword, value) {
            KeywordEffect::Irrelevant => {}
            // Distributions switch it on for everybody; few have tickets.
            KeywordEffect::OnlySsh("GSSAPIAuthentication") if origin == Origin::System => {}
            KeywordEffect::OnlySsh(name) => self.needs_ssh(name),
            KeywordEffect::Comfort | KeywordEffect::NotObeyed if origin == Origin::System => {}
            KeywordEffect::Comfort => self.comfort.push(keyword.to_owned()),
            KeywordEffect::NotObeyed => self.not_obeyed.push(keyword.to_owned()),
        }
    }
}

fn address_family(text: &str) -> Result<AddressFamily, String> {
    match text.to_ascii_lowercase().as_str() {
        "any" => Ok(AddressFamily::Any),
        "inet" => Ok(AddressFamily::V4),
        "inet6" => Ok(AddressFamily::V6),
        _ => Err("it is any, inet or inet6".to_owned()),
    }
}

/// Reads a time that may be 0, which means never.
fn interval(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "0" => Ok(None),
        _ => timeout(text),
    }
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("\"{}\" is not a number", text.escape_debug()))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("it is yes or no".to_owned()),
    }
}

/// Reads `PubkeyAuthentication`. Newer versions of ssh have `unbound` and `host-bound`, which concern the agent.
fn public_keys(text: &str) -> Result<bool, String> {
    match text {
        "unbound" | "host-bound" => Ok(true),
        _ => yes_or_no(text),
    }
}

fn unknown_keys(text: &str) -> Result<UnknownKeys, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(UnknownKeys::Refuse),
        "ask" => Ok(UnknownKeys::Ask),
        "accept-new" => Ok(UnknownKeys::AcceptNew),
        "no" | "false" | "off" => Ok(UnknownKeys::AcceptWithWarning),
        _ => Err("it is yes, no, ask or accept-new".to_owned()),
    }
}

/// Reads a list of methods. Methods that are not supported are left out.
fn methods(text: &str) -> Vec<Method> {
    let named = text.split(',').filter_map(|name| match name.trim() {
        "publickey" => Some(Method::PublicKey),
        "keyboard-interactive" => Some(Method::KeyboardInteractive),
        "password" => Some(Method::Password),
        _ => None,
    });
    named.collect()
}

/// Reads a time: seconds, or as sshd_config(5) has it: `30`, `2m`, `1h30m`; or `none`.
fn timeout(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("\"{}\" is not a time (hint: seconds, or 2m)", text.escape_debug());
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(end).ok_or_else(wrong)?;
        let value: u64 = digits.parse().map_err(|_| wrong())?;
        let mut unit = after.chars();
        let factor = match unit.next() {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3600,
            Some('d' | 'D') => 86_400,
            Some('w' | 'W') => 604_800,
            Some(_) => return Err(wrong()),
        };
        seconds = value
            .checked_mul(factor)
            .and_then(|v| v.checked_add(seconds))
            .ok_or_else(wrong)?;
        rest = unit.as_str();
    }
    match seconds {
        0 => Err(wrong()),
        _ => Ok(Some(Duration::from_secs(seconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let secs = |n| Ok(Some(Duration::from_secs(n)));
        for (text, expected) in [
            ("30", secs(30)),
            ("2m", secs(120)),
            ("1h30m", secs(5400)),
            ("none", Ok(None)),
        ] {
            assert_eq!(timeout(text), expected, "{text}");
        }
        for text in [
            "0",
            "",
            "x",
            "-1",
            "3x",
            "99999999999999999999",
            "9999999999999999999w",
        ] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
