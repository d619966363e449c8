//! The table of what is answered where.

use std::sync::Arc;

use axum::Router;

use super::app::WebApp;
use super::{api, assets, guard, pages, shares};

/// Returns the table of all pages and of the API.
pub(super) fn router(app: Arc<WebApp>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(assets::routes())
        .merge(shares::routes(&app))
        .nest("/api/v1", api::routes())
        .fallback(guard::nothing_here)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            guard::around,
        ))
        .with_state(app)
}
