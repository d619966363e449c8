//! `Upload-Metadata`: pairs of a key and a value in Base64. The keys `path`, `mtime` and `sha256` mean something; those
//! that clients add on their own, such as `filename` and `filetype`, are ignored.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use crate::domain::path::VirtualPath;
use crate::web::tus::error::TusError;
use crate::web::url_path::plain_path;

/// The longest header in bytes: a path of 4 KiB in Base64, and room for what clients add.
const LONGEST: usize = 16 * 1024;

/// The most keys.
const MOST_KEYS: usize = 16;

/// A pair of `Upload-Metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataPair {
    /// The key: printable ASCII without spaces and commas.
    pub key: String,
    /// The bytes of the value, decoded.
    pub value: Vec<u8>,
}

/// Where an upload is to be, and what is known of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTarget {
    /// The path of the file, without `.`, `..` and a slash at the end.
    pub path: VirtualPath,
    /// The time of the last change that the file gets, in seconds since 1970.
    pub mtime: Option<i64>,
    /// The SHA-256 that the whole file must have.
    pub sha256: Option<[u8; 32]>,
}

/// Parses the value of `Upload-Metadata`.
///
/// Values have the padding of Base64, as the specification says; anything else is malformed. A value may be empty, with
/// or without a space behind its key.
///
/// # Errors
/// Returns an error for what is malformed, and for a key that occurs twice.
pub fn pairs(header: &[u8]) -> Result<Vec<MetadataPair>, TusError> {
    if header.len() > LONGEST {
        return Err(TusError::MetadataTooLarge);
    }
    let mut pairs: Vec<MetadataPair> = Vec::new();
    for element in header.split(|&byte| byte == b',') {
        if pairs.len() == MOST_KEYS {
            return Err(TusError::MetadataTooLarge);
        }
        let mut parts = element.trim_ascii().splitn(2, |&byte| byte == b' ');
        let key = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        if key.is_empty() || !key.iter().all(u8::is_ascii_graphic) {
            return Err(TusError::Metadata);
        }
        let key = String::from_utf8_lossy(key).into_owned();
        if pairs.iter().any(|pair| pair.key == key) {
            return Err(TusError::MetadataRepeated);
        }
        let value = BASE64.decode(value).map_err(|_| TusError::Metadata)?;
        pairs.push(MetadataPair { key, value });
    }
    Ok(pairs)
}

impl UploadTarget {
    /// Takes the pairs that mean something.
    ///
    /// # Errors
    /// Returns an error if there is no `path`, or if a value does not have its form.
    pub fn from_pairs(pairs: &[MetadataPair]) -> Result<Self, TusError> {
        let value = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key);
            pair.map(|pair| pair.value.as_slice())
        };
        let path =
            plain_path(value("path").ok_or(TusError::Missing("Upload-Metadata with the key \"path\""))?)?;
        if path.is_root() || path.has_slash() {
            return Err(TusError::MetadataValue("path", "the path of a file"));
        }
        let mtime = value("mtime").map(seconds).transpose()?;
        let sha256 = value("sha256").map(digest).transpose()?;
        Ok(Self { path, mtime, sha256 })
    }
}

fn seconds(value: &[u8]) -> Result<i64, TusError> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(TusError::MetadataValue("mtime", "a number of seconds since 1970"))
}

fn digest(value: &[u8]) -> Result<[u8; 32], TusError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(value).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(TusError::MetadataValue("sha256", "64 hexadecimal digits"))
}
