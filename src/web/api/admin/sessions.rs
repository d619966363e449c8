//! `/sessions?all`, `/status`: what the server does now, for administrators.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};

use super::{AskedFor, asked, bad_request};
use crate::control::json::sessions::{SessionJson, StatusJson};
use crate::domain::user::UserName;
use crate::ops::running::{DisconnectTarget, Unanswered};
use crate::ops::sessions;
use crate::web::administration::WebAdmin;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;

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

/// Returns the error of a server that does not answer itself.
fn unanswered(why: Unanswered) -> WebError {
    WebError::of_administration(&why.into())
}

async fn list(
    State(app): State<Arc<WebApp>>,
    _admin: WebAdmin,
    query: AskedFor<SessionsQuery>,
) -> Result<Response, WebError> {
    let page = app
        .running
        .sessions(asked(query)?.after)
        .await
        .map_err(unanswered)?;
    let last = page.iter().map(|session| session.id).max();
    let next = match last {
        // Only a page that is full has others behind it, but how many that are is not for here to know.
        Some(last) => {
            let rest = app.running.sessions(last).await.map_err(unanswered)?;
            (!rest.is_empty()).then_some(last)
        }
        None => None,
    };
    Ok(Versioned::new(SessionPageJson {
        sessions: page.iter().map(Into::into).collect(),
        next,
    })
    .into_response())
}

#[derive(Serialize)]
struct EndedJson {
    /// The number of sessions that were ended.
    ended: usize,
}

async fn end(app: &Arc<WebApp>, admin: &WebAdmin, target: DisconnectTarget) -> Result<Response, WebError> {
    let ended = admin
        .run(app, async move |context| {
            sessions::disconnect(target, context.server).await
        })
        .await?;
    Ok(Versioned::new(EndedJson { ended }).into_response())
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
    let status = app.running.status().await.map_err(unanswered)?;
    let problems = app.running.problems().await.map_err(unanswered)?;
    Ok(Versioned::new(ServerJson {
        status: (&status).into(),
        problems,
    })
    .into_response())
}
