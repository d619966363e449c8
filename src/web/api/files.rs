//! `files/PATH`: the files and directories of a user. Each kind of request has a file of its own; `target.rs` reads what
//! they name.
//!
//! Nothing here decides what is allowed: the storage does ([`crate::mount`]). What a user may do is told beside listings,
//! so that a page need not offer more.

mod changes;
mod digest;
mod download;
pub mod listing;
mod put;
mod removal;
pub mod rights;
pub mod sorting;
mod target;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;

use self::changes::NewPathBody;
pub(in crate::web) use self::download::FILE_POLICY;
use self::target::FileRequest;
use crate::storage::{Error as StorageError, FileKind, Links};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json_body::JsonBody;

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    let one = get(read).put(write).delete(remove).patch(rename);
    Router::new()
        .route("/files", one.clone())
        .route("/files/", one.clone())
        .route("/files/{*path}", one)
}

/// Answers GET and HEAD: a listing, a digest, or the file.
async fn read(method: Method, request: FileRequest) -> Result<Response, WebError> {
    if request.query.lists() {
        return listing::get(&request).await;
    }
    let meta = request.stat(Links::Follow).await?;
    let is_directory = meta.kind == FileKind::Directory;
    if let Some(algorithm) = request.query.algorithm()? {
        return match is_directory {
            true => Err(request.refused(StorageError::IsADirectory)),
            false => digest::get(&request, algorithm).await,
        };
    }
    match is_directory {
        true => listing::get(&request).await,
        false if request.has_slash => Err(request.refused(StorageError::NotADirectory)),
        false if method == Method::HEAD => download::head(&request, &meta),
        false => download::get(request, &meta).await,
    }
}

/// Answers PUT: a file, or an empty directory.
async fn write(request: FileRequest, body: Body) -> Result<Response, WebError> {
    match request.query.is_directory() {
        true => changes::make_directory(&request).await,
        false => put::put(request, body).await,
    }
}

/// Answers DELETE.
async fn remove(request: FileRequest) -> Result<Response, WebError> {
    removal::remove(&request).await
}

/// Answers PATCH: another name.
async fn rename(request: FileRequest, JsonBody(body): JsonBody<NewPathBody>) -> Result<Response, WebError> {
    changes::rename(&request, &body).await
}
