//! The words that name servers: `[USER@]HOST[:PATH]` and `sftp://[USER@]HOST[:PORT][/PATH]`, and which words of a
//! command line are local.
//!
//! Nothing here reads files: what `~/.ssh/config` makes of a host stands in [`super::destination`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::names::below_home;
use base::glob::{PatternByte, escaped};
use base::visible::printable;

/// A server, and a path on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The user who signs in. `None`: the configuration or the local user decides.
    pub user: Option<String>,
    /// A name, an alias of the configuration, or an address. IPv6 addresses stand without their brackets.
    pub host: String,
    /// The port, from a URL.
    pub port: Option<u16>,
    /// The path, relative to the home if it does not begin with `/`. `None`: the home.
    pub path: Option<Vec<u8>>,
}

/// A word of a command line that names files. scp(1) distinguishes remote and local words in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathArgument {
    /// Files on a server: `HOST:PATH` or a URL.
    Remote(Target),
    /// Files of this machine: everything else.
    Local(PathBuf),
}

/// Why a word does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The host is missing in the word.
    #[error("\"{0}\" names no host (hint: [USER@]HOST[:PATH], or sftp://[USER@]HOST[:PORT][/PATH])")]
    NoHost(String),
    /// The word contains a character that no host name or user name has.
    #[error("\"{0}\" is not a host or user name")]
    Name(String),
    /// The port is not a number from 1 to 65535.
    #[error("\"{0}\" is not a port (hint: a number from 1 to 65535)")]
    Port(String),
    /// A `%` is not followed by two hexadecimal digits, or encodes NUL.
    #[error("\"{0}\" has a % that is not an escape (hint: a % itself is written %25)")]
    Escape(String),
    /// A password would be visible in the process list, in histories and in logs.
    #[error(
        "a password in a URL can be read by everybody on this machine (hint: leave it out; you will be asked, or use --password-stdin)"
    )]
    Password,
}

impl Target {
    /// Reads a word that must name a server; `HOST` alone is enough.
    ///
    /// # Errors
    /// When it does not name one.
    pub fn parse(word: &OsStr) -> Result<Self, TargetError> {
        let bytes = word.as_bytes();
        if let Some(rest) = after_scheme(bytes) {
            return url(rest);
        }
        let (before, path) = match colon(bytes) {
            Some((before, path)) => (before, path),
            None => (bytes, &b""[..]),
        };
        let (user, host) = user_and_host(before);
        Ok(Self {
            host: host_name(host, bytes)?,
            user: user.map(name).transpose()?,
            port: None,
            path: from_home(path),
        })
    }
}

impl PathArgument {
    /// Decides whether a word is remote or local. As in scp, a `:` before any `/` makes it remote, so `./a:b` is local.
    ///
    /// # Errors
    /// When it is remote and does not name a server.
    pub fn parse(word: &OsStr) -> Result<Self, TargetError> {
        let bytes = word.as_bytes();
        match after_scheme(bytes).is_some() || colon(bytes).is_some() {
            true => Target::parse(word).map(PathArgument::Remote),
            false => Ok(PathArgument::Local(PathBuf::from(word))),
        }
    }
}

fn after_scheme(word: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = word.split_at_checked(b"sftp://".len())?;
    scheme.eq_ignore_ascii_case(b"sftp://").then_some(rest)
}

/// Splits a word at the `:` that ends the host. A `:` in front, or behind a `/`, is part of a file's name.
fn colon(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut bracket = word.first() == Some(&b'[');
    for (at, byte) in word.iter().enumerate() {
        let next = word.get(at + 1);
        match byte {
            b'@' if next == Some(&b'[') => bracket = true,
            b']' if bracket && next == Some(&b':') => return Some((word.get(..=at)?, word.get(at + 2..)?)),
            b':' if at == 0 => return None,
            b':' if !bracket => return Some((word.get(..at)?, word.get(at + 1..)?)),
            b'/' => return None,
            _ => {}
        }
    }
    None
}

/// Splits at the last `@`, because user names may have one.
fn user_and_host(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut parts = text.rsplitn(2, |b| *b == b'@');
    let host = parts.next().unwrap_or_default();
    (parts.next(), host)
}

fn host_name(host: &[u8], word: &[u8]) -> Result<String, TargetError> {
    let bare = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let host = bare.unwrap_or(host);
    if host.is_empty() {
        return Err(TargetError::NoHost(printable(word)));
    }
    name(host)
}

/// Reads a host or user name: text without control characters and blanks that does not look like an option.
fn name(bytes: &[u8]) -> Result<String, TargetError> {
    let wrong = || TargetError::Name(printable(bytes));
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    match text.is_empty() || text.starts_with('-') || text.contains(odd) {
        true => Err(wrong()),
        false => Ok(text.to_owned()),
    }
}

/// The path from the home: `~/x` is `x`; nothing and `~` are the home itself.
fn from_home(path: &[u8]) -> Option<Vec<u8>> {
    let path = below_home(path).unwrap_or(path);
    (!path.is_empty()).then(|| path.to_owned())
}

/// Reads what stands behind `sftp://`. The path is absolute; `/~/x` is `x` from the home.
fn url(rest: &[u8]) -> Result<Target, TargetError> {
    let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, b""));
    let (user, host) = user_and_host(authority);
    if user.is_some_and(|user| user.contains(&b':')) {
        return Err(TargetError::Password);
    }
    let in_brackets = host.iter().rposition(|b| *b == b']');
    let colon = host.iter().rposition(|b| *b == b':');
    let (host, port) = match colon.filter(|colon| in_brackets.is_none_or(|end| *colon > end)) {
        Some(colon) => (host.get(..colon).unwrap_or_default(), host.get(colon + 1..)),
        None => (host, None),
    };
    let user = user.map(unescape).transpose()?;
    let path = unescape_path(path)?;
    Ok(Target {
        host: host_name(&unescape(host)?, rest)?,
        user: user.map(|user| name(&user)).transpose()?,
        port: port
            .filter(|port| !port.is_empty())
            .map(port_number)
            .transpose()?,
        path: match path.strip_prefix(b"/") {
            Some(relative) if below_home(relative).is_some() => from_home(relative),
            Some(_) => Some(path),
            None => None,
        },
    })
}

fn port_number(text: &[u8]) -> Result<u16, TargetError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let number = number.filter(|port| *port != 0 && text.iter().all(u8::is_ascii_digit));
    number.ok_or_else(|| TargetError::Port(printable(text)))
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, TargetError> {
    Ok(unescaped(text)?.into_iter().map(|(byte, _)| byte).collect())
}

/// Reads a path. It is a pattern ([`base::glob`]), in which what was escaped in the URL stands for itself.
fn unescape_path(text: &[u8]) -> Result<Vec<u8>, TargetError> {
    Ok(escaped(unescaped(text)?.into_iter()))
}

/// The bytes, each with whether it was escaped.
fn unescaped(text: &[u8]) -> Result<Vec<PatternByte>, TargetError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push((*byte, false));
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(*b).to_digit(16));
        let value = digit()
            .zip(digit())
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let value = value.filter(|value| *value != 0);
        out.push((value.ok_or_else(|| TargetError::Escape(printable(text)))?, true));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(user: Option<&str>, host: &str, port: Option<u16>, path: Option<&[u8]>) -> Target {
        Target {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: path.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn words_that_name_a_server() {
        for (word, expected) in [
            ("host", target(None, "host", None, None)),
            ("host:", target(None, "host", None, None)),
            ("host:a b/c", target(None, "host", None, Some(b"a b/c"))),
            ("host:/etc", target(None, "host", None, Some(b"/etc"))),
            ("host:~/x", target(None, "host", None, Some(b"x"))),
            ("host:~", target(None, "host", None, None)),
            ("host:~tom/x", target(None, "host", None, Some(b"~tom/x"))),
            ("host:a:b@c", target(None, "host", None, Some(b"a:b@c"))),
            ("calvin@host", target(Some("calvin"), "host", None, None)),
            (
                "me@corp.com@host:x",
                target(Some("me@corp.com"), "host", None, Some(b"x")),
            ),
            ("[::1]:x", target(None, "::1", None, Some(b"x"))),
            ("[::1]", target(None, "::1", None, None)),
            (
                "tom@[fe80::1%eth0]:/x",
                target(Some("tom"), "fe80::1%eth0", None, Some(b"/x")),
            ),
            ("sftp://host", target(None, "host", None, None)),
            ("SFTP://host/", target(None, "host", None, Some(b"/"))),
            (
                "sftp://host/a%20b%ff",
                target(None, "host", None, Some(b"/a b\xff")),
            ),
            ("sftp://host//a", target(None, "host", None, Some(b"//a"))),
            ("sftp://host/~/x/y", target(None, "host", None, Some(b"x/y"))),
            ("sftp://host/~", target(None, "host", None, None)),
            ("sftp://host/~tom/x", target(None, "host", None, Some(b"/~tom/x"))),
            // What is escaped in a URL is not a pattern.
            (
                "sftp://host/a%2Ab*%5B",
                target(None, "host", None, Some(b"/a\\*b*\\[")),
            ),
            (
                "sftp://me%40corp@host:2222/x",
                target(Some("me@corp"), "host", Some(2222), Some(b"/x")),
            ),
            ("sftp://host:/x", target(None, "host", None, Some(b"/x"))),
            ("sftp://[::1]:22/x", target(None, "::1", Some(22), Some(b"/x"))),
            ("sftp://[::1]", target(None, "::1", None, None)),
            (
                "sftp://host/a:b@c?d#e",
                target(None, "host", None, Some(b"/a:b@c?d#e")),
            ),
        ] {
            assert_eq!(Target::parse(OsStr::new(word)), Ok(expected), "{word}");
        }
    }

    #[test]
    fn words_that_name_no_server() {
        for (word, expected) in [
            ("", "names no host"),
            ("@", "names no host"),
            ("calvin@:x", "names no host"),
            ("[]:x", "names no host"),
            ("sftp://", "names no host"),
            ("sftp:///x", "names no host"),
            ("@host", "is not a host or user name"),
            ("-oProxyCommand=x", "is not a host or user name"),
            ("-x@host", "is not a host or user name"),
            ("a b", "is not a host or user name"),
            ("a\u{1b}[2J", "\\u{1b}[2J\" is not a host"),
            ("./x", "is not a host or user name"),
            ("sftp://ho%2fst", "is not a host or user name"),
            ("sftp://host:0", "is not a port"),
            ("sftp://host:65536", "is not a port"),
            ("sftp://host:+22", "is not a port"),
            ("sftp://host:ssh", "is not a port"),
            ("sftp://host/%", "is not an escape"),
            ("sftp://host/%4", "is not an escape"),
            ("sftp://host/%zz", "is not an escape"),
            ("sftp://host/%00", "is not an escape"),
            ("sftp://calvin:123456@host/", "--password-stdin"),
            ("sftp://calvin:@host/", "--password-stdin"),
        ] {
            let error = Target::parse(OsStr::new(word)).expect_err(word).to_string();
            assert!(error.contains(expected), "{word}: {error}");
            assert!(!error.contains("123456"), "{error}");
        }
    }

    #[test]
    fn remote_and_local_words() {
        for (word, remote) in [
            ("host:x", true),
            ("host:", true),
            ("c:x", true),
            ("[::1]:x", true),
            ("tom@[::1]:x", true),
            ("sftp://host", true),
            ("./a:b", false),
            ("/a:b", false),
            ("a/b:c", false),
            (":x", false),
            ("file", false),
            ("[::1]", false),
            ("[a:b", false),
            ("tom@host", false),
            ("", false),
        ] {
            let place = PathArgument::parse(OsStr::new(word)).unwrap();
            assert_eq!(matches!(place, PathArgument::Remote(_)), remote, "{word}");
        }
        assert_eq!(
            PathArgument::parse(OsStr::from_bytes(b"\xff")),
            Ok(PathArgument::Local(PathBuf::from(OsStr::from_bytes(b"\xff"))))
        );
        assert!(PathArgument::parse(OsStr::new("@:x")).is_err());
    }
}
