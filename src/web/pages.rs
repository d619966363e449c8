//! The pages that browsers show: their routes. Each page has a file of its own.

mod account;
mod admin;
mod errors;
mod files;
pub mod frame;
pub(super) mod rendering;
mod shares;
pub mod shown_time;
mod sign_in;
pub mod templates;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub(super) use self::errors::{AskedPage, error_page};
use super::app::WebApp;

/// Returns the routes of the pages.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(account::routes())
        .merge(admin::routes())
        .merge(files::routes())
        .merge(sign_in::routes())
        .route("/shares", get(shares::show))
}
