//! The requests about one upload that bring no bytes: how far it is, what its name is to be, and its end.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::active::{Takeover, UploadTurn};
use super::found::{FoundUpload, discard, find};
use super::growth::grow;
use super::part::UploadPart;
use super::publication::{NameChoice, Publication};
use super::replies::{self, UploadProgress};
use super::state::UploadState;
use crate::domain::path::VirtualPath;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::tus::headers::check_version;
use crate::web::url_path::JsonPath;
use crate::web::users::WebUser;

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The decision of `finish`.
#[derive(Debug, Deserialize)]
pub(super) struct FinishQuery {
    #[serde(default)]
    overwrite: bool,
    #[serde(default)]
    rename: bool,
}

/// The answer to `finish`.
#[derive(Serialize)]
struct FinishedUpload {
    #[serde(flatten)]
    path: JsonPath,
    size: u64,
}

/// Answers HEAD: how far the upload is. A part that has all bytes is published first, because clients take the whole
/// length for success.
pub(super) async fn progress(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    check_version(&headers).map_err(replies::refused)?;
    let part = match find(&app, &user, &id).await? {
        FoundUpload::Unfinished(part) => part,
        FoundUpload::Published(upload) => return Ok(whole(upload.size)),
    };
    let UploadProgress { size, offset, .. } = match part.state().await? {
        UploadState::Complete => return publish_at_last(app, user, part).await,
        state => known_progress(&app, &part, state)?,
    };
    Ok(match offset == size {
        true => whole(size),
        false => replies::progress(UploadProgress {
            size,
            offset,
            expires_at: Some(part.record.expires_at),
        }),
    })
}

/// Returns how far an upload is that is not complete.
fn known_progress(app: &WebApp, part: &UploadPart, state: UploadState) -> Result<UploadProgress, WebError> {
    let size = part.record.size;
    let offset = match state {
        UploadState::Created => 0,
        UploadState::Growing { offset } => offset,
        UploadState::Complete | UploadState::Published => size,
        UploadState::Gone if app.uploads.published(&part.record.id).is_some() => size,
        UploadState::Gone => return Err(replies::gone()),
        UploadState::Expired => return Err(replies::expired()),
    };
    Ok(UploadProgress {
        size,
        offset,
        expires_at: None,
    })
}

fn whole(size: u64) -> Response {
    replies::progress(UploadProgress {
        size,
        offset: size,
        expires_at: None,
    })
}

/// Publishes a part that has had all bytes for a while.
async fn publish_at_last(
    app: Arc<WebApp>,
    user: WebUser,
    part: Box<UploadPart>,
) -> Result<Response, WebError> {
    let size = part.record.size;
    let choice = NameChoice::unasked(&user);
    let decided = Decided {
        turn: turn_of(&app, &part).await?,
        app,
        _user: user,
        part,
    };
    match decided.in_task(choice).await {
        Ok(_) => Ok(whole(size)),
        Err(error) if error.kind == WebErrorKind::Conflict => {
            let mut response = replies::failed_at(replies::undecided(), size);
            replies::add_length(&mut response, size);
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

async fn turn_of(app: &Arc<WebApp>, part: &UploadPart) -> Result<UploadTurn, WebError> {
    let turn = app.uploads.take(part.id(), Takeover::FromSilent).await;
    turn.ok_or_else(replies::locked)
}

/// The publication of a part, by a task that a lost connection does not end.
struct Decided {
    app: Arc<WebApp>,
    /// Holds the turn of the request in its session.
    _user: WebUser,
    part: Box<UploadPart>,
    turn: UploadTurn,
}

impl Decided {
    async fn in_task(self, choice: NameChoice) -> Result<VirtualPath, WebError> {
        let tasks = self.app.tasks.clone();
        let publishing = tasks.spawn(self.publish(choice));
        publishing
            .await
            .map_err(|error| WebError::internal("the task of an upload failed", &error))?
    }

    async fn publish(self, choice: NameChoice) -> Result<VirtualPath, WebError> {
        match self.part.state().await? {
            UploadState::Complete => {}
            UploadState::Published => return Ok(self.part.target.clone()),
            UploadState::Gone if self.app.uploads.published(&self.part.id()).is_some() => {
                return Ok(self.part.target.clone());
            }
            UploadState::Gone => return Err(replies::gone()),
            UploadState::Expired => return Err(replies::expired()),
            UploadState::Created | UploadState::Growing { .. } => {
                return Err(WebError::new(
                    WebErrorKind::BadRequest,
                    "not all bytes of the upload are there yet",
                )
                .hint("send the rest first; HEAD says where to go on"));
            }
        }
        let publication = Publication {
            app: &self.app,
            part: &self.part,
            turn: &self.turn,
        };
        publication.publish(choice).await
    }
}

/// Answers `POST uploads/ID/finish`: publishes a part whose name was taken.
pub(super) async fn finish(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
    query: Result<Query<FinishQuery>, QueryRejection>,
) -> Result<Response, WebError> {
    let bad = || {
        WebError::new(
            WebErrorKind::BadRequest,
            "finish takes overwrite=true or rename=true, and not both",
        )
    };
    let Query(FinishQuery { overwrite, rename }) = query.map_err(|_| bad())?;
    let choice = match (overwrite, rename) {
        (true, false) => NameChoice::Replace,
        (false, true) => NameChoice::Another,
        (false, false) => NameChoice::unasked(&user),
        (true, true) => return Err(bad()),
    };
    let part = match find(&app, &user, &id).await? {
        FoundUpload::Unfinished(part) => part,
        FoundUpload::Published(_) => {
            return Err(WebError::new(
                WebErrorKind::Gone,
                "this upload is published already",
            ));
        }
    };
    let size = part.record.size;
    let decided = Decided {
        turn: turn_of(&app, &part).await?,
        app,
        _user: user.clone(),
        part,
    };
    let path = decided.in_task(choice).await?;
    Ok(Versioned::new(FinishedUpload {
        path: JsonPath::of(&user.shown(&path)),
        size,
    })
    .into_response())
}

/// Answers DELETE: the upload ends, also while bytes of it arrive.
pub(super) async fn remove(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    check_version(&headers).map_err(replies::refused)?;
    let part = match find(&app, &user, &id).await? {
        FoundUpload::Unfinished(part) => part,
        FoundUpload::Published(_) => {
            return Err(WebError::new(
                WebErrorKind::Gone,
                "this upload is published, so there is nothing to remove but the file itself",
            ));
        }
    };
    discard(&app, &part).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Answers POST with `X-HTTP-Method-Override`, for clients whose proxies pass no PATCH.
pub(super) async fn overridden(
    state: State<Arc<WebApp>>,
    user: WebUser,
    id: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, WebError> {
    let method = headers.get(METHOD_OVERRIDE).map(|method| method.as_bytes());
    match method {
        Some(b"PATCH") => grow(state, user, id, headers, body).await,
        Some(b"DELETE") => remove(state, user, id, headers).await,
        Some(b"HEAD") => progress(state, user, id, headers).await,
        _ => Err(WebError::new(
            WebErrorKind::MethodNotAllowed,
            "an upload is changed by PATCH and DELETE",
        )
        .hint("or by POST with the header X-HTTP-Method-Override")),
    }
}
