//! `/account`: what a user sees and changes of their own account. Only a browser that has signed in may: a token is for
//! programs, which have no account.
//!
//! What would make a key of a browser that was left open asks for the password again: a new password, the second factor,
//! keys and tokens. What only takes something away does not, except for the second factor.

mod browsers;
mod keys;
mod own_tokens;
mod password;
mod second_factor;
mod shown;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use self::shown::AccountJson;
pub(super) use self::shown::OwnSessionJson;
use crate::web::account;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::users::WebUser;

/// Returns the routes of a user's own account.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/account", get(show))
        .merge(browsers::routes())
        .merge(keys::routes())
        .merge(own_tokens::routes())
        .merge(password::routes())
        .merge(second_factor::routes())
}

async fn show(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    let view = account::view(&app, &user).await?;
    Ok(Versioned::new(AccountJson::from(&view)).into_response())
}
