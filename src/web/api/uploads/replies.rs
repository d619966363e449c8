//! The replies of tus: their headers, and refusals in its statuses.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::active::UploadId;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::error::TusError;
use crate::web::tus::headers::{self, CHECKSUM_ALGORITHMS, EXTENSIONS, VERSION};

const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");

/// The path below which uploads have their addresses. It has no host: behind a proxy, the server does not know its own.
const PLACE: &str = "/api/v1/uploads/";

/// How far an upload is.
#[derive(Debug, Clone, Copy)]
pub(super) struct UploadProgress {
    /// The size of the file in bytes.
    pub(super) size: u64,
    /// The number of bytes that are there.
    pub(super) offset: u64,
    /// When the upload is removed if it is not finished; `None` for one that is published.
    pub(super) expires_at: Option<Timestamp>,
}

/// Adds the version of the protocol to a reply, and to a refusal of another version the one that is known.
pub(super) async fn with_version(mut response: Response) -> Response {
    let is_refused_version = response.status() == StatusCode::PRECONDITION_FAILED;
    let version = HeaderValue::from_static(VERSION);
    let map = response.headers_mut();
    if is_refused_version {
        map.insert(TUS_VERSION, version.clone());
    }
    map.insert(headers::TUS_RESUMABLE, version);
    response
}

/// Answers OPTIONS: what of the protocol is known. There is no largest size but that of quotas.
pub(super) async fn capabilities() -> Response {
    let headers = [
        (TUS_VERSION, HeaderValue::from_static(VERSION)),
        (TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (
            TUS_CHECKSUM_ALGORITHM,
            HeaderValue::from_static(CHECKSUM_ALGORITHMS),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Answers POST: where the new upload is, and how far.
pub(super) fn created(id: &UploadId, progress: UploadProgress) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    add_place(&mut response, id);
    add_offset(&mut response, progress.offset);
    add_expiry(&mut response, progress.expires_at);
    response
}

/// Answers HEAD: how far the upload is.
pub(super) fn progress(progress: UploadProgress) -> Response {
    let mut response = Response::new(Body::empty());
    add_offset(&mut response, progress.offset);
    add_expiry(&mut response, progress.expires_at);
    add_length(&mut response, progress.size);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

/// Answers PATCH: how far the upload is now.
pub(super) fn grown(progress: UploadProgress) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    add_offset(&mut response, progress.offset);
    add_expiry(&mut response, progress.expires_at);
    response
}

/// Answers with an error, and says how far the upload is.
pub(super) fn failed_at(error: WebError, offset: u64) -> Response {
    let mut response = error.into_response();
    add_offset(&mut response, offset);
    response
}

/// Adds where an upload is.
pub(super) fn add_place(response: &mut Response, id: &UploadId) {
    let place = format!("{PLACE}{}", id_text(id));
    // It consists of plain ASCII.
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
}

/// Adds the size of the file.
pub(super) fn add_length(response: &mut Response, size: u64) {
    let size = HeaderValue::from(size);
    response.headers_mut().insert(headers::UPLOAD_LENGTH, size);
}

fn add_offset(response: &mut Response, offset: u64) {
    let offset = HeaderValue::from(offset);
    response.headers_mut().insert(headers::UPLOAD_OFFSET, offset);
}

fn add_expiry(response: &mut Response, at: Option<Timestamp>) {
    if let Some(expires) = at.and_then(|at| headers::expires(at.as_second())) {
        response.headers_mut().insert(headers::UPLOAD_EXPIRES, expires);
    }
}

/// Returns the number of an upload as its address has it.
pub(super) fn id_text(id: &UploadId) -> String {
    data_encoding::HEXLOWER.encode(id)
}

/// Returns the number of the upload with this address; `None` if no upload can have it.
pub(super) fn id_of(text: &str) -> Option<UploadId> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// Returns the refusal of a request whose headers are not as they must be.
pub(super) fn refused(error: TusError) -> WebError {
    let kind = match error.status() {
        StatusCode::PRECONDITION_FAILED => WebErrorKind::PreconditionFailed,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => WebErrorKind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => WebErrorKind::UnsupportedType,
        _ => WebErrorKind::BadRequest,
    };
    WebError::worded(kind, &error.to_string())
}

/// Returns the refusal of a request for an upload that another request works on.
pub(super) fn locked() -> WebError {
    WebError::new(
        WebErrorKind::Locked,
        "another request works on this upload at the moment",
    )
    .hint("try again in a few seconds")
}

/// Returns the answer to HEAD about a part that has all bytes and cannot be published.
pub(super) fn undecided() -> WebError {
    WebError::new(
        WebErrorKind::Locked,
        "all bytes are there, but the name is taken, so the upload waits for a decision",
    )
    .hint("POST …/finish?overwrite=true or ?rename=true")
}

/// Returns the refusal of a request for an upload that this user does not have.
pub(super) fn unknown() -> WebError {
    WebError::new(WebErrorKind::NotFound, "there is no such upload").hint("begin the upload again")
}

/// Returns the refusal of a request for an upload whose part was removed.
pub(super) fn gone() -> WebError {
    WebError::new(
        WebErrorKind::Gone,
        "what had arrived of this upload was removed, perhaps with its directory",
    )
    .hint("begin the upload again")
}

/// Returns the refusal of a request for an upload that was not finished in time.
pub(super) fn expired() -> WebError {
    WebError::new(WebErrorKind::Gone, "this upload was not finished within 7 days")
        .hint("begin the upload again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_uploads_have_one_form() {
        let id = [0x0f; 16];
        assert_eq!(id_of(&id_text(&id)), Some(id));
        for text in [
            "",
            "0f",
            "0F".repeat(16).as_str(),
            "0f".repeat(17).as_str(),
            "zz".repeat(16).as_str(),
            "../../x",
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }

    #[test]
    fn every_refusal_of_a_header_has_a_status_of_the_protocol_and_its_hint() {
        let check = |error: TusError, status: u16, hint: bool| {
            let refused = refused(error);
            assert_eq!(refused.kind.code().status.as_u16(), status, "{refused:?}");
            assert_eq!(refused.hint.is_some(), hint, "{refused:?}");
            assert!(!refused.sentence.contains("(hint"), "{refused:?}");
        };
        check(TusError::Version, 412, true);
        check(TusError::TooLarge("Upload-Length"), 413, false);
        check(TusError::MetadataTooLarge, 413, false);
        check(TusError::ContentType, 415, false);
        check(TusError::DeferredLength, 400, true);
        check(TusError::Number("Upload-Offset"), 400, false);
    }
}
