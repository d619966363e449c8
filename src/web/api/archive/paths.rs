//! The paths that an archive is asked for: in a query, in a form of a page, or in JSON.

use percent_encoding::percent_decode;
use serde::Deserialize;

use crate::domain::path::VirtualPath;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::url_path::{from_b64, plain_path};

/// The most paths of one archive. Whoever wants more names their directory.
const MOST_PATHS: usize = 10_000;

/// The paths that an archive is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ArchivePaths {
    /// The paths, at least one.
    pub(super) all: Vec<VirtualPath>,
}

/// The JSON body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ArchiveBody {
    paths: Vec<String>,
    paths_b64: Vec<String>,
}

impl ArchivePaths {
    /// Reads a query, or the body of a form: `path` or `paths` for each path, `path_b64` or `paths_b64` for bytes that are
    /// not UTF-8. Other fields are ignored.
    pub(super) fn of_form(form: &[u8]) -> Result<Self, WebError> {
        let mut raw = Vec::new();
        for pair in form.split(|&byte| byte == b'&') {
            let mut parts = pair.splitn(2, |&byte| byte == b'=');
            let name = parts.next().unwrap_or_default();
            let value = decoded(parts.next().unwrap_or_default());
            match name {
                b"path" | b"paths" => raw.push(value),
                b"path_b64" | b"paths_b64" => raw.push(bytes_of(&String::from_utf8_lossy(&value))?),
                _ => {}
            }
        }
        Self::of_raw(&raw)
    }

    /// Reads a JSON body.
    pub(super) fn of_json(json: &[u8]) -> Result<Self, WebError> {
        let body: ArchiveBody = serde_json::from_slice(json).map_err(|error| {
            WebError::new(
                WebErrorKind::BadRequest,
                format!("the body is not as expected: {error}"),
            )
        })?;
        let mut raw: Vec<Vec<u8>> = body.paths.into_iter().map(String::into_bytes).collect();
        for text in &body.paths_b64 {
            raw.push(bytes_of(text)?);
        }
        Self::of_raw(&raw)
    }

    fn of_raw(raw: &[Vec<u8>]) -> Result<Self, WebError> {
        if raw.is_empty() {
            return Err(WebError::new(
                WebErrorKind::BadRequest,
                "the request names no path for the archive",
            ));
        }
        if raw.len() > MOST_PATHS {
            return Err(WebError::new(
                WebErrorKind::TooLarge,
                format!("an archive is asked for with at most {MOST_PATHS} paths"),
            )
            .hint("name the directory that they are in"));
        }
        let mut all = Vec::with_capacity(raw.len());
        for path in raw {
            let path = plain_path(path)
                .map_err(|error| WebError::worded(WebErrorKind::BadRequest, &error.to_string()))?;
            all.push(path.without_slash());
        }
        Ok(Self { all })
    }
}

/// Decodes a value of a form: a plus sign stands for a space.
fn decoded(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced).collect()
}

fn bytes_of(text: &str) -> Result<Vec<u8>, WebError> {
    from_b64(text).ok_or_else(|| {
        WebError::new(
            WebErrorKind::BadRequest,
            "a path in Base64 must have padding, and nothing but Base64",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Result<ArchivePaths, WebError>, expected: Option<&[&[u8]]>) {
        let found = found.ok().map(|paths| {
            let absolute = paths.all.iter().map(VirtualPath::absolute);
            absolute.collect::<Vec<_>>()
        });
        let expected = expected.map(|paths| paths.iter().map(|path| path.to_vec()).collect());
        assert_eq!(found, expected);
    }

    #[test]
    fn forms_and_queries_name_paths() {
        let form = |text: &str| ArchivePaths::of_form(text.as_bytes());
        check(
            form("path=/a%20b&path=%2Fc/&x=1&path=/d+e"),
            Some(&[&b"/a b"[..], b"/c", b"/d e"]),
        );
        check(
            form("path=/caf%E9&paths_b64=L%2F8%3D"),
            Some(&[&b"/caf\xe9"[..], b"/\xff"]),
        );
        check(form("path=/"), Some(&[&b"/"[..]]));
        check(form(""), None);
        check(form("path=/a/../b"), None);
        check(form("path=/a%00"), None);
        check(form("path_b64=!"), None);
        check(form(&"path=/a&".repeat(MOST_PATHS + 1)), None);
    }

    #[test]
    fn json_names_paths() {
        let json = |text: &str| ArchivePaths::of_json(text.as_bytes());
        check(
            json(r#"{"paths":["/a"],"paths_b64":["L/8="]}"#),
            Some(&[&b"/a"[..], b"/\xff"]),
        );
        check(json("{}"), None);
        check(json(r#"{"paths":"/a"}"#), None);
        check(json(r#"{"path":["/a"]}"#), None);
    }
}
