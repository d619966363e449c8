//! The keywords of an ssh_config that are obeyed, and how their arguments are read.

use std::time::Duration;

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
    pub revoked_host_keys: Option<String>,
    pub batch: Option<bool>,
    /// Whether the first `ProxyCommand` or `ProxyJump` says that there is no proxy.
    pub direct: Option<bool>,
}

/// Sets a value unless an earlier line has set it.
fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

impl SshSettings {
    /// Applies a line. Unknown keywords are ignored.
    ///
    /// # Errors
    /// What is wrong about the arguments of a keyword that is obeyed.
    pub fn apply(&mut self, keyword: &str, arguments: &[String]) -> Result<(), String> {
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
            "revokedhostkeys" => first(&mut self.revoked_host_keys, one()?.to_owned()),
            "batchmode" => first(&mut self.batch, yes_or_no(one()?)?),
            "proxycommand" | "proxyjump" => {
                let none = matches!(arguments, [word] if word.eq_ignore_ascii_case("none"));
                first(&mut self.direct, none);
            }
            _ => {}
        }
        Ok(())
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
