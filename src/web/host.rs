//! The host that a request is for, as browsers, proxies and `Host` write it, in one form that can be compared.

use std::fmt;
use std::net::Ipv6Addr;

/// The longest host with a port in bytes: a name of DNS has 253, and a port six more.
const LONGEST: usize = 260;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebScheme {
    /// Without TLS.
    Http,
    /// By TLS.
    Https,
}

/// A host and a port. Two are equal if a browser takes them for the same.
///
/// Invariants: a name is lower-case ASCII without a dot at the end; the port is the scheme's if none was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: WebHost,
    port: u16,
    scheme: WebScheme,
}

/// A host in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WebHost {
    /// A name, or an IPv4 address in the usual form.
    Name(String),
    /// An IPv6 address, which has many forms.
    Six(Ipv6Addr),
}

impl WebScheme {
    /// Parses `http` or `https` in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if text.eq_ignore_ascii_case(b"https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case(b"http") {
            Some(Self::Http)
        } else {
            None
        }
    }

    /// Returns the name, as URLs begin with it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port that is meant if a URL has none.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl HostPort {
    /// Parses `host`, `host:port`, `[::1]` or `[::1]:port`; `None` if it is none of these.
    pub fn parse(text: &[u8], scheme: WebScheme) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?.trim_ascii();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                (WebHost::Six(address.parse().ok()?), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (name, port) = text.split_at_checked(end)?;
                (WebHost::named(name)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            // `example.org:` has the scheme's port, too (RFC 3986, section 3.2.3).
            Some("") => scheme.port(),
            Some(digits) => port_number(digits)?,
            None if port.is_empty() => scheme.port(),
            None => return None,
        };
        Some(Self { host, port, scheme })
    }

    /// Parses an origin such as `https://example.org:8443`; `None` if it is none, or `null`.
    pub fn of_origin(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let at = text.windows(3).position(|three| three == b"://")?;
        let (scheme, rest) = text.split_at_checked(at)?;
        let scheme = WebScheme::parse(scheme)?;
        Self::parse(rest.strip_prefix(b"://")?, scheme)
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> WebScheme {
        self.scheme
    }
}

impl WebHost {
    fn named(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.bytes().all(is_part);
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

/// Parses digits: `+80` is not a port.
pub fn port_number(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Formats the host as a URL has it: without the port if that is the scheme's.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            WebHost::Name(name) => f.write_str(name)?,
            WebHost::Six(address) => write!(f, "[{address}]")?,
        }
        match self.port == self.scheme.port() {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        let check = |text: &str, scheme: WebScheme, expected: Option<&str>| {
            let host = HostPort::parse(text.as_bytes(), scheme).map(|host| host.to_string());
            assert_eq!(host.as_deref(), expected, "{text}");
        };
        let secure = WebScheme::Https;
        check("example.org", secure, Some("example.org"));
        check("EXAMPLE.Org.", secure, Some("example.org"));
        check("example.org:443", secure, Some("example.org"));
        check("example.org:", secure, Some("example.org"));
        check("example.org:443", WebScheme::Http, Some("example.org:443"));
        check("example.org:80", WebScheme::Http, Some("example.org"));
        check("192.0.2.1:8443", secure, Some("192.0.2.1:8443"));
        check("[2001:DB8:0::1]:8443", secure, Some("[2001:db8::1]:8443"));
        check("[::1]", secure, Some("[::1]"));
        let long = "a".repeat(LONGEST + 1);
        for malformed in [
            "",
            ".",
            ":80",
            "a b",
            "user@example.org",
            "example.org:x",
            "example.org:+80",
            "example.org:99999",
            "::1",
            "[::1",
            "[::1]80",
            "[fe80::1%eth0]",
            "[example.org]",
            "example.org/x",
            "bücher.example",
            "a,b",
            long.as_str(),
        ] {
            check(malformed, secure, None);
        }
    }

    #[test]
    fn origins_have_a_scheme() {
        let check = |text: &str, expected: Option<&str>| {
            let origin = HostPort::of_origin(text.as_bytes());
            let shown = origin.map(|origin| format!("{}://{origin}", origin.scheme().name()));
            assert_eq!(shown.as_deref(), expected, "{text}");
        };
        check("https://Example.org:443", Some("https://example.org"));
        check("HTTP://[::1]:8080", Some("http://[::1]:8080"));
        for malformed in [
            "null",
            "",
            "example.org",
            "https://",
            "https:/example.org",
            "https://example.org/",
            "file://x",
            "https://a b",
            "https://a, https://b",
        ] {
            check(malformed, None);
        }
    }
}
