//! The body of the fuzz target for paths in URLs: no input makes the parser panic, an accepted path has plain names
//! alone, and its own URL leads to it again.

use super::{JsonPath, UrlPath, from_b64, href};

/// Parses `data`, and asserts what the handlers rely on.
pub fn fuzz_url_path(data: &[u8]) {
    let Ok(parsed) = UrlPath::parse(data) else {
        return;
    };
    let absolute = parsed.path.absolute();
    assert!(!absolute.contains(&0) && absolute.len() <= data.len().saturating_add(1));
    assert!(parsed.path.is_root() || !absolute.ends_with(b"/"));
    for name in parsed.path.names() {
        assert!(!matches!(name, b"" | b"." | b".."));
    }
    let mut url = href(&parsed.path);
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
    if parsed.has_slash && !url.ends_with('/') {
        url.push('/');
    }
    assert_eq!(UrlPath::parse(url.as_bytes()).as_ref(), Ok(&parsed));
    let json = JsonPath::of(&parsed.path);
    let bytes = match &json.path_b64 {
        Some(text) => from_b64(text),
        None => Some(json.path.into_bytes()),
    };
    assert_eq!(bytes, Some(absolute));
}
