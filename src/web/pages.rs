//! The pages that browsers show: their routes. Each page has a file of its own.

mod account;
mod admin;
pub mod current_frame;
pub mod frame;
mod shares;
pub mod templates;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::WebApp;
use super::error::WebError;

/// Returns the routes of the pages.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(account::routes())
        .merge(admin::routes())
        .route("/shares", get(shares::show))
}

/// Returns the page of an error.
pub(super) fn error_page(error: &WebError) -> Response {
    error.for_program().into_response()
}
