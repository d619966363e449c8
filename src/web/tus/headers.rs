//! The headers of tus 1.0.0, the protocol of resumable uploads (<https://tus.io/protocols/resumable-upload>), as values
//! with types. It does not know where uploads are stored.
//!
//! Of the extensions, creation (also with the first bytes), termination, expiration and checksum are there. What a client
//! asks for beyond them is refused with a sentence, because an upload that is silently done in another way would be wrong.

#[doc(hidden)]
pub mod fuzz;
pub mod metadata;

use data_encoding::BASE64;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

use self::metadata::{UploadTarget, pairs};
use crate::web::http_date;
use crate::web::single_header::single;
use crate::web::tus::error::TusError;

/// The version of the protocol, and the value of `Tus-Resumable` and `Tus-Version`.
pub const VERSION: &str = "1.0.0";

/// The value of `Tus-Extension`.
pub const EXTENSIONS: &str = "creation,creation-with-upload,termination,expiration,checksum";

/// The value of `Tus-Checksum-Algorithm`.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256,md5";

/// The type that the body of a PATCH must have.
pub const CONTENT_TYPE_OF_PIECES: &str = "application/offset+octet-stream";

/// `Tus-Resumable`: the version of the protocol that a message is written in.
pub const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");

/// `Upload-Length`: the size of the whole file.
pub const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");

/// `Upload-Offset`: the number of bytes that are there.
pub const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// `Upload-Metadata`: where the file is to be, and what is known of it.
pub const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");

/// `Upload-Checksum`: the digest of the body of one PATCH.
pub const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");

/// `Upload-Expires`: the time at which an unfinished upload is removed.
pub const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");

/// The largest file in bytes: offsets of the kernel are signed.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// What a POST asks for: a new upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadCreation {
    /// The size of the file in bytes.
    pub length: u64,
    /// Where it is to be, and what is known of it.
    pub target: UploadTarget,
}

/// What a PATCH brings: the bytes of the body, from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPiece {
    /// The offset of the first byte. It must be the number of bytes that are there.
    pub offset: u64,
    /// The digest of the body, if the client sent one.
    pub checksum: Option<PieceChecksum>,
}

/// The digest that the body of a PATCH must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceChecksum {
    /// The hash function.
    pub algorithm: PieceHash,
    /// The digest, as long as those of the function.
    pub digest: Vec<u8>,
}

/// A hash function for pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceHash {
    /// SHA-1, which every server with the extension must have.
    Sha1,
    /// SHA-256.
    Sha256,
    /// MD5.
    Md5,
}

impl UploadCreation {
    /// Reads the headers of a POST.
    ///
    /// # Errors
    /// Returns an error for what is missing, malformed or not supported.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, TusError> {
        check_version(headers)?;
        if headers.contains_key(UPLOAD_DEFER_LENGTH) {
            return Err(TusError::DeferredLength);
        }
        if headers.contains_key(UPLOAD_CONCAT) {
            return Err(TusError::Concatenation);
        }
        let length = bytes(headers, UPLOAD_LENGTH, "Upload-Length")?;
        let metadata = optional(headers, UPLOAD_METADATA, "Upload-Metadata")?;
        let metadata = metadata.ok_or(TusError::Missing("Upload-Metadata"))?;
        let target = UploadTarget::from_pairs(&pairs(metadata)?)?;
        Ok(Self { length, target })
    }
}

impl UploadPiece {
    /// Reads the headers of a PATCH.
    ///
    /// # Errors
    /// Returns an error for what is missing, malformed or not supported.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, TusError> {
        check_version(headers)?;
        if !is_piece(headers)? {
            return Err(TusError::ContentType);
        }
        Ok(Self {
            offset: bytes(headers, UPLOAD_OFFSET, "Upload-Offset")?,
            checksum: checksum(headers)?,
        })
    }

    /// Reads the headers of a POST that may bring the first bytes along; `None` for one that brings none.
    ///
    /// # Errors
    /// Returns an error for what is malformed or not supported, and for a body of another type.
    pub fn of_creation(headers: &HeaderMap) -> Result<Option<Self>, TusError> {
        if is_piece(headers)? {
            return Ok(Some(Self {
                offset: 0,
                checksum: checksum(headers)?,
            }));
        }
        let length = optional(headers, CONTENT_LENGTH, "Content-Length")?;
        let has_body = length.is_some_and(|length| length != b"0") || headers.contains_key(TRANSFER_ENCODING);
        match has_body {
            true => Err(TusError::ContentType),
            false => Ok(None),
        }
    }
}

impl PieceChecksum {
    /// Parses the value of `Upload-Checksum`.
    fn parse(value: &[u8]) -> Result<Self, TusError> {
        let value = value.trim_ascii();
        let at = value.iter().position(|&byte| byte == b' ');
        let (name, digest) = at
            .and_then(|at| value.split_at_checked(at))
            .ok_or(TusError::Checksum)?;
        let algorithm = match name {
            b"sha1" => PieceHash::Sha1,
            b"sha256" => PieceHash::Sha256,
            b"md5" => PieceHash::Md5,
            _ => return Err(TusError::ChecksumAlgorithm),
        };
        let digest = BASE64
            .decode(digest.trim_ascii())
            .map_err(|_| TusError::Checksum)?;
        match digest.len() == algorithm.digest_len() {
            true => Ok(Self { algorithm, digest }),
            false => Err(TusError::Checksum),
        }
    }
}

impl PieceHash {
    /// Returns the length of a digest in bytes.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }
}

/// Checks the version, which every request but OPTIONS must have.
///
/// # Errors
/// Returns [`TusError::Version`], whose reply must have a header `Tus-Version`.
pub fn check_version(headers: &HeaderMap) -> Result<(), TusError> {
    match optional(headers, TUS_RESUMABLE, "Tus-Resumable")? {
        Some(value) if value == VERSION.as_bytes() => Ok(()),
        _ => Err(TusError::Version),
    }
}

/// Formats the value of `Upload-Expires`, from seconds since 1970.
pub fn expires(seconds: i64) -> Option<HeaderValue> {
    HeaderValue::from_str(&http_date::format(seconds)?).ok()
}

/// Whether the body is a piece of a file, by its type.
fn is_piece(headers: &HeaderMap) -> Result<bool, TusError> {
    let kind = optional(headers, CONTENT_TYPE, "Content-Type")?;
    let expected = CONTENT_TYPE_OF_PIECES.as_bytes();
    Ok(kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(expected)))
}

/// Returns the digest that the body must have, if the client sent one.
fn checksum(headers: &HeaderMap) -> Result<Option<PieceChecksum>, TusError> {
    let checksum = optional(headers, UPLOAD_CHECKSUM, "Upload-Checksum")?;
    checksum.map(PieceChecksum::parse).transpose()
}

/// Returns the value of a header that may occur once.
fn optional<'a>(
    headers: &'a HeaderMap,
    name: HeaderName,
    shown: &'static str,
) -> Result<Option<&'a [u8]>, TusError> {
    single(headers, name).map_err(|_| TusError::Repeated(shown))
}

/// Returns the number of bytes that a header has.
fn bytes(headers: &HeaderMap, name: HeaderName, shown: &'static str) -> Result<u64, TusError> {
    let digits = optional(headers, name, shown)?.ok_or(TusError::Missing(shown))?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(TusError::Number(shown));
    }
    let text = std::str::from_utf8(digits).ok();
    let number: Option<u64> = text.and_then(|text| text.parse().ok());
    match number {
        Some(number) if number <= LARGEST => Ok(number),
        _ => Err(TusError::TooLarge(shown)),
    }
}

#[cfg(test)]
mod tests;
