//! The API below `/api/v1`: its routes. Each part has a file of its own.

mod admin;

use std::sync::Arc;

use axum::Router;

use super::app::WebApp;

/// Returns the routes of the API.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().merge(admin::routes())
}
