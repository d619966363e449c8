//! `GET uploads`: the unfinished uploads of a user, so that a page can offer to go on with them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::part::UploadPart;
use super::replies;
use super::state::UploadState;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::url_path::JsonPath;
use crate::web::users::WebUser;

/// The answer: see [`list`].
#[derive(Serialize)]
struct UploadList {
    uploads: Vec<ListedUpload>,
}

/// An unfinished upload. One that has all bytes waits for `finish`.
#[derive(Serialize)]
struct ListedUpload {
    id: String,
    #[serde(flatten)]
    path: JsonPath,
    size: u64,
    offset: u64,
    expires_at: String,
}

/// Answers GET. Uploads that cannot go on are left out.
pub(super) async fn list(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    user.require_files()?;
    let login = user.login();
    let records = app.store.uploads_of(login.user()).await;
    let records = records.map_err(|error| WebError::internal("uploads cannot be listed", &error))?;
    let mut uploads = Vec::with_capacity(records.len());
    for record in records {
        if record.share.is_some() || record.incarnation != login.incarnation() {
            continue;
        }
        let (size, expires_at) = (record.size, record.expires_at);
        let part = UploadPart::of(&user, record).await?;
        // One disk that does not answer must not hide the others.
        let Ok(state) = part.state().await else {
            continue;
        };
        let offset = match state {
            UploadState::Created => 0,
            UploadState::Growing { offset } => offset,
            UploadState::Complete => size,
            UploadState::Published | UploadState::Expired | UploadState::Gone => continue,
        };
        uploads.push(ListedUpload {
            id: replies::id_text(&part.id()),
            path: JsonPath::of(&part.target),
            size,
            offset,
            expires_at: expires_at.to_string(),
        });
    }
    Ok(Versioned::new(UploadList { uploads }).into_response())
}
