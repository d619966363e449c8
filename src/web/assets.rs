//! The style sheet, the icons and the modules of the pages.

use std::sync::Arc;

use axum::Router;

use super::app::WebApp;

/// Returns the routes of the assets.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
}
