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
}
