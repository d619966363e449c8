//! Shares: links to a file or a directory, for people without an account.
//!
//! A request below `/s/TOKEN` finds the share by its token ([`entry`]), acts in a session of the share on behalf of its
//! owner ([`crate::auth::shares`]), and is answered by the API of users ([`inner`]), with paths that begin at what is shared
//! ([`visited`]). Bytes are paid for while they pass ([`meter`]).
//!
//! States of a link for a visitor: *closed* (it has a password or a limit of uses, and asks first), *open* ([`visits`]: for
//! 12 hours by a cookie; without a password and a limit, with every request), *over* (removed, expired or used up, or its
//! owner may not sign in). What ends a share ends its sessions, and the bodies that are under way.

mod downloads;
mod entry;
mod inner;
mod listing;
mod meter;
mod page;
mod uploads;
pub mod visited;
pub mod visits;

use std::sync::Arc;

use axum::routing::{any, get};
use axum::{Extension, Router};

use super::app::WebApp;

/// Returns the routes of links. `get` answers HEAD, too.
pub(super) fn routes(app: &Arc<WebApp>) -> Router<Arc<WebApp>> {
    Router::new()
        .route("/s/{token}", get(page::show).post(page::open))
        .route("/s/{token}/dir", get(page::show))
        .route("/s/{token}/dir/{*path}", get(page::show))
        .route("/s/{token}/files/{*path}", get(downloads::file))
        .route("/s/{token}/zip", get(downloads::archive))
        .route("/s/{token}/zip/{*path}", get(downloads::archive))
        .route("/s/{token}/api/uploads", any(uploads::uploads))
        .route("/s/{token}/api/uploads/{*rest}", any(uploads::uploads))
        .layer(Extension(inner::InnerApi::new(app)))
}
