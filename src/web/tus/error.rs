//! Why a request for an upload is refused, in words and as a status.

use http::StatusCode;

use crate::web::url_path::UrlPathError;

/// Why a request for an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TusError {
    /// The version is missing, or it is another one.
    #[error("the header Tus-Resumable must be 1.0.0 (hint: use a client for tus 1.0)")]
    Version,
    /// A header that the request needs is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header is there several times.
    #[error("the header {0} is there more than once")]
    Repeated(&'static str),
    /// A length or an offset is not a number of bytes.
    #[error("the header {0} must be a number of bytes in decimal digits")]
    Number(&'static str),
    /// A length or an offset is larger than files can be.
    #[error("the header {0} is larger than any file can be (9223372036854775807 bytes)")]
    TooLarge(&'static str),
    /// The client wants to say the length later.
    #[error(
        "uploads without a length are not supported (hint: send Upload-Length instead of Upload-Defer-Length)"
    )]
    DeferredLength,
    /// The client wants to join uploads.
    #[error("joining uploads is not supported (hint: send the file as one upload, without Upload-Concat)")]
    Concatenation,
    /// The body of a PATCH has another type.
    #[error("the body must have the type application/offset+octet-stream")]
    ContentType,
    /// `Upload-Checksum` does not have its form.
    #[error(
        "the header Upload-Checksum must be the name of a hash function, a space and the digest in Base64"
    )]
    Checksum,
    /// The hash function is not one of ours.
    #[error("the hash function of Upload-Checksum is not supported (hint: sha1, sha256 or md5)")]
    ChecksumAlgorithm,
    /// `Upload-Metadata` does not have its form.
    #[error(
        "the header Upload-Metadata must have pairs of a key and a value in Base64, with commas between them"
    )]
    Metadata,
    /// `Upload-Metadata` is too long or has too many keys.
    #[error("the header Upload-Metadata has more than 16 keys or 16 KiB")]
    MetadataTooLarge,
    /// A key of `Upload-Metadata` occurs twice.
    #[error("a key of Upload-Metadata occurs twice")]
    MetadataRepeated,
    /// A value of `Upload-Metadata` does not have its form.
    #[error("the value \"{0}\" of Upload-Metadata must be {1}")]
    MetadataValue(&'static str, &'static str),
    /// `path` of `Upload-Metadata` is not the path of a file.
    #[error(transparent)]
    Path(#[from] UrlPathError),
}

impl TusError {
    /// Returns the status of the reply.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MetadataTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Missing(_)
            | Self::Repeated(_)
            | Self::Number(_)
            | Self::DeferredLength
            | Self::Concatenation
            | Self::Checksum
            | Self::ChecksumAlgorithm
            | Self::Metadata
            | Self::MetadataRepeated
            | Self::MetadataValue(..)
            | Self::Path(_) => StatusCode::BAD_REQUEST,
        }
    }
}
