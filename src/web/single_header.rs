//! A header that may occur once in a request. If it is there twice, a proxy in front may have read the other one, so
//! neither counts.

use http::HeaderName;
use http::header::HeaderMap;

/// A header is there several times, though it may be there once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatedHeader;

/// Returns the value of a header, if it is there.
///
/// # Errors
/// Returns an error if it is there several times.
pub fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&[u8]>, RepeatedHeader> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.as_bytes());
    match values.next() {
        Some(_) => Err(RepeatedHeader),
        None => Ok(first),
    }
}
