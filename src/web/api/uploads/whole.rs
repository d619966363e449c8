//! A file that one request brings as a whole (`PUT files/FILE`): an upload that begins, grows and is published at once.
//!
//! It differs from other uploads in its end: what breaks off is removed, because its client does not know that there is
//! an upload to go on with. Only if the server is killed, or the session ended, the part stays, and is listed, continued or
//! expires like any other.

use std::sync::Arc;

use axum::body::Body;

use super::active::{Takeover, UploadTurn};
use super::creation;
use super::intake::Intake;
use super::part::UploadPart;
use super::publication::{NameChoice, Publication};
use super::replies;
use crate::domain::path::VirtualPath;
use crate::storage::IfExists;
use crate::web::app::WebApp;
use crate::web::body::discard;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::headers::UploadCreation;
use crate::web::tus::headers::metadata::UploadTarget;
use crate::web::users::WebUser;

/// A file that is about to arrive.
pub(in crate::web::api) struct WholeUpload {
    /// What requests share.
    pub(in crate::web::api) app: Arc<WebApp>,
    /// The user who sends it.
    pub(in crate::web::api) user: WebUser,
    /// The path that it gets.
    pub(in crate::web::api) target: VirtualPath,
    /// Its size in bytes.
    pub(in crate::web::api) length: u64,
    /// What to do if there is something at the path when it has arrived.
    pub(in crate::web::api) if_exists: IfExists,
}

impl WholeUpload {
    /// Receives the file, in a task of its own: what a lost connection leaves is removed.
    ///
    /// # Errors
    /// Returns why the file is not there.
    pub(in crate::web::api) async fn receive(self, body: Body) -> Result<(), WebError> {
        let tasks = self.app.tasks.clone();
        let receiving = tasks.spawn(self.receive_in_task(body));
        receiving
            .await
            .map_err(|error| WebError::internal("the task of an upload failed", &error))?
    }

    async fn receive_in_task(self, body: Body) -> Result<(), WebError> {
        let creation = UploadCreation {
            length: self.length,
            target: UploadTarget {
                path: self.target.clone(),
                mtime: None,
                sha256: None,
            },
        };
        let part = match creation::begin(&self.app, &self.user, &creation).await {
            Ok(part) => part,
            Err(error) => {
                discard(body).await;
                return Err(error);
            }
        };
        let turn = self.app.uploads.take(part.id(), Takeover::Never).await;
        let turn = turn.ok_or_else(replies::locked)?;
        let received = self.receive_into(&part, &turn, body).await;
        if received.is_err() {
            self.remove(&part).await;
        }
        received.map_err(not_kept)
    }

    async fn receive_into(&self, part: &UploadPart, turn: &UploadTurn, body: Body) -> Result<(), WebError> {
        let intake = Intake {
            user: &self.user,
            part,
            turn,
            offset: 0,
            checksum: None,
        };
        let file = match part.open().await {
            Ok(file) => file,
            Err(error) => {
                discard(body).await;
                return Err(error);
            }
        };
        let received = intake.receive(file, body, Some(self.length)).await;
        let offset = received.map_err(|failure| failure.error)?;
        if offset < self.length {
            return Err(WebError::new(
                WebErrorKind::BadRequest,
                "the body is shorter than Content-Length",
            ));
        }
        let publication = Publication {
            app: &self.app,
            part,
            turn,
        };
        let choice = match self.if_exists {
            IfExists::Replace => NameChoice::Replace,
            IfExists::Refuse => NameChoice::Refuse,
        };
        publication.publish(choice).await.map(drop)
    }

    /// Removes what has arrived. If that fails, it expires.
    async fn remove(&self, part: &UploadPart) {
        if let Err(error) = part.remove().await {
            tracing::debug!(error = %error.sentence, "the part of an upload that broke off is left until it expires");
            return;
        }
        if let Err(error) = self.app.store.remove_upload(&part.id()).await {
            tracing::error!(%error, "the row of an upload that broke off cannot be removed");
        }
    }
}

/// Returns the error for a client that does not know of parts.
fn not_kept(error: WebError) -> WebError {
    match error.kind {
        WebErrorKind::Conflict => WebError::new(
            WebErrorKind::PreconditionFailed,
            "there is something of this name already, and it was not replaced",
        ),
        WebErrorKind::OverQuota | WebErrorKind::DiskFull => {
            error.hint("nothing of the file was kept: make room, and send it again")
        }
        WebErrorKind::Forbidden => error.hint("nothing of the file was kept"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_speaks_of_a_part() {
        let check = |kind: WebErrorKind, expected: WebErrorKind| {
            let error = WebError::new(kind, "why").hint("what has arrived is kept");
            let found = not_kept(error);
            assert_eq!(found.kind, expected);
            assert!(!found.hint.unwrap_or_default().contains("is kept"));
        };
        check(WebErrorKind::Conflict, WebErrorKind::PreconditionFailed);
        check(WebErrorKind::OverQuota, WebErrorKind::OverQuota);
        check(WebErrorKind::DiskFull, WebErrorKind::DiskFull);
        check(WebErrorKind::Forbidden, WebErrorKind::Forbidden);
    }
}
