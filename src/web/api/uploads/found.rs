//! Finds the upload that a request names, if it belongs to the user who asks, and ends it.

use std::sync::Arc;

use super::active::{RecentUpload, Takeover};
use super::part::UploadPart;
use super::replies;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::users::WebUser;

/// An upload of the user who asks.
pub(super) enum FoundUpload {
    /// It has a row.
    Unfinished(Box<UploadPart>),
    /// It was published lately.
    Published(RecentUpload),
}

/// Finds an upload of this user. Those of others, of an earlier user of the same name and of shares do not exist for them.
///
/// # Errors
/// Returns an error if there is none, or if the store or the home cannot be opened.
pub(super) async fn find(app: &WebApp, user: &WebUser, id: &str) -> Result<FoundUpload, WebError> {
    user.require_files()?;
    let id = replies::id_of(id).ok_or_else(replies::unknown)?;
    let login = user.login();
    if let Some(upload) = app.uploads.published(&id) {
        let is_own = upload.user == *login.user() && upload.incarnation == login.incarnation();
        return match is_own {
            true => Ok(FoundUpload::Published(upload)),
            false => Err(replies::unknown()),
        };
    }
    let found = app.store.upload(&id).await;
    let record = found
        .map_err(|error| WebError::internal("an upload cannot be looked up", &error))?
        .filter(|record| {
            record.share == user.share_id()
                && record.user == *login.user()
                && record.incarnation == login.incarnation()
        })
        .ok_or_else(replies::unknown)?;
    Ok(FoundUpload::Unfinished(Box::new(
        UploadPart::of(user, record).await?,
    )))
}

/// Ends an upload: removes its part and its row, also while bytes of it arrive.
///
/// # Errors
/// Returns why it is still there.
pub(super) async fn discard(app: &Arc<WebApp>, part: &UploadPart) -> Result<(), WebError> {
    let turn = app.uploads.take(part.id(), Takeover::FromAny).await;
    let _turn = turn.ok_or_else(replies::locked)?;
    part.remove().await?;
    let removed = app.store.remove_upload(&part.id()).await;
    removed
        .map(drop)
        .map_err(|error| WebError::internal("the row of an upload cannot be removed", &error))
}
