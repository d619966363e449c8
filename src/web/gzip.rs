//! Compressed bodies: who takes them, and how they are made.
//!
//! What is compressed has no secret beside what a stranger chooses: lengths would tell of it. Pages with names of files are
//! compressed all the same, because no other site can have a browser fetch them with its cookie.

use std::io::Write as _;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses bytes; `None` if that makes them no shorter.
pub fn packed(bytes: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < bytes.len()).then(|| Bytes::from(packed))
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3).
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let mut by_star = false;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let is_taken = !parts.any(is_zero_weight);
            if name.eq_ignore_ascii_case("gzip") {
                return is_taken;
            }
            by_star |= name == "*" && is_taken;
        }
    }
    by_star
}

/// Whether a parameter says that something is not wanted: `q=0`, also with zeros behind a point.
fn is_zero_weight(parameter: &str) -> bool {
    let weight = parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, weight)| weight.trim().bytes().all(|byte| matches!(byte, b'0' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_say_whether_they_take_gzip() {
        let check = |values: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(is_accepted(&headers), expected, "{values:?}");
        };
        check(&["gzip, deflate, br, zstd"], true);
        check(&["br", "GZIP;q=0.5"], true);
        check(&["*"], true);
        check(&["*;q=0.1, br"], true);
        check(&["gzip; q=0.001"], true);
        check(&[], false);
        check(&[""], false);
        check(&["br, identity"], false);
        check(&["gzip;q=0"], false);
        check(&["gzip; Q=0.000, *"], false);
        check(&["*;q=0"], false);
        check(&["x-gzipped"], false);
    }
}
