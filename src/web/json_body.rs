//! The bodies of requests, read as JSON: each has a limit, and must arrive in time.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use super::body::STALLED;
use super::error::{WebError, WebErrorKind};

/// The most bytes of a JSON body: a list of some thousand paths.
const LONGEST_BODY: usize = 1 << 20;

/// The body of a request, read as JSON.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, WebError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
            kind.split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            return Err(WebError::new(
                WebErrorKind::UnsupportedType,
                "the body must be JSON, with Content-Type: application/json",
            ));
        }
        let bytes = read(request.into_body()).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            WebError::new(
                WebErrorKind::BadRequest,
                format!("the body is not as expected: {error}"),
            )
        })?;
        Ok(Self(value))
    }
}

/// Reads a small body as a whole.
///
/// # Errors
/// Returns an error if it is too large, or if it breaks off.
pub async fn read(body: Body) -> Result<Vec<u8>, WebError> {
    let limited = http_body_util::Limited::new(body, LONGEST_BODY);
    let reading = tokio::time::timeout(STALLED, http_body_util::BodyExt::collect(limited));
    match reading.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(WebError::new(
            WebErrorKind::TooLarge,
            format!("the body is longer than {LONGEST_BODY} bytes"),
        )),
        Ok(Err(_)) => Err(WebError::new(WebErrorKind::BadRequest, "the body broke off")),
        Err(_) => Err(WebError::new(
            WebErrorKind::BadRequest,
            "the body did not arrive in time",
        )),
    }
}
