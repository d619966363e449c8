//! What visitors send: tus 1.0 at `/s/TOKEN/api/uploads`, as for users. Nothing is listed: whoever has the address of an
//! upload has begun it. A name that is taken gets a number, without a question that would show it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse as _, Response};

use super::entry::{self, LinkPath};
use super::inner::{InnerApi, InnerRequest, outside_view};
use super::meter::{ShareMeter, used_up};
use crate::store::web::ShareRecord;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::headers::UPLOAD_LENGTH;
use crate::web::visitor::Visitor;
use base::size::Size;

/// The path of uploads in the API of users.
const INNER: &str = "/api/v1/uploads";

/// Answers a request below `/s/TOKEN/api/uploads`.
pub(super) async fn uploads(
    State(app): State<Arc<WebApp>>,
    Extension(api): Extension<InnerApi>,
    visitor: Visitor,
    uri: Uri,
    request: Request,
) -> Result<Response, WebError> {
    let link = LinkPath::of(&uri);
    let share = entry::find(&app, &visitor, link.token).await?;
    let below = link.below("/api/uploads").ok_or_else(WebError::not_found)?;
    let method = request.method().clone();
    if !is_allowed(&method, below) {
        return Err(WebError::new(
            WebErrorKind::MethodNotAllowed,
            "a link takes files, and shows none",
        ));
    }
    if !share.allows_upload {
        return Err(WebError::new(
            WebErrorKind::Forbidden,
            "this link does not take files",
        ));
    }
    let (parts, body) = request.into_parts();
    let user = entry::enter(&app, visitor, share.clone(), &parts.headers).await?;
    check_room(&share, &parts.headers)?;
    let mut headers = parts.headers;
    headers.remove(COOKIE);
    headers.remove(AUTHORIZATION);
    let length = body.size_hint().exact().or(number(&headers, CONTENT_LENGTH));
    let mut meter = ShareMeter::new(&app.store, &share, length);
    let is_over = meter.is_over();
    meter.begin().await?;
    let inner = InnerRequest {
        method,
        target: format!("{INNER}{below}"),
        headers,
        body: meter.meter(body),
    };
    let mut response = outside_view(api.call(user, inner).await?);
    if is_over.load(Ordering::Relaxed) {
        return Ok(with_headers(used_up().into_response(), response.headers()));
    }
    if let Some(place) = moved(response.headers(), link.token) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// Whether a visitor may make such a request.
fn is_allowed(method: &Method, below: &str) -> bool {
    let is_one = !matches!(below, "" | "/");
    match *method {
        Method::POST | Method::OPTIONS => true,
        Method::HEAD | Method::PATCH | Method::DELETE => is_one,
        _ => false,
    }
}

/// Refuses a file that is larger than what the share still takes.
fn check_room(share: &ShareRecord, headers: &HeaderMap) -> Result<(), WebError> {
    let (Some(left), Some(length)) = (share.bytes_left, number(headers, UPLOAD_LENGTH)) else {
        return Ok(());
    };
    match length > left {
        true => Err(WebError::new(
            WebErrorKind::TooLarge,
            format!(
                "this link takes {} more, and the file has {}",
                Size(left),
                Size(length)
            ),
        )),
        false => Ok(()),
    }
}

/// Returns the number that a header has.
fn number(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Returns the address of an upload as its visitor reaches it.
fn moved(headers: &HeaderMap, token: &str) -> Option<HeaderValue> {
    let place = headers.get(LOCATION)?.to_str().ok()?;
    let id = place.strip_prefix(INNER)?;
    HeaderValue::from_str(&format!("/s/{token}/api/uploads{id}")).ok()
}

/// Adds the headers that say how far an upload is.
fn with_headers(mut response: Response, of: &HeaderMap) -> Response {
    for (name, value) in of {
        if name.as_str().starts_with("upload-") || name.as_str().starts_with("tus-") {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_sent_and_not_listed() {
        let check = |method: Method, below: &str, expected: bool| {
            assert_eq!(is_allowed(&method, below), expected, "{method} {below}");
        };
        check(Method::POST, "", true);
        check(Method::OPTIONS, "", true);
        check(Method::GET, "", false);
        check(Method::HEAD, "", false);
        check(Method::GET, "/abc", false);
        check(Method::HEAD, "/abc", true);
        check(Method::PATCH, "/abc", true);
        check(Method::DELETE, "/abc", true);
        check(Method::PUT, "/abc", false);
        check(Method::DELETE, "/", false);
    }
}
