//! Answers that are pages, or that lead to one.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use flate2::Compression;

use crate::web::error::WebError;
use crate::web::gzip;

/// Renders a page.
///
/// # Errors
/// Returns an error if that fails.
pub(in crate::web) fn rendered(page: &impl Template) -> Result<Response, WebError> {
    rendered_for(&HeaderMap::new(), page)
}

/// Renders a page that may be long, compressed if the client takes that.
///
/// # Errors
/// Returns an error if that fails.
pub(super) fn rendered_for(headers: &HeaderMap, page: &impl Template) -> Result<Response, WebError> {
    let html = page
        .render()
        .map_err(|error| WebError::internal("cannot render a page", &error))?;
    let packed = match gzip::is_accepted(headers) {
        true => gzip::packed(html.as_bytes(), Compression::fast()),
        false => None,
    };
    let Some(packed) = packed else {
        return Ok(Html(html).into_response());
    };
    let encoding = HeaderValue::from_static("gzip");
    Ok(([(header::CONTENT_ENCODING, encoding)], Html(packed)).into_response())
}

/// Renders a page that says why something was not done.
///
/// # Errors
/// Returns an error if that fails.
pub(super) fn rendered_with(status: StatusCode, page: &impl Template) -> Result<Response, WebError> {
    let mut response = rendered(page)?;
    *response.status_mut() = status;
    Ok(response)
}

/// Returns the answer that has a browser GET another page of this server.
///
/// # Errors
/// Returns an error if the place cannot stand in a header.
pub(super) fn see_other(place: &str) -> Result<Response, WebError> {
    let place = HeaderValue::from_str(place)
        .map_err(|error| WebError::internal("cannot send a browser to another page", &error))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
}
