//! `GET files/FILE?hash=sha256`: the digest of a file, as the commands of SSH compute it.

use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::target::FileRequest;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use base::digest::Algorithm;
use base::visible::hex;

/// The answer.
#[derive(Serialize)]
struct FileDigest {
    algorithm: &'static str,
    hex: String,
}

/// Answers GET.
pub(super) async fn get(request: &FileRequest, algorithm: Algorithm) -> Result<Response, WebError> {
    let hashing = request.home.hash_path(&request.path, algorithm);
    let digest = hashing.await.map_err(|error| request.refused(error))?;
    Ok(Versioned::new(FileDigest {
        algorithm: algorithm.name(),
        hex: hex(&digest),
    })
    .into_response())
}
