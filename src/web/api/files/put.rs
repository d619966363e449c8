//! `PUT files/FILE`: one file as a whole. It gathers beside its name, and replaces what has the name at once.
//!
//! Conditions are judged before the body is read, and `If-None-Match: *` again by the kernel, at the end. Two clients that
//! both send `If-Match` at the same time may replace each other's file.

use axum::body::Body;
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::rights::DirectoryRights;
use super::target::FileRequest;
use crate::domain::permission::Permission;
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, FileKind, IfExists, Links, Metadata};
use crate::web::api::uploads::intake::announced_length;
use crate::web::api::uploads::whole::WholeUpload;
use crate::web::body::discard;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::preconditions::{PreconditionVerdict, RequestEffect, Validators, verdict};

/// Answers PUT.
pub(super) async fn put(request: FileRequest, body: Body) -> Result<Response, WebError> {
    let accepted = match accept(&request).await {
        Ok(accepted) => accepted,
        Err(error) => {
            discard(body).await;
            return Err(error);
        }
    };
    let upload = WholeUpload {
        app: request.app,
        user: request.user,
        target: request.path,
        length: accepted.length,
        if_exists: accepted.if_exists,
    };
    upload.receive(body).await?;
    Ok(match accepted.replaces {
        true => StatusCode::NO_CONTENT.into_response(),
        false => StatusCode::CREATED.into_response(),
    })
}

/// A file that may arrive.
struct AcceptedFile {
    length: u64,
    if_exists: IfExists,
    replaces: bool,
}

/// Decides whether a file may arrive, before any of it is read.
async fn accept(request: &FileRequest) -> Result<AcceptedFile, WebError> {
    if request.has_slash {
        return Err(request.refused(StorageError::IsADirectory));
    }
    let length = announced_length(&request.headers).ok_or_else(|| {
        WebError::new(
            WebErrorKind::LengthRequired,
            "the header Content-Length must say how long the file is",
        )
        .hint("files of unknown length are uploaded in pieces: /api/v1/uploads")
    })?;
    let there = existing(request).await?;
    if there.is_some_and(|meta| meta.kind == FileKind::Directory) {
        return Err(request.refused(StorageError::IsADirectory));
    }
    let now = Timestamp::now().as_second();
    let validators = there.as_ref().map(|meta| Validators::of(meta, now));
    match verdict(&request.headers, validators.as_ref(), RequestEffect::Changes) {
        PreconditionVerdict::Proceed => {}
        PreconditionVerdict::Failed | PreconditionVerdict::NotModified => {
            return Err(WebError::new(
                WebErrorKind::PreconditionFailed,
                "what is at the path is not what the request expects, so nothing was changed",
            ));
        }
    }
    // The storage refuses it in any case, but only at the end.
    let rights = DirectoryRights::at(request.user.login(), &request.path);
    if there.is_some() && !rights.overwrite {
        return Err(request.refused(StorageError::Forbidden(Permission::Overwrite.name())));
    }
    Ok(AcceptedFile {
        length,
        if_exists: match must_be_new(&request.headers) {
            true => IfExists::Refuse,
            false => IfExists::Replace,
        },
        replaces: there.is_some(),
    })
}

/// Returns the attributes of what has the name; `None` if there is nothing. A link that leads nowhere is something.
async fn existing(request: &FileRequest) -> Result<Option<Metadata>, WebError> {
    let path = request.path.clone();
    let looking = request
        .home
        .call(
            CallPath::Name(&request.path),
            move |storage, _wait| match storage.stat(&path, Links::Follow) {
                Err(StorageError::NotFound | StorageError::LinkLoop) => storage.stat(&path, Links::NoFollow),
                found => found,
            },
        );
    match looking.await {
        Ok(meta) => Ok(Some(meta)),
        Err(StorageError::NotFound) => Ok(None),
        Err(error) => Err(request.refused(error)),
    }
}

fn must_be_new(headers: &HeaderMap) -> bool {
    let condition = headers.get(IF_NONE_MATCH).map(|value| value.as_bytes());
    condition.is_some_and(|condition| condition.trim_ascii() == b"*")
}
