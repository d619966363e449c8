//! `shares`: the links that a user has made. The address of a link is told once, because the store has only a hash of its
//! token.

mod creation;
pub mod listed;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use serde::Serialize;

use self::listed::{ListedShare, ShareAct, emit, may_share, records_of, shares_of};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::live::WebCredential;
use crate::web::users::WebUser;

/// Returns the routes of shares.
pub(in crate::web) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/shares", get(list).post(creation::create))
        .route("/shares/{id}", delete(remove))
}

/// The answer to GET.
#[derive(Serialize)]
struct ShareList {
    shares: Vec<ListedShare>,
}

/// Answers GET.
async fn list(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    may_share(&user)?;
    let shares = shares_of(&app, &user).await?;
    Ok(Versioned::new(ShareList { shares }).into_response())
}

/// Answers DELETE: the link opens nothing any more, and what its visitors do breaks off.
async fn remove(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    id: Result<Path<i64>, axum::extract::rejection::PathRejection>,
) -> Result<Response, WebError> {
    may_share(&user)?;
    let Path(id) = id.map_err(|_| WebError::not_found())?;
    let records = records_of(&app, &user).await?;
    let share = records.iter().find(|share| share.id == id);
    let share = share.ok_or_else(WebError::not_found)?;
    let removed = app.store.remove_share(user.login().user(), id).await;
    match removed.map_err(|error| WebError::internal("a share cannot be removed", &error))? {
        true => {}
        false => return Err(WebError::not_found()),
    }
    app.sessions
        .end(WebCredential::Share(id), "the share was removed");
    app.visits.forget(id);
    emit(&app, &user, share, ShareAct::Remove);
    Ok(StatusCode::NO_CONTENT.into_response())
}
