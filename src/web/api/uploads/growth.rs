//! `PATCH uploads/ID`: more bytes of an upload, and its publication with the last of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::active::{Takeover, UploadTurn};
use super::found::{FoundUpload, find};
use super::intake::{Intake, IntakeFailure, announced_length};
use super::part::UploadPart;
use super::publication::{NameChoice, Publication};
use super::replies::{self, UploadProgress};
use super::state::UploadState;
use crate::web::app::WebApp;
use crate::web::body::discard;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::headers::UploadPiece;
use crate::web::users::WebUser;

/// A request that brings bytes. It has the turn of the upload.
pub(super) struct Growth {
    /// What requests share.
    pub(super) app: Arc<WebApp>,
    /// The user who sends the bytes.
    pub(super) user: WebUser,
    /// The part that they belong to.
    pub(super) part: Box<UploadPart>,
    /// The turn of the request.
    pub(super) turn: UploadTurn,
}

/// The bytes that a request brings.
pub(super) struct ArrivingPiece {
    /// What the headers say about them.
    pub(super) piece: UploadPiece,
    /// The number of bytes, if the headers say it.
    pub(super) length: Option<u64>,
    /// The bytes.
    pub(super) body: Body,
}

/// What has come of the bytes that a request brought.
pub(super) enum GrowthOutcome {
    /// All of them are there. If they are the last ones, the file is published.
    Arrived {
        /// The number of bytes that are there now.
        offset: u64,
    },
    /// Not all of them are there, or the file could not be published. The upload stays.
    Failed {
        /// The number of bytes that are there now.
        offset: u64,
        /// Why it failed.
        error: WebError,
    },
}

/// Answers PATCH.
pub(super) async fn grow(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, WebError> {
    let mut body = Some(body);
    let answer = try_grow(app, user, &id, &headers, &mut body).await;
    if let Some(unread) = body {
        discard(unread).await;
    }
    answer
}

async fn try_grow(
    app: Arc<WebApp>,
    user: WebUser,
    id: &str,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Result<Response, WebError> {
    let piece = UploadPiece::from_headers(headers).map_err(replies::refused)?;
    let (outcome, size, expires_at) = match find(&app, &user, id).await? {
        FoundUpload::Published(upload) => (after_publication(upload.size, piece.offset), upload.size, None),
        FoundUpload::Unfinished(part) => {
            let turn = app.uploads.take(part.id(), Takeover::FromSilent).await;
            let (size, expires_at) = (part.record.size, part.record.expires_at);
            let growth = Growth {
                turn: turn.ok_or_else(replies::locked)?,
                app,
                user,
                part,
            };
            let arriving = ArrivingPiece {
                piece,
                length: announced_length(headers),
                body: body.take().unwrap_or_default(),
            };
            (growth.in_task(arriving).await?, size, Some(expires_at))
        }
    };
    Ok(match outcome {
        GrowthOutcome::Failed { offset, error } => replies::failed_at(error, offset),
        GrowthOutcome::Arrived { offset } => replies::grown(UploadProgress {
            size,
            offset,
            expires_at: expires_at.filter(|_| offset < size),
        }),
    })
}

impl Growth {
    /// Receives the bytes in a task of its own, which goes on if the connection is lost.
    ///
    /// # Errors
    /// Returns why nothing was received.
    pub(super) async fn in_task(self, arriving: ArrivingPiece) -> Result<GrowthOutcome, WebError> {
        let tasks = self.app.tasks.clone();
        let receiving = tasks.spawn(self.receive(arriving));
        receiving
            .await
            .map_err(|error| WebError::internal("the task of an upload failed", &error))?
    }

    async fn receive(self, arriving: ArrivingPiece) -> Result<GrowthOutcome, WebError> {
        let ArrivingPiece { piece, length, body } = arriving;
        let mut body = Some(body);
        let outcome = self.try_receive(&piece, length, &mut body).await;
        if let Some(unread) = body {
            discard(unread).await;
        }
        outcome
    }

    /// Receives the bytes, unless the upload is not at their offset. A body that is not taken is not wanted.
    async fn try_receive(
        &self,
        piece: &UploadPiece,
        length: Option<u64>,
        body: &mut Option<Body>,
    ) -> Result<GrowthOutcome, WebError> {
        let record = &self.part.record;
        let size = record.size;
        let offset = match self.part.state().await? {
            UploadState::Created => 0,
            UploadState::Growing { offset } => offset,
            UploadState::Complete => size,
            UploadState::Published => return Ok(after_publication(size, piece.offset)),
            // It may have been published while this request waited for its turn.
            UploadState::Gone if self.app.uploads.published(&record.id).is_some() => {
                return Ok(after_publication(size, piece.offset));
            }
            UploadState::Gone => return Err(replies::gone()),
            UploadState::Expired => return Err(replies::expired()),
        };
        if piece.offset != offset {
            return Ok(elsewhere(offset, piece.offset));
        }
        let intake = Intake {
            user: &self.user,
            part: &self.part,
            turn: &self.turn,
            offset,
            checksum: piece.checksum.as_ref(),
        };
        let file = self.part.open().await?;
        let body = body.take().unwrap_or_default();
        match intake.receive(file, body, length).await {
            Err(IntakeFailure { offset, error }) => Ok(GrowthOutcome::Failed { offset, error }),
            Ok(offset) if offset < size => Ok(GrowthOutcome::Arrived { offset }),
            Ok(offset) => self.publish(offset).await,
        }
    }

    async fn publish(&self, offset: u64) -> Result<GrowthOutcome, WebError> {
        let publication = Publication {
            app: &self.app,
            part: &self.part,
            turn: &self.turn,
        };
        match publication.publish(NameChoice::unasked(&self.user)).await {
            Ok(_) => Ok(GrowthOutcome::Arrived { offset }),
            Err(error) if error.kind == WebErrorKind::Conflict => Ok(GrowthOutcome::Failed { offset, error }),
            Err(error) => Err(error),
        }
    }
}

/// Answers bytes of an upload that is published: a client whose reply was lost brings none.
fn after_publication(size: u64, offset: u64) -> GrowthOutcome {
    match offset == size {
        true => GrowthOutcome::Arrived { offset },
        false => elsewhere(size, offset),
    }
}

/// Refuses bytes that do not begin where the part ends.
fn elsewhere(offset: u64, wanted: u64) -> GrowthOutcome {
    let error = WebError::new(
        WebErrorKind::Conflict,
        format!("{offset} bytes of the upload are there, but the body begins at {wanted}"),
    );
    GrowthOutcome::Failed {
        offset,
        error: error.hint("HEAD says where to go on"),
    }
}
