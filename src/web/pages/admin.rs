//! The pages of administrators: what the server does, and what can be changed. For others they do not exist.
//!
//! All of it can be read without a script; `admin.mjs` sends the forms to the API, and keeps the list of sessions up to
//! date while it is seen.

mod audit;
mod frame;
mod homes;
mod overview;
mod sharing;
mod users;

use std::sync::Arc;

use axum::Router;

use crate::web::app::WebApp;

/// Returns the routes of the pages.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(audit::routes())
        .merge(homes::routes())
        .merge(overview::routes())
        .merge(sharing::routes())
        .merge(users::routes())
}
