//! The API below `/api/v1`: its routes. Each part has a file of its own.

mod account;
mod admin;
mod archive;
mod file_bytes;
pub mod files;
mod health;
mod input;
mod openapi;
mod sessions;
pub mod shares;
pub mod uploads;
pub mod usage;

use std::sync::Arc;

use axum::Router;

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};

/// Returns the routes of the API.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(account::routes())
        .merge(admin::routes())
        .merge(archive::routes())
        .merge(files::routes())
        .merge(health::routes())
        .merge(openapi::routes())
        .merge(sessions::routes())
        .merge(shares::routes())
        .merge(uploads::routes())
        .merge(usage::routes())
        .method_not_allowed_fallback(wrong_method)
}

/// Answers a method that an address does not have.
async fn wrong_method() -> WebError {
    WebError::new(
        WebErrorKind::MethodNotAllowed,
        "this address does not answer this method",
    )
    .hint("the header Allow says which ones it answers, and /api/v1/openapi.json what they do")
}
