//! `POST uploads`: begins an upload, perhaps with its first bytes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;

use super::active::{Takeover, UploadId};
use super::found::{FoundUpload, discard, find};
use super::growth::{ArrivingPiece, Growth, GrowthOutcome};
use super::intake::announced_length;
use super::part::UploadPart;
use super::replies::{self, UploadProgress};
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, FileKind, Links, upload_names};
use crate::store::web::UploadRecord;
use crate::web::api::usage::account_of;
use crate::web::app::WebApp;
use crate::web::body;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::headers::{UploadCreation, UploadPiece};
use crate::web::users::WebUser;
use base::size::Size;

/// The most unfinished uploads of a user: a folder of some hundred files that all broke off, twice.
const MOST_UNFINISHED: usize = 1000;

/// The most unfinished uploads of the visitors of all shares of a user, so that they leave some to the user.
const MOST_OF_VISITORS: usize = 300;

/// Answers POST.
pub(super) async fn create(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, WebError> {
    let mut body = Some(body);
    let answer = try_create(app, user, &headers, &mut body).await;
    if let Some(unread) = body {
        body::discard(unread).await;
    }
    answer
}

async fn try_create(
    app: Arc<WebApp>,
    user: WebUser,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Result<Response, WebError> {
    user.require_files()?;
    let creation = UploadCreation::from_headers(headers).map_err(replies::refused)?;
    let first = UploadPiece::of_creation(headers).map_err(replies::refused)?;
    let length = announced_length(headers);
    if length.is_some_and(|length| length > creation.length) {
        return Err(WebError::new(
            WebErrorKind::TooLarge,
            "the body is longer than Upload-Length, so the upload was not created",
        ));
    }
    let part = begin(&app, &user, &creation).await?;
    let (id, size, expires_at) = (part.id(), part.record.size, part.record.expires_at);
    let progress = |offset| UploadProgress {
        size,
        offset,
        expires_at: Some(expires_at).filter(|_| offset < size),
    };
    let piece = match first {
        Some(piece) => piece,
        // A client sends nothing more for an empty file, so it is complete now.
        None if size == 0 => UploadPiece {
            offset: 0,
            checksum: None,
        },
        None => return Ok(replies::created(&id, progress(0))),
    };
    let growth = Growth {
        turn: app
            .uploads
            .take(id, Takeover::Never)
            .await
            .ok_or_else(replies::locked)?,
        app: Arc::clone(&app),
        user: user.clone(),
        part,
    };
    let arriving = ArrivingPiece {
        piece,
        length,
        body: body.take().unwrap_or_default(),
    };
    match growth.in_task(arriving).await? {
        GrowthOutcome::Arrived { offset } => Ok(replies::created(&id, progress(offset))),
        GrowthOutcome::Failed { offset, error } => match error.kind {
            // The upload goes on when there is room. An error would make the client begin another one.
            WebErrorKind::OverQuota | WebErrorKind::DiskFull => Ok(replies::created(&id, progress(offset))),
            // The client does not know the upload yet, and nothing of it is worth keeping.
            WebErrorKind::TooLarge | WebErrorKind::Checksum => {
                if let FoundUpload::Unfinished(part) = find(&app, &user, &replies::id_text(&id)).await? {
                    discard(&app, &part).await?;
                }
                Err(error)
            }
            _ => {
                let mut response = replies::failed_at(error, offset);
                replies::add_place(&mut response, &id);
                Ok(response)
            }
        },
    }
}

/// Stores the row of a new upload, and makes its part.
pub(super) async fn begin(
    app: &Arc<WebApp>,
    user: &WebUser,
    creation: &UploadCreation,
) -> Result<Box<UploadPart>, WebError> {
    let target = &creation.target;
    let login = user.login();
    let creating = app.uploads.begin_creation(login.user());
    let unfinished = app.store.uploads_of(login.user()).await;
    let unfinished = unfinished.map_err(|error| WebError::internal("uploads cannot be counted", &error))?;
    let (number, most) = match user.share {
        None => (unfinished.len(), MOST_UNFINISHED),
        Some(_) => {
            let of_visitors = unfinished.iter().filter(|upload| upload.share.is_some());
            (of_visitors.count(), MOST_OF_VISITORS)
        }
    };
    if number.saturating_add(creating.count) > most {
        return Err(WebError::new(
            WebErrorKind::TooMany,
            format!("you have {most} unfinished uploads"),
        )
        .hint("finish or remove some of them first"));
    }
    let now = Timestamp::now();
    let record = UploadRecord {
        id: new_id()?,
        user: login.user().clone(),
        incarnation: login.incarnation(),
        share: user.share_id(),
        path: user.target_of(&target.path)?.absolute(),
        size: creation.length,
        mtime: target.mtime,
        sha256: target.sha256,
        created_at: now,
        expires_at: now
            .saturating_add(upload_names::LIFETIME)
            .unwrap_or(Timestamp::MAX),
    };
    let part = Box::new(UploadPart::of(user, record).await?);
    check_target(user, &part).await?;
    check_room(app, user, &part)?;
    let added = app.store.add_upload(&part.record).await;
    added.map_err(|error| WebError::internal("an upload cannot be stored", &error))?;
    match part.make().await {
        Ok(mut file) => {
            file.note_finished();
            Ok(part)
        }
        Err(refused) => {
            if let Err(error) = app.store.remove_upload(&part.id()).await {
                tracing::error!(%error, "the row of an upload that was refused cannot be removed");
            }
            Err(refused)
        }
    }
}

fn new_id() -> Result<UploadId, WebError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| WebError::internal("no randomness for an upload", &error))?;
    Ok(id)
}

/// Checks that a file may have this name at all. Whether the name is taken matters only at the end.
async fn check_target(user: &WebUser, part: &UploadPart) -> Result<(), WebError> {
    if part.target.names().any(upload_names::is_reserved) {
        return Err(
            WebError::new(WebErrorKind::Forbidden, "the server needs this name for uploads")
                .hint("choose another name"),
        );
    }
    let target = part.target.clone();
    let looking =
        part.home
            .call(CallPath::Name(&part.target), move |storage, _wait| match storage
                .stat(&target, Links::NoFollow)
            {
                Ok(meta) => Ok(Some(meta.kind)),
                Err(StorageError::NotFound) => match target.split() {
                    Some((directory, _)) => storage.stat(&directory, Links::Follow).map(|_| None),
                    None => Err(StorageError::IsADirectory),
                },
                Err(error) => Err(error),
            });
    match looking.await {
        // The file of a visitor gets another name, which says nothing about what is there.
        Ok(Some(FileKind::Directory)) if user.share.is_none() => {
            Err(part.refused(StorageError::IsADirectory))
        }
        Ok(_) => Ok(()),
        Err(StorageError::NotFound) => {
            Err(WebError::new(WebErrorKind::NotFound, "the directory does not exist").hint("make it first"))
        }
        Err(error) => Err(part.refused(error)),
    }
}

/// Refuses a file that the quota has no room for even if nothing else were there. Otherwise nothing is reserved: it may
/// fit when it has arrived.
fn check_room(app: &WebApp, user: &WebUser, part: &UploadPart) -> Result<(), WebError> {
    let size = part.record.size;
    let Some(usage) = app
        .service
        .accounts
        .usage_in_memory(&account_of(user.login(), &part.target).id)
    else {
        return Ok(());
    };
    match usage.quota.bytes {
        Some(limit) if size > limit => {
            let used = usage.bytes;
            let never = format!(
                "a file of {} never fits into the quota of {}",
                Size(size),
                Size(limit)
            );
            let error = StorageError::OverBytes { used, limit };
            let context = &part.home.context;
            context.refused(error, &part.target, || never.clone());
            Err(WebError::new(WebErrorKind::OverQuota, never).hint("ask the server's operator for more"))
        }
        _ => Ok(()),
    }
}
