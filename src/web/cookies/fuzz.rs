//! The body of the fuzz target for `Cookie` headers: no input makes the parser panic, and a value that is found can be
//! set again.

use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};

use super::{SESSION_COOKIE, set_session, value};

/// Takes the lines of `data` for headers.
pub fn fuzz_cookies(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        if let Ok(header) = HeaderValue::from_bytes(line) {
            // More headers than the map can have are refused by the HTTP library.
            let _ = headers.try_append(COOKIE, header);
        }
    }
    if let Some(found) = value(&headers, SESSION_COOKIE) {
        let set = set_session(found, 60).map(|header| header.as_bytes().to_vec());
        let expected = format!("{SESSION_COOKIE}={found}; ");
        assert!(set.is_some_and(|set| set.starts_with(expected.as_bytes())));
    }
}
