//! The API of administrators: what the command line changes and shows, with the same checks, words and JSON.

mod audit;
mod credentials;
mod homes;
mod sessions;
mod sharing;
mod users;

use std::sync::Arc;

use axum::Router;

use crate::web::app::WebApp;

/// Returns the routes of administrators.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(audit::routes())
        .merge(credentials::routes())
        .merge(homes::routes())
        .merge(sessions::routes())
        .merge(sharing::routes())
        .merge(users::routes())
}
