//! `/admin/sessions` and `/admin/status`: what the server does now, for administrators.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};

use crate::control::json::sessions::{SessionJson, StatusJson};
use crate::domain::user::UserName;
use crate::ops::running::DisconnectTarget;
use crate::ops::sessions;
use crate::shapes::json::DisconnectedJson;
use crate::web::admins::WebAdmin;
use crate::web::api::input::bad_request;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::query::{AskedFor, asked};
use crate::web::session_page::{self, SessionPage};

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/admin/sessions", get(list).delete(end_all))
        .route("/admin/sessions/{id}", delete(end_one))
        .route("/admin/status", get(status))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SessionsQuery {
    /// The number of the last session of the page before.
    after: u64,
}

#[derive(Serialize)]
struct SessionPageJson {
    sessions: Vec<SessionJson>,
    /// What `after` is for the next page.
    next: Option<u64>,
}

async fn list(
    State(app): State<Arc<WebApp>>,
    _admin: WebAdmin,
    query: AskedFor<SessionsQuery>,
) -> Result<Response, WebError> {
    let SessionPage { sessions, next } = session_page::page(&app, asked(query)?.after).await?;
    Ok(Versioned::new(SessionPageJson {
        sessions: sessions.iter().map(Into::into).collect(),
        next,
    })
    .into_response())
}

async fn end(app: &Arc<WebApp>, admin: &WebAdmin, target: DisconnectTarget) -> Result<Response, WebError> {
    let sessions_ended = admin
        .run(app, async move |context| {
            sessions::disconnect(target, context.server).await
        })
        .await?;
    Ok(Versioned::new(DisconnectedJson { sessions_ended }).into_response())
}

async fn end_one(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: u64 = id
        .parse()
        .map_err(|_| WebError::new(WebErrorKind::NotFound, "there is no such session"))?;
    end(&app, &admin, DisconnectTarget::Session(id)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndQuery {
    /// The user whose sessions end.
    user: String,
}

async fn end_all(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    query: AskedFor<EndQuery>,
) -> Result<Response, WebError> {
    let user = UserName::stored(&asked(query)?.user).map_err(bad_request)?;
    end(&app, &admin, DisconnectTarget::User(user)).await
}

#[derive(Serialize)]
struct ServerJson {
    status: StatusJson,
    /// What an operator must do something about.
    problems: Vec<String>,
}

async fn status(State(app): State<Arc<WebApp>>, _admin: WebAdmin) -> Result<Response, WebError> {
    let status = app.running.status().await?;
    let problems = app.running.problems().await?;
    Ok(Versioned::new(ServerJson {
        status: (&status).into(),
        problems,
    })
    .into_response())
}
