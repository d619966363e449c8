//! Where to: `[USER@]HOST[:PATH]` and `sftp://[USER@]HOST[:PORT][/PATH]`, and which words of a command line are local.
//!
//! Nothing here looks into files: what `~/.ssh/config` makes of a host is the business of [`super::destination`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::globs;
use crate::printable::printable;
use base::glob::Marked;

/// A server, and a place on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Who signs in; `None`: as the configuration or the local user says.
    pub user: Option<String>,
    /// A name, an alias of the configuration or an address; IPv6 without its brackets.
    pub host: String,
    /// From a URL.
    pub port: Option<u16>,
    /// Relative to the home when it does not begin with `/`; `None`: the home.
    pub path: Option<Vec<u8>>,
}

/// A word of a command line, as scp(1) tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `HOST:PATH` or a URL.
    Remote(Target),
    /// Everything else.
    Local(PathBuf),
}

/// The word names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing stands where the host should.
    #[error("\"{0}\" names no host (hint: [USER@]HOST[:PATH], or sftp://[USER@]HOST[:PORT][/PATH])")]
    NoHost(String),
    /// A character that no host name or user name has.
    #[error("\"{0}\" is no host or user name")]
    Name(String),
    /// Not a number from 1 to 65535.
    #[error("\"{0}\" is no port (hint: a number from 1 to 65535)")]
    Port(String),
    /// A `%` without two hexadecimal digits, or one that stands for NUL.
    #[error("\"{0}\" has a % that is no escape (hint: a % itself is written %25)")]
    Escape(String),
    /// It would be in the process list, in histories and in logs.
    #[error(
        "a password in a URL can be read by everybody on this machine (hint: leave it out; you will be asked, or use --password-stdin)"
    )]
    Password,
}

impl Target {
    /// Reads a word that must name a server; `HOST` alone is enough.
    ///
    /// # Errors
    /// When it does not.
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

impl Place {
    /// Remote or local? As scp has it: a `:` before any `/` makes it remote, so `./a:b` is local.
    ///
    /// # Errors
    /// When it is remote and names no server.
    pub fn parse(word: &OsStr) -> Result<Self, TargetError> {
        let bytes = word.as_bytes();
        match after_scheme(bytes).is_some() || colon(bytes).is_some() {
            true => Target::parse(word).map(Place::Remote),
            false => Ok(Place::Local(PathBuf::from(word))),
        }
    }
}

fn after_scheme(word: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = word.split_at_checked(b"sftp://".len())?;
    scheme.eq_ignore_ascii_case(b"sftp://").then_some(rest)
}

/// Splits at the `:` that ends the host. One in front is part of a file's name, and so is one behind a `/`.
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

/// At the last `@`: user names may have one.
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

/// A host or user name: text without controls and blanks, and not like an option.
fn name(bytes: &[u8]) -> Result<String, TargetError> {
    let wrong = || TargetError::Name(printable(bytes));
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    match text.is_empty() || text.starts_with('-') || text.contains(odd) {
        true => Err(wrong()),
        false => Ok(text.to_owned()),
    }
}

/// `~/x` is `x` from the home; nothing and `~` are the home itself.
fn from_home(path: &[u8]) -> Option<Vec<u8>> {
    let path = match path {
        b"~" => &b""[..],
        _ => path.strip_prefix(b"~/").unwrap_or(path),
    };
    (!path.is_empty()).then(|| path.to_owned())
}

/// What stands behind `sftp://`. The path is absolute; `/~/x` is `x` from the home.
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
            Some(relative) if relative == b"~" || relative.starts_with(b"~/") => from_home(relative),
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

/// A path is a pattern ([`globs`]), in which what was escaped in the URL stands for itself.
fn unescape_path(text: &[u8]) -> Result<Vec<u8>, TargetError> {
    Ok(globs::escaped(unescaped(text)?.into_iter()))
}

/// Each byte, and whether it was escaped.
fn unescaped(text: &[u8]) -> Result<Vec<Marked>, TargetError> {
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
            // What is escaped in a URL is no pattern.
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
    fn words_that_name_none() {
        for (word, expected) in [
            ("", "names no host"),
            ("@", "names no host"),
            ("calvin@:x", "names no host"),
            ("[]:x", "names no host"),
            ("sftp://", "names no host"),
            ("sftp:///x", "names no host"),
            ("@host", "is no host or user name"),
            ("-oProxyCommand=x", "is no host or user name"),
            ("-x@host", "is no host or user name"),
            ("a b", "is no host or user name"),
            ("a\u{1b}[2J", "\\u{1b}[2J\" is no host"),
            ("./x", "is no host or user name"),
            ("sftp://ho%2fst", "is no host or user name"),
            ("sftp://host:0", "is no port"),
            ("sftp://host:65536", "is no port"),
            ("sftp://host:+22", "is no port"),
            ("sftp://host:ssh", "is no port"),
            ("sftp://host/%", "is no escape"),
            ("sftp://host/%4", "is no escape"),
            ("sftp://host/%zz", "is no escape"),
            ("sftp://host/%00", "is no escape"),
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
            let place = Place::parse(OsStr::new(word)).unwrap();
            assert_eq!(matches!(place, Place::Remote(_)), remote, "{word}");
        }
        assert_eq!(
            Place::parse(OsStr::from_bytes(b"\xff")),
            Ok(Place::Local(PathBuf::from(OsStr::from_bytes(b"\xff"))))
        );
        assert!(Place::parse(OsStr::new("@:x")).is_err());
    }
}
