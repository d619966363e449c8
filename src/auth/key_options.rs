//! Options in front of a key in authorized_keys. A line with a restriction that this server cannot enforce is refused.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::address::FromList;

/// The conditions that the options of a line set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyOptions {
    from: Option<FromList>,
    expires_at: Option<Timestamp>,
    /// Whether the key is that of an authority, and signs in by its certificates only.
    is_authority: bool,
    principals: Option<Vec<String>>,
    /// Whether a security key need not have been touched.
    touch_is_optional: bool,
    verification_is_required: bool,
}

/// Options about features that this server does not have: pty, forwarding and rc files.
const MEANINGLESS: [&str; 11] = [
    "restrict",
    "pty",
    "no-pty",
    "port-forwarding",
    "no-port-forwarding",
    "agent-forwarding",
    "no-agent-forwarding",
    "x11-forwarding",
    "no-x11-forwarding",
    "user-rc",
    "no-user-rc",
];

impl KeyOptions {
    /// Parses the comma-separated options. The error says which option is refused, and why.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in split(text)? {
            options.take(option)?;
        }
        if options.principals.is_some() && !options.is_authority {
            return Err("option principals= needs cert-authority beside it".to_owned());
        }
        Ok(options)
    }

    fn take(&mut self, option: RawOption<'_>) -> Result<(), String> {
        let name = option.name.to_ascii_lowercase();
        match (name.as_str(), option.value) {
            ("from", Some(list)) => {
                let list = FromList::parse(&list).map_err(|why| format!("option from=: {why}"))?;
                if self.from.replace(list).is_some() {
                    return Err("option from= occurs twice".to_owned());
                }
            }
            ("expiry-time", Some(time)) => {
                let time = expiry(&time)
                    .ok_or("option expiry-time=: expected YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]".to_owned())?;
                // As in sshd, the earliest expiry time counts.
                self.expires_at = Some(self.expires_at.map_or(time, |earlier| earlier.min(time)));
            }
            ("cert-authority", None) => self.is_authority = true,
            ("principals", Some(list)) => {
                let list = principals(&list)?;
                if self.principals.replace(list).is_some() {
                    return Err("option principals= occurs twice".to_owned());
                }
            }
            ("touch-required", None) => self.touch_is_optional = false,
            ("no-touch-required", None) => self.touch_is_optional = true,
            ("verify-required", None) => self.verification_is_required = true,
            ("no-verify-required", None) => self.verification_is_required = false,
            ("from" | "expiry-time" | "principals", None) => {
                return Err(format!("option {name} needs a value in quotes"));
            }
            // Every session gets this command on this server.
            ("command", Some(command)) if command == "internal-sftp" => {}
            (flag, None) if MEANINGLESS.contains(&flag) => {}
            (_, None) => return Err(format!("option {} is not supported", option.name.escape_debug())),
            (_, Some(_)) => return Err(format!("option {}= is not supported", option.name.escape_debug())),
        }
        Ok(())
    }

    /// Returns the time from which the key cannot be used.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Whether the key is that of an authority.
    pub(super) fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Returns the principals that a certificate of this authority may name, if the options list them.
    pub(super) fn principals(&self) -> Option<&[String]> {
        self.principals.as_deref()
    }

    /// Returns what a security key must state in its signature.
    pub(super) fn touch_rules(&self) -> TouchRules {
        TouchRules {
            touch: !self.touch_is_optional,
            verification: self.verification_is_required,
        }
    }

    /// Checks whether this peer may use a key with these options at this time.
    pub(super) fn permit(&self, peer: IpAddr, now: Timestamp) -> Result<(), KeyRestriction> {
        if self.from.as_ref().is_some_and(|list| !list.permits(peer)) {
            return Err(KeyRestriction::Address);
        }
        match self.expires_at {
            Some(end) if now >= end => Err(KeyRestriction::Expired),
            _ => Ok(()),
        }
    }
}

/// The option that does not allow a peer to use a key. Of two, the greater one is nearer to allowing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRestriction {
    /// The list of `from=` does not contain the peer's address.
    Address,
    /// The list of `from=`, if there is one, contains the peer's address, but `expiry-time=` has passed.
    Expired,
    /// The security key was not touched for the signature.
    NotTouched,
    /// The security key has not verified the person, or the key is not a security key, and cannot.
    NotVerified,
}

/// What a security key must state in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TouchRules {
    /// Whether a person must have touched the key.
    pub(super) touch: bool,
    /// Whether the person must have been verified. No other key can state that.
    pub(super) verification: bool,
}

/// Parses a list of principals, separated by commas.
fn principals(list: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("option principals=: an empty name".to_owned()),
        false => Ok(names),
    }
}

struct RawOption<'a> {
    name: &'a str,
    value: Option<String>,
}

/// Splits `a,b="x, y",c` at the commas outside quotes. Inside quotes `\"` is a quote, and nothing else is special.
fn split(text: &str) -> Result<Vec<RawOption<'_>>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if name.is_empty() || name.contains('"') {
            return Err("an option without a name".to_owned());
        }
        let (value, tail) = match tail.strip_prefix('=') {
            Some(quoted) => {
                let (value, tail) = unquote(quoted)
                    .ok_or_else(|| format!("option {}=: expected a value in quotes", name.escape_debug()))?;
                (Some(value), tail)
            }
            None => (None, tail),
        };
        options.push(RawOption { name, value });
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None if tail.is_empty() => return Ok(options),
            None => {
                return Err(format!(
                    "option {}: expected a comma behind it",
                    name.escape_debug()
                ));
            }
        }
    }
}

/// Returns the value of the quoted string at the beginning, and the text behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let at = rest.find('"')?;
        let (before, after) = rest.split_at(at);
        rest = after.strip_prefix('"')?;
        match before.strip_suffix('\\') {
            Some(before) => {
                value.push_str(before);
                value.push('"');
            }
            None => {
                value.push_str(before);
                return Some((value, rest));
            }
        }
    }
}

/// Returns the position at which the options end: the first blank outside quotes.
pub(super) fn end_of_options(line: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return at,
            _ => {}
        }
        escaped = c == '\\';
    }
    line.len()
}

/// Parses an expiry time. A date stands for its first instant; without `Z` the time is local, as in sshd.
fn expiry(text: &str) -> Option<Timestamp> {
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let date = Date::new(digits.get(0..4)?.parse().ok()?, field(4, 6)?, field(6, 8)?).ok()?;
    let time: DateTime = match digits.len() {
        8 => date.at(0, 0, 0, 0),
        12 | 14 => {
            let second = if digits.len() == 14 { field(12, 14)? } else { 0 };
            date.to_datetime(jiff::civil::Time::new(field(8, 10)?, field(10, 12)?, second, 0).ok()?)
        }
        _ => return None,
    };
    Some(time.to_zoned(zone).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_times_are_read_as_sshd_reads_them() {
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(|t| t.parse::<Timestamp>().unwrap());
            assert_eq!(expiry(text), expected, "{text}");
        };
        check("20300102Z", Some("2030-01-02T00:00:00Z"));
        check("203001020304Z", Some("2030-01-02T03:04:00Z"));
        check("20300102030405Z", Some("2030-01-02T03:04:05Z"));
        let local = Date::new(2030, 1, 2)
            .unwrap()
            .to_zoned(TimeZone::system())
            .unwrap();
        assert_eq!(expiry("20300102"), Some(local.timestamp()));
        for bad in [
            "",
            "Z",
            "2030",
            "20301302Z",
            "20300230Z",
            "2030010203Z",
            "203001022504Z",
            "2030010203040Z",
            "+0300102Z",
            "2030-01-02",
            "20300102z",
            "２０３０0102Z",
            "203001020304050Z",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn the_earliest_expiry_counts() {
        let options = KeyOptions::parse(r#"expiry-time="20400101Z",expiry-time="20300101Z""#).unwrap();
        let peer = "192.0.2.1".parse().unwrap();
        let at = |time: &str| options.permit(peer, time.parse().unwrap());
        assert_eq!(at("2029-12-31T23:59:59Z"), Ok(()));
        assert_eq!(at("2030-01-01T00:00:00Z"), Err(KeyRestriction::Expired));
    }

    #[test]
    fn options_are_split_outside_quotes_only() {
        let check = |text: &str, expected: &[(&str, Option<&str>)]| {
            let got = split(text).unwrap();
            let got: Vec<_> = got.iter().map(|o| (o.name, o.value.as_deref())).collect();
            assert_eq!(got, expected, "{text}");
        };
        check("a", &[("a", None)]);
        check("a,b", &[("a", None), ("b", None)]);
        check(r#"a="x, y",b"#, &[("a", Some("x, y")), ("b", None)]);
        check(r#"a="say \"x,y\"",b"#, &[("a", Some("say \"x,y\"")), ("b", None)]);
        check(r#"a="""#, &[("a", Some(""))]);
        check(r#"a="c:\d""#, &[("a", Some("c:\\d"))]);
        for bad in [
            "",
            ",",
            "a,",
            ",a",
            "a,,b",
            "=\"x\"",
            "a=",
            "a=x",
            "a=\"x",
            r#"a="x\""#,
            r#"a="x"b"#,
            r#""a""#,
            "a\"b",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
