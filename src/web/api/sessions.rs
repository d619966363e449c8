//! `/sessions`: the live sessions of the user who asks, over SSH and the web, and ending them. Only a browser may: those of
//! others are those of administrators ([`super::admin`]).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use serde::Serialize;

use super::account::OwnSessionJson;
use crate::ops::running::DisconnectTarget;
use crate::ops::sessions;
use crate::shapes::json::DisconnectedJson;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::users::WebUser;
use crate::web::{account, use_cases};

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/sessions", get(list))
        .route("/sessions/{id}", delete(end))
}

#[derive(Serialize)]
struct OwnSessionsJson<'a> {
    sessions: Vec<OwnSessionJson<'a>>,
}

async fn list(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    user.require_browser()?;
    let sessions = account::sessions(&app, &user);
    let sessions = sessions.iter().map(Into::into).collect();
    Ok(Versioned::new(OwnSessionsJson { sessions }).into_response())
}

async fn end(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    user.require_browser()?;
    let own = account::sessions(&app, &user);
    // The numbers of others tell nothing: they are as unknown as those of nobody.
    let session = own.iter().find(|session| session.id.to_string() == id);
    let Some(session) = session else {
        return Err(WebError::new(
            WebErrorKind::NotFound,
            "you have no such session, or it has ended",
        ));
    };
    let target = DisconnectTarget::Session(session.id);
    let name = user.login().user().clone();
    let sessions_ended = use_cases::run_for(&app, name, async move |context| {
        sessions::disconnect(target, context.server).await
    })
    .await?;
    Ok(Versioned::new(DisconnectedJson { sessions_ended }).into_response())
}
