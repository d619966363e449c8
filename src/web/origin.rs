//! Whether a request that changes something comes from a page of ours: the check against cross-site requests. It counts
//! for requests that are signed in by a cookie; those with a token need none, because no page can add one unasked.

use http::HeaderName;
use http::header::{HeaderMap, ORIGIN};

use super::host::{HostPort, WebScheme};
use super::single_header::single;

/// Says what a browser knows about where a request comes from. Pages cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request comes from a page of the host that it is for. `host` is the value of `Host`, or what a trusted
/// proxy says instead of it; `scheme` is how the browser came.
///
/// - `Sec-Fetch-Site`, if it is there, must be `same-origin`: `same-site` may be somebody else's host of the domain,
///   and `none` is a person's own act, such as an address that was typed, which changes nothing.
/// - `Origin`, if it is there, must be this host with this scheme and port. `null`, which sandboxed frames and
///   redirects between sites send, never is.
/// - With neither, the request is refused: every browser since 2020 sends one of them with a request that changes
///   something.
pub fn is_same_origin(headers: &HeaderMap, host: &[u8], scheme: WebScheme) -> bool {
    let (Ok(site), Ok(origin)) = (single(headers, SEC_FETCH_SITE), single(headers, ORIGIN)) else {
        return false;
    };
    let is_ours = |origin: &[u8]| {
        let own = HostPort::parse(host, scheme);
        own.is_some() && HostPort::of_origin(origin) == own
    };
    match (site, origin) {
        (None, None) => false,
        (Some(site), None) => site == b"same-origin",
        (None, Some(origin)) => is_ours(origin),
        (Some(site), Some(origin)) => site == b"same-origin" && is_ours(origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)], host: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(
            is_same_origin(&headers, host.as_bytes(), WebScheme::Https),
            expected,
            "{pairs:?} to {host}"
        );
    }

    #[test]
    fn the_origin_must_be_the_host() {
        for (origin, host, expected) in [
            ("https://example.org", "example.org", true),
            ("https://example.org", "Example.ORG", true),
            ("https://example.org", "example.org.", true),
            ("https://example.org:443", "example.org", true),
            ("https://example.org", "example.org:443", true),
            ("https://example.org:8443", "example.org:8443", true),
            ("https://[2001:db8::1]:8443", "[2001:DB8:0:0::1]:8443", true),
            ("https://192.0.2.1", "192.0.2.1", true),
            ("http://example.org", "example.org", false),
            ("https://example.org:8443", "example.org", false),
            ("https://example.org", "example.org:8443", false),
            ("https://evil.example", "example.org", false),
            ("https://example.org.evil.example", "example.org", false),
            ("https://www.example.org", "example.org", false),
            ("https://example.org@evil.example", "example.org", false),
            ("null", "example.org", false),
            ("null", "null", false),
            ("", "", false),
            ("https://", "", false),
            ("https://a b", "a b", false),
        ] {
            check(&[("origin", origin)], host, expected);
        }
    }

    #[test]
    fn the_browser_may_say_where_it_comes_from() {
        for (site, expected) in [
            ("same-origin", true),
            ("same-site", false),
            ("cross-site", false),
            ("none", false),
            ("", false),
            ("Same-Origin", false),
        ] {
            check(&[("sec-fetch-site", site)], "example.org", expected);
            let both = [("sec-fetch-site", site), ("origin", "https://example.org")];
            check(&both, "example.org", expected);
        }
        let other = [
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ];
        check(&other, "example.org", false);
        check(
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            "example.org",
            false,
        );
    }

    #[test]
    fn silence_and_contradiction_are_refused() {
        check(&[], "example.org", false);
        check(&[("referer", "https://example.org/")], "example.org", false);
        let origin = ("origin", "https://example.org");
        check(&[origin, origin], "example.org", false);
        let site = ("sec-fetch-site", "same-origin");
        check(&[site, site], "example.org", false);
    }
}
