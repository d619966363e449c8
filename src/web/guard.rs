//! What holds for every request and every response, whatever they are about: where changes may come from, what browsers
//! may do with pages, and how errors look.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::pages::AskedPage;
use super::visitor::Visitor;
use super::{origin, pages};

/// What scripts, styles and forms of our pages may be. Nothing inline, nothing of others.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                           media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                           base-uri 'none'";

/// The headers of every response that has none of them yet. Files of users have a stricter policy of their own.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer`, browsers send `Origin: null` with our own forms, which no check can tell from others.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Half a year, in seconds: how long browsers come back by HTTPS only, once they have.
const STRICT_TRANSPORT: &str = "max-age=15552000";

/// Answers a request, if it may come from where it does, and adds what every response has.
pub(super) async fn around(State(app): State<Arc<WebApp>>, request: Request, next: Next) -> Response {
    let asked = wants_page(&request).then(|| AskedPage::of(request.method(), request.uri()));
    let is_tls = app.tls.is_some();
    let mut response = match check_origin(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    if let Some(asked) = asked
        && let Some(error) = response.extensions_mut().remove::<WebError>()
    {
        response = pages::error_page(&error, &asked);
    }
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if is_tls {
        let strict = HeaderValue::from_static(STRICT_TRANSPORT);
        response
            .headers_mut()
            .insert(header::STRICT_TRANSPORT_SECURITY, strict);
    }
    response
}

/// Whether the client is a browser that shows a page, and not a program.
fn wants_page(request: &Request) -> bool {
    let is_api = request.uri().path().starts_with("/api/");
    let accept = request.headers().get(header::ACCEPT).map(HeaderValue::as_bytes);
    !is_api && accept.is_some_and(|accept| accept.windows(9).any(|part| part == b"text/html"))
}

/// Whether a request of this method changes nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses a change that another site has a browser ask for. A request with a token is not a browser's: browsers add
/// cookies by themselves, and no tokens.
fn check_origin(app: &WebApp, request: &Request) -> Result<(), WebError> {
    let headers: &HeaderMap = request.headers();
    if is_safe(request.method()) || headers.contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let visitor = Visitor::of_request(app, request.extensions(), headers);
    match origin::is_same_origin(headers, visitor.host.as_bytes(), visitor.scheme) {
        true => Ok(()),
        false => Err(WebError::new(
            WebErrorKind::Origin,
            "this request does not come from a page of this server, so nothing was changed",
        )
        .hint("programs use tokens: homeportd token add")),
    }
}

/// Answers requests for what does not exist.
pub(super) async fn nothing_here() -> WebError {
    WebError::new(WebErrorKind::NotFound, "there is no such page")
}
