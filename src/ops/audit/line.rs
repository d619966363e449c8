//! One line of the audit log, as a query reads it.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The bytes with which every line begins.
pub(super) const START: &[u8] = b"{\"time\":\"";

/// The length of a time in the log: `2026-11-23T00:20:01.337Z`.
const TIME_LENGTH: usize = 24;

/// The text of a field. It is part of the line, unless something in it is escaped; an `Option<Cow<str>>` would be a
/// copy always.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct LogText<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for LogText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// One line of the audit log. Fields that no query needs are left out.
#[derive(Debug, Deserialize)]
pub struct AuditEntry<'a> {
    /// The time of the event, as it was written.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// The name of the event.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// The user, if there is one.
    #[serde(borrow, default)]
    pub user: Option<LogText<'a>>,
    /// The number of occurrences; 1 if it is left out.
    #[serde(default)]
    pub count: Option<u64>,
    #[serde(borrow, default)]
    peer: Option<LogText<'a>>,
    #[serde(borrow, default)]
    home: Option<LogText<'a>>,
    /// The path that the event is about.
    #[serde(borrow, default)]
    pub path: Option<LogText<'a>>,
    /// The name before a change of it.
    #[serde(borrow, default)]
    pub from: Option<LogText<'a>>,
    /// The name after a change of it.
    #[serde(borrow, default)]
    pub to: Option<LogText<'a>>,
    /// The path of a link.
    #[serde(borrow, default)]
    pub link: Option<LogText<'a>>,
    /// The target of a link.
    #[serde(borrow, default)]
    pub target: Option<LogText<'a>>,
    /// The sentence that says why.
    #[serde(borrow, default)]
    pub reason: Option<LogText<'a>>,
    /// The method of a sign-in.
    #[serde(borrow, default)]
    pub method: Option<LogText<'a>>,
    /// The operation that was refused.
    #[serde(borrow, default)]
    pub operation: Option<LogText<'a>>,
    /// The command that was run, or what an operator has done.
    #[serde(borrow, default)]
    pub command: Option<LogText<'a>>,
    /// What an operator has done.
    #[serde(borrow, default)]
    pub what: Option<LogText<'a>>,
    /// The name of the user, key or other object that an operator has changed.
    #[serde(borrow, default)]
    pub name: Option<LogText<'a>>,
    /// The system user who has run an operator's command.
    #[serde(default)]
    pub uid: Option<u64>,
    /// The user who has run it by sudo.
    #[serde(borrow, default)]
    pub sudo_user: Option<LogText<'a>>,
    /// The administrator who has done it on the web page.
    #[serde(borrow, default)]
    pub web_user: Option<LogText<'a>>,
    /// How the use of a file ended.
    #[serde(borrow, default)]
    pub end: Option<LogText<'a>>,
    /// The size of a file in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// The values before a change by an operator, as JSON.
    #[serde(borrow, default)]
    pub before: Option<&'a RawValue>,
    /// The values after a change by an operator, as JSON.
    #[serde(borrow, default)]
    pub after: Option<&'a RawValue>,
}

impl AuditEntry<'_> {
    /// Returns the paths that the event is about. In them, `\\` is a backslash and `\xE9` a byte that is not UTF-8.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let paths = [&self.path, &self.from, &self.to, &self.link];
        paths.into_iter().filter_map(|path| path.as_deref())
    }

    /// Returns whether a command of an operator has made a change, and not a user or the outside source of users.
    pub fn is_by_operator(&self) -> bool {
        let what = self.what.as_deref().unwrap_or_default();
        what != "own password" && !what.starts_with("external ")
    }

    /// Returns the address that the event came from, if it came from one.
    pub fn address(&self) -> Option<IpAddr> {
        let peer: SocketAddr = self.peer.as_deref()?.parse().ok()?;
        Some(peer.ip().to_canonical())
    }

    /// Returns what tells the paths of one home from those of another: the home, or the user in lines of version 1.
    pub(super) fn home(&self) -> &str {
        let home = self.home.as_deref().or(self.user.as_deref());
        home.unwrap_or_default()
    }
}

/// Returns the time of a line, without parsing it; `None` if it cannot be a line of the audit log.
pub(super) fn time(line: &[u8]) -> Option<&[u8]> {
    let time = line.strip_prefix(START)?.get(..TIME_LENGTH)?;
    (time.last() == Some(&b'Z') && line.ends_with(b"}")).then_some(time)
}

/// Returns the name of the event of a line, without parsing it.
pub(super) fn event(line: &[u8]) -> Option<&[u8]> {
    let rest = line.get(START.len() + TIME_LENGTH..)?;
    let name = rest.strip_prefix(b"\",\"event\":\"")?;
    let length = name.iter().position(|byte| *byte == b'"')?;
    name.get(..length)
}

/// Returns the bytes of a path in the log.
pub(super) fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        match after {
            [b'x', high, low, left @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = left;
            }
            [_, left @ ..] => {
                bytes.push(b'\\');
                rest = left;
            }
            [] => bytes.push(b'\\'),
        }
    }
    bytes
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        b'a'..=b'f' => hex - b'a' + 10,
        _ => hex.saturating_sub(b'A') + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::visible;

    #[test]
    fn paths_are_read_as_they_were_written() {
        for path in [
            &b"/a"[..],
            b"/caf\xe9",
            b"/back\\slash\\x41",
            b"/\xff\xfe",
            "/é".as_bytes(),
        ] {
            assert_eq!(bytes_of(&visible::bytes(path)), path);
        }
    }

    #[test]
    fn text_is_copied_only_if_something_in_it_is_escaped() {
        let user = |line: &'static str| {
            serde_json::from_str::<AuditEntry<'_>>(line)
                .unwrap()
                .user
                .unwrap()
                .0
        };
        let plain = user(r#"{"time":"t","event":"e","user":"alice"}"#);
        assert!(matches!(plain, Cow::Borrowed("alice")), "{plain:?}");
        let escaped = user(r#"{"time":"t","event":"e","user":"al\"ice"}"#);
        assert_eq!(escaped, "al\"ice");
    }

    #[test]
    fn a_line_that_is_cut_has_no_time() {
        let line = br#"{"time":"2026-11-23T00:20:01.337Z","event":"removed","path":"/x"}"#;
        assert_eq!(time(line), Some(&b"2026-11-23T00:20:01.337Z"[..]));
        assert_eq!(event(line), Some(&b"removed"[..]));
        assert_eq!(event(&line[..40]), None);
        assert_eq!(time(&line[..50]), None);
        assert_eq!(time(&line[10..]), None);
        assert_eq!(time(b""), None);
    }

    #[test]
    fn the_address_is_that_of_the_peer() {
        let entry = |peer: &str| format!(r#"{{"time":"t","event":"e","peer":"{peer}"}}"#);
        let check = |peer: &str, address: Option<&str>| {
            let line = entry(peer);
            let entry: AuditEntry<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(entry.address(), address.map(|text| text.parse().unwrap()));
        };
        check("192.0.2.7:5", Some("192.0.2.7"));
        check("[::ffff:192.0.2.7]:5", Some("192.0.2.7"));
        check("[2001:db8::1]:5", Some("2001:db8::1"));
        check("nonsense", None);
    }
}
