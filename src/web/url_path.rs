//! Paths of requests and names in replies. A path in a URL becomes a [`VirtualPath`] here, and bytes become URLs and
//! JSON. Names are bytes: those that are not UTF-8 are percent-encoded in URLs, and have Base64 beside them in JSON.
//!
//! Nothing here looks at the file system. A path of the web has no `.` and no `..`: a browser resolves both, so a
//! request with one was written by hand.

#[doc(hidden)]
pub mod fuzz;

use base::visible::printable;
use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use serde::Serialize;

use crate::domain::path::{PathError, VirtualPath};

/// What is encoded in a component of a path: all but letters, digits and the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path of a file or directory that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPath {
    /// The path, without `.`, `..` and a slash at the end.
    pub path: VirtualPath,
    /// Whether the URL ended with a slash, as those of directories do. That of the home always does.
    pub has_slash: bool,
}

/// Why the path of a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlPathError {
    /// A `%` without two hexadecimal digits behind it.
    #[error(
        "the path of the URL has a % that is not followed by two hexadecimal digits (hint: write % as %25)"
    )]
    Percent,
    /// An encoded slash, which no name can contain.
    #[error(
        "the path of the URL has an encoded slash (%2F), which no name can contain (hint: write / as it is)"
    )]
    Slash,
    /// A component `.` or `..`, encoded or not.
    #[error("the path has a component \".\" or \"..\" (hint: name the file by its path from the top)")]
    Dots,
    /// A NUL byte, or a path that is too long.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A name in JSON: `name` is for people, and `name_b64` beside it has the exact bytes where they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonName {
    /// The name as it is shown: what is not UTF-8 or would deceive the eye is escaped.
    pub name: String,
    /// The bytes in Base64, if `name` does not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
}

/// A path in JSON, like [`JsonName`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonPath {
    /// The absolute path as it is shown.
    pub path: String,
    /// The bytes in Base64, if `path` does not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
}

impl UrlPath {
    /// Parses the part of a URL's path that names a file: with or without a slash in front, without a query.
    ///
    /// # Errors
    /// Returns an error for what no name can be. Several slashes in a row are one, as in every path of the server.
    pub fn parse(raw: &[u8]) -> Result<Self, UrlPathError> {
        // Without the slash in front, the longest path of the kernel fits.
        let raw = raw.strip_prefix(b"/").unwrap_or(raw);
        let mut names = Vec::new();
        for component in raw.split(|&byte| byte == b'/') {
            let name = decode(component)?;
            if name.contains(&b'/') {
                return Err(UrlPathError::Slash);
            }
            names.push(name);
        }
        let path = plain_path(&names.join(&b'/'))?;
        let has_slash = path.has_slash() || path.is_root();
        Ok(Self {
            path: path.without_slash(),
            has_slash,
        })
    }
}

/// Parses a path of bytes that a client sent in JSON or in a header.
///
/// # Errors
/// Returns an error for a path with `.` or `..`, with a NUL byte, or of more than 4095 bytes.
pub fn plain_path(raw: &[u8]) -> Result<VirtualPath, UrlPathError> {
    let mut components = raw.split(|&byte| byte == b'/');
    if components.any(|component| matches!(component, b"." | b"..")) {
        return Err(UrlPathError::Dots);
    }
    Ok(VirtualPath::parse(raw)?)
}

/// Returns the path as a part of a URL, with a slash in front, and one at the end if the path has one.
pub fn href(path: &VirtualPath) -> String {
    let mut href = String::with_capacity(path.len());
    for name in path.names() {
        href.push('/');
        href.push_str(&href_name(name));
    }
    if path.has_slash() || href.is_empty() {
        href.push('/');
    }
    href
}

/// Returns a name as a component of a URL's path.
pub fn href_name(name: &[u8]) -> String {
    percent_encode(name, ENCODED).to_string()
}

/// Returns the bytes that `name_b64` or `path_b64` of a request stands for; `None` if it is not Base64 with padding.
pub fn from_b64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

impl JsonName {
    /// Returns a name for JSON.
    pub fn of(name: &[u8]) -> Self {
        let (name, name_b64) = shown_and_exact(name);
        Self { name, name_b64 }
    }

    /// Returns the bytes of the name.
    pub fn bytes(&self) -> Vec<u8> {
        let exact = self.name_b64.as_deref().and_then(from_b64);
        exact.unwrap_or_else(|| self.name.as_bytes().to_vec())
    }
}

impl JsonPath {
    /// Returns an absolute path for JSON.
    pub fn of(path: &VirtualPath) -> Self {
        let (path, path_b64) = shown_and_exact(&path.absolute());
        Self { path, path_b64 }
    }
}

fn shown_and_exact(raw: &[u8]) -> (String, Option<String>) {
    let shown = printable(raw);
    let exact = (shown.as_bytes() != raw).then(|| BASE64.encode(raw));
    (shown, exact)
}

/// Decodes a component. Unlike the library, it refuses a `%` that encodes nothing: two URLs would be one file.
fn decode(component: &[u8]) -> Result<Vec<u8>, UrlPathError> {
    let mut behind = component.split(|&byte| byte == b'%');
    // What stands in front of the first `%`.
    behind.next();
    let is_digits =
        |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    match behind.all(is_digits) {
        true => Ok(percent_decode(component).collect()),
        false => Err(UrlPathError::Percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_to_bytes() {
        let check = |raw: &str, absolute: &[u8], has_slash: bool| {
            let path = UrlPath::parse(raw.as_bytes()).unwrap();
            assert_eq!(path.path.absolute(), absolute, "{raw}");
            assert_eq!(path.has_slash, has_slash, "{raw}");
        };
        check("", b"/", true);
        check("/", b"/", true);
        check("//", b"/", true);
        check("/a/b", b"/a/b", false);
        check("a/b/", b"/a/b", true);
        check("/a//b", b"/a/b", false);
        check("/a%20b/caf%C3%A9", "/a b/café".as_bytes(), false);
        check("/caf%e9", b"/caf\xe9", false);
        check("/100%25", b"/100%", false);
        check("/%2541", b"/%41", false);
        check("/a+b/%0A%5C", b"/a+b/\n\\", false);
        check("/...", b"/...", false);
        check("/..a/.b", b"/..a/.b", false);
    }

    #[test]
    fn what_no_name_can_be_is_refused() {
        let check = |raw: &str, expected: UrlPathError| {
            assert_eq!(UrlPath::parse(raw.as_bytes()), Err(expected), "{raw}");
        };
        check("/a%2Fb", UrlPathError::Slash);
        check("/%2f", UrlPathError::Slash);
        check("/a%2f..%2fb", UrlPathError::Slash);
        check("/a%00b", UrlPathError::Path(PathError::Nul));
        for dots in [
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e%2e/x",
            "/.%2E",
            "/a/.",
            "..",
            "/./",
        ] {
            check(dots, UrlPathError::Dots);
        }
        for percent in ["/%", "/a%4", "/%zz", "/%%41", "/%4/1", "/%25%"] {
            check(percent, UrlPathError::Percent);
        }
        check(&"/a".repeat(3000), UrlPathError::Path(PathError::TooLong));
        assert!(UrlPathError::Slash.to_string().contains("hint"));
    }

    #[test]
    fn every_name_has_a_url() {
        let check = |raw: &[u8], expected: &str| {
            let path = VirtualPath::parse(raw).unwrap();
            assert_eq!(href(&path), expected);
            let back = UrlPath::parse(expected.as_bytes()).unwrap();
            assert_eq!(back.path, path.without_slash());
        };
        check(b"/", "/");
        check(b"/a/b-c_d.e~f", "/a/b-c_d.e~f");
        check(b"/a b/", "/a%20b/");
        check(b"/caf\xe9/%41?#&\"<>'", "/caf%E9/%2541%3F%23%26%22%3C%3E%27");
        check("/é".as_bytes(), "/%C3%A9");
    }

    #[test]
    fn json_has_the_bytes_where_the_text_has_not() {
        let check = |raw: &[u8], name: &str, exact: Option<&str>| {
            let json = JsonName::of(raw);
            assert_eq!((json.name.as_str(), json.name_b64.as_deref()), (name, exact));
            assert_eq!(json.bytes(), raw);
        };
        check(b"plain.txt", "plain.txt", None);
        check("é".as_bytes(), "é", None);
        check(b"caf\xe9", "caf\\xe9", Some("Y2Fm6Q=="));
        check(b"caf\\xe9", "caf\\xe9", None);
        check(b"a\nb", "a\\nb", Some("YQpi"));
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b", Some("YeKArmI="));
        let json = serde_json::to_string(&JsonName::of(b"a")).unwrap();
        assert_eq!(json, r#"{"name":"a"}"#);
        let path = JsonPath::of(&VirtualPath::parse(b"d/\xff").unwrap());
        assert_eq!(
            (path.path.as_str(), path.path_b64.as_deref()),
            ("/d/\\xff", Some("L2Qv/w=="))
        );
        assert_eq!(from_b64("Y2Fm6Q"), None);
    }
}
