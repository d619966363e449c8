//! The body of the fuzz target for the headers of tus: no input makes a parser panic, and what is accepted keeps its
//! limits.

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue};

use super::metadata::pairs;
use super::{
    CONTENT_TYPE_OF_PIECES, LARGEST, TUS_RESUMABLE, UPLOAD_CHECKSUM, UPLOAD_LENGTH, UPLOAD_METADATA,
    UPLOAD_OFFSET, UploadCreation, UploadPiece, VERSION,
};

/// The headers that the lines of an input are put into, in this order.
const NAMES: [HeaderName; 4] = [UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET, UPLOAD_CHECKSUM];

/// Parses the lines of `data` as the values of headers.
pub fn fuzz_tus_headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_OF_PIECES));
    for (name, line) in NAMES.iter().zip(data.split(|&byte| byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    if let Ok(creation) = UploadCreation::from_headers(&headers) {
        assert!(creation.length <= LARGEST);
        let path = &creation.target.path;
        assert!(!path.is_root() && !path.has_slash() && !path.has_up() && path.split().is_some());
    }
    if let Ok(piece) = UploadPiece::from_headers(&headers) {
        assert!(piece.offset <= LARGEST);
        if let Some(checksum) = piece.checksum {
            assert_eq!(checksum.digest.len(), checksum.algorithm.digest_len());
        }
    }
    if let Ok(pairs) = pairs(data) {
        assert!(!pairs.is_empty() && pairs.len() <= 16);
        assert!(pairs.iter().all(|pair| !pair.key.is_empty()));
    }
}
