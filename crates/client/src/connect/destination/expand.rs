//! Expands `~`, `%` and `${…}` in values of the configuration (ssh_config(5), TOKENS).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::names::below_home;
use base::error::{Error, Result};

/// The values of the tokens.
pub struct Tokens<'a> {
    /// The user's home directory: `%d`.
    pub home: &'a Path,
    /// The host as it was given: `%n`.
    pub given: &'a str,
    /// The host that is connected to: `%h`.
    pub host: &'a str,
    /// The port that is connected to: `%p`.
    pub port: u16,
    /// The user on the server: `%r`.
    pub user: &'a str,
    /// The user who runs the program: `%u`.
    pub local_user: &'a str,
}

impl Tokens<'_> {
    /// Expands a `HostName`, in which only `%h` and `%%` may stand.
    ///
    /// # Errors
    /// At any other token.
    pub fn host_name(&self, text: &str) -> Result<String> {
        replace(text, |token| (token == 'h').then(|| self.given.to_owned()))
    }

    /// Expands the name of a file. A relative one is relative to the directory in which the program was started, as in
    /// ssh.
    ///
    /// # Errors
    /// At a token or variable that is not known.
    pub fn path(&self, text: &str) -> Result<PathBuf> {
        let text = replace(text, |token| {
            Some(match token {
                'd' => self.home.to_string_lossy().into_owned(),
                'h' => self.host.to_owned(),
                'i' => rustix::process::getuid().as_raw().to_string(),
                'n' => self.given.to_owned(),
                'p' => self.port.to_string(),
                'r' => self.user.to_owned(),
                'u' => self.local_user.to_owned(),
                _ => return None,
            })
        })?;
        let text = variables(&text)?;
        Ok(match below_home(text.as_bytes()) {
            Some(b"") => self.home.to_owned(),
            Some(rest) => self.home.join(OsStr::from_bytes(rest)),
            None => PathBuf::from(text),
        })
    }
}

fn replace(text: &str, value: impl Fn(char) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('%', Some('%')) => {
                chars.next();
                out.push('%');
            }
            ('%', token) => {
                chars.next();
                let known = token.and_then(&value);
                out.push_str(&known.ok_or_else(|| unknown(text, "a % that is not supported here"))?);
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Replaces each `${NAME}` by the variable, which must be set.
fn variables(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| unknown(text, "a ${ without its }"))?;
        let value = std::env::var(name).map_err(|_| unknown(text, "a variable that is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn unknown(text: &str, what: &str) -> Error {
    Error::new(format!(
        "the configuration of ssh says \"{}\", with {what}",
        text.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let tokens = Tokens {
            home: Path::new("/home/me"),
            given: "web",
            host: "web.example.com",
            port: 2222,
            user: "tom",
            local_user: "me",
        };
        for (text, expected) in [
            ("~/.ssh/id", Some("/home/me/.ssh/id")),
            ("~", Some("/home/me")),
            (
                "%d/%h/%n/%p/%r/%u/%%",
                Some("/home/me/web.example.com/web/2222/tom/me/%"),
            ),
            ("${PATH", None),
            ("${NO_SUCH_VARIABLE_HERE}", None),
            ("%", None),
            ("%z", None),
            ("~tom/x", Some("~tom/x")),
            ("plain", Some("plain")),
        ] {
            assert_eq!(tokens.path(text).ok(), expected.map(PathBuf::from), "{text}");
        }
        assert_eq!(tokens.host_name("%h.example.com%%").unwrap(), "web.example.com%");
        assert!(tokens.host_name("%r").is_err());
        let path = std::env::var("PATH").unwrap();
        assert_eq!(
            tokens.path("/${PATH}").unwrap(),
            PathBuf::from(format!("/{path}"))
        );
    }
}
