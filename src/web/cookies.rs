//! The cookie of a browser that has signed in. It finds the cookie in a request and writes the header that sets it;
//! what its value means is the session's matter.

use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};

#[doc(hidden)]
pub mod fuzz;

/// The name of the cookie. A browser takes a name with `__Host-` only from this host itself, by TLS and for all paths,
/// so that no other host of the domain can plant one.
pub const SESSION_COOKIE: &str = "__Host-homeport";

/// The most bytes of `Cookie` headers that are looked at. Browsers send all cookies of a host, also those that others
/// have set on another port; a thousand of them fit.
const LONGEST: usize = 16 * 1024;

/// The longest value in bytes. Ours has 32 to 64.
const LONGEST_VALUE: usize = 256;

/// What all our cookies have: no script reads them, and no other site sends them.
const ATTRIBUTES: &str = "Path=/; HttpOnly; Secure; SameSite=Strict";

/// Returns the value of the session's cookie, if the request has it.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    value(headers, SESSION_COOKIE)
}

/// Returns the value of a cookie of this name, if the request has exactly one. Two with different values are none: one
/// of them is not ours, and nothing says which.
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found: Option<&str> = None;
    let mut length = 0usize;
    for header in headers.get_all(COOKIE) {
        length = length.saturating_add(header.len());
        if length > LONGEST {
            return None;
        }
        for pair in header.as_bytes().split(|&byte| byte == b';') {
            let Some(value) = value_of(pair, name) else {
                continue;
            };
            if found.is_some_and(|found| found != value) {
                return None;
            }
            found = Some(value);
        }
    }
    found
}

/// Returns the value of a pair `name=value` if it has this name and its value has the form of ours.
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a str> {
    let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
    let value = rest.strip_prefix(b"=")?;
    let value = std::str::from_utf8(value).ok()?;
    is_value(value).then_some(value)
}

/// Whether a text can be the value of a cookie of ours.
fn is_value(value: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !value.is_empty() && value.len() <= LONGEST_VALUE && value.bytes().all(is_part)
}

/// Returns the value of `Set-Cookie` that keeps the session's cookie for so many seconds; `None` if the value has other
/// characters than letters, digits, `-`, `_` and `.`. Logs do not show it.
pub fn set_session(value: &str, max_age_secs: u64) -> Option<HeaderValue> {
    set(SESSION_COOKIE, value, max_age_secs)
}

/// Returns the value of `Set-Cookie` that keeps a cookie of this name for so many seconds; `None` if the value has other
/// characters than letters, digits, `-`, `_` and `.`. The name must begin with `__Host-`. Logs do not show it.
pub fn set(name: &str, value: &str, max_age_secs: u64) -> Option<HeaderValue> {
    if !is_value(value) {
        return None;
    }
    let text = format!("{name}={value}; Max-Age={max_age_secs}; {ATTRIBUTES}");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Returns the value of `Set-Cookie` that removes the session's cookie.
pub fn remove_session() -> HeaderValue {
    HeaderValue::from_static("__Host-homeport=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[&str]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, header.parse().unwrap());
        }
        session_cookie(&map).map(str::to_owned)
    }

    #[test]
    fn our_cookie_is_found() {
        let check = |headers: &[&str], expected: Option<&str>| {
            assert_eq!(found(headers).as_deref(), expected, "{headers:?}");
        };
        check(&["__Host-homeport=abc"], Some("abc"));
        check(&["a=b; __Host-homeport=abc; c=d"], Some("abc"));
        check(&["a=b;__Host-homeport=abc;"], Some("abc"));
        check(&["a=b", "__Host-homeport=abc"], Some("abc"));
        check(&["__Host-homeport=abc; __Host-homeport=abc"], Some("abc"));
        check(&["junk; =; ;;=x; a; __Host-homeport=abc"], Some("abc"));
        check(&["__Host-homeport=; __Host-homeport=abc"], Some("abc"));
    }

    #[test]
    fn what_is_not_our_cookie_is_not_found() {
        for header in [
            "",
            "__Host-homeport",
            "__Host-homeport=",
            "__Host-homeport =abc",
            "__host-homeport=abc",
            "__Host-homeport2=abc",
            "x__Host-homeport=abc",
            "a=__Host-homeport=abc",
            "__Host-homeport=a b",
            "__Host-homeport=\"abc\"",
            "__Host-homeport=abc, x",
            "__Host-homeport=abc; __Host-homeport=def",
        ] {
            assert_eq!(found(&[header]), None, "{header}");
        }
        let long = format!("__Host-homeport={}", "a".repeat(LONGEST_VALUE + 1));
        assert_eq!(found(&[&long]), None);
    }

    #[test]
    fn a_thousand_others_hide_nothing() {
        let others: String = (0..1000).map(|number| format!("n{number}=v; ")).collect();
        assert_eq!(
            found(&[&format!("{others}__Host-homeport=abc")]).as_deref(),
            Some("abc")
        );
        let too_many = others.repeat(3);
        assert_eq!(found(&[&format!("__Host-homeport=abc; {too_many}")]), None);
    }

    #[test]
    fn cookies_are_for_this_host_alone() {
        let set = set_session("abc-DEF_1.2", 3600).unwrap();
        assert!(set.is_sensitive());
        assert_eq!(
            set,
            "__Host-homeport=abc-DEF_1.2; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Strict"
        );
        for value in ["", "a;b", "a b", "a\r\nb", "é"] {
            assert!(set_session(value, 1).is_none(), "{value}");
        }
        let removed = remove_session();
        let expected = format!("{SESSION_COOKIE}=; Max-Age=0; {ATTRIBUTES}");
        assert_eq!(removed, expected);
    }
}
