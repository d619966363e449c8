//! `GET` and `HEAD files/FILE`: the bytes of a file, or one part of them.
//!
//! A file of a user never becomes a page of ours: it has a policy of its own, under which nothing in it runs, and a browser
//! shows only what cannot carry script ([`crate::web::disposition`]).

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use jiff::Timestamp;

use super::target::FileRequest;
use crate::storage::{Error as StorageError, FileKind, Metadata, OpenHow};
use crate::web::api::file_bytes::{BrokenBody, FileBytes, OpenDownload};
use crate::web::body::EndsWith;
use crate::web::disposition::ContentType;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::preconditions::{PreconditionVerdict, RequestEffect, Validators, verdict};
use crate::web::range::{ByteRange, RangeAnswer};

/// What a browser may do with a file of a user: nothing that runs, nothing that loads.
pub(in crate::web) const FILE_POLICY: &str = "sandbox; default-src 'none'";

/// Browsers keep a file, and ask each time whether it is still the same.
const CACHING: &str = "private, no-cache";

/// Which bytes of a file an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SentBytes {
    size: u64,
    part: Option<ByteRange>,
}

impl SentBytes {
    /// Returns what a request asks for.
    ///
    /// # Errors
    /// Returns the answer to a request for bytes behind the end.
    fn wanted(request: &FileRequest, file: &Validators) -> Result<Self, Box<Response>> {
        let size = file.size;
        match file.range(&request.headers) {
            RangeAnswer::Whole => Ok(Self { size, part: None }),
            RangeAnswer::Part(part) => Ok(Self {
                size,
                part: Some(part),
            }),
            RangeAnswer::Unsatisfiable => {
                let error = WebError::new(
                    WebErrorKind::Range,
                    format!("the file has {size} bytes, and none in this range"),
                );
                let mut response = error.into_response();
                let unsatisfied = RangeAnswer::unsatisfied(size);
                insert(response.headers_mut(), header::CONTENT_RANGE, &unsatisfied);
                Err(Box::new(response))
            }
        }
    }

    fn first(self) -> u64 {
        self.part.map_or(0, |part| part.first)
    }

    fn length(self) -> u64 {
        self.part.map_or(self.size, |part| part.len())
    }
}

/// Answers HEAD, without opening the file.
pub(super) fn head(request: &FileRequest, meta: &Metadata) -> Result<Response, WebError> {
    check_kind(request, meta)?;
    let file = Validators::of(meta, Timestamp::now().as_second());
    if let Some(answer) = unmet(request, &file)? {
        return Ok(answer);
    }
    Ok(match SentBytes::wanted(request, &file) {
        Ok(sent) => with_headers(request, &file, sent, Body::empty()),
        Err(response) => *response,
    })
}

/// Answers GET. `meta` is what was there a moment ago.
pub(super) async fn get(request: FileRequest, meta: &Metadata) -> Result<Response, WebError> {
    check_kind(&request, meta)?;
    let before = Validators::of(meta, Timestamp::now().as_second());
    if let Some(answer) = unmet(&request, &before)? {
        return Ok(answer);
    }
    let open = open(&request).await?;
    // The headers are about the file that is sent, even if it has just been replaced.
    let file = Validators::of(&open.meta, Timestamp::now().as_second());
    let sent = match SentBytes::wanted(&request, &file) {
        Ok(sent) => sent,
        Err(response) => return Ok(*response),
    };
    let gone = request.user.session.gone().clone();
    let first = sent.first();
    let bytes = FileBytes::new(open, first, first.saturating_add(sent.length()));
    let body = Body::from_stream(stream::try_unfold(bytes, |mut bytes| async move {
        let piece = bytes.next().await?;
        Ok::<_, BrokenBody>(piece.map(|piece| (piece, bytes)))
    }));
    let mut response = with_headers(&request, &file, sent, body);
    response.extensions_mut().insert(EndsWith(gone));
    Ok(response)
}

fn check_kind(request: &FileRequest, meta: &Metadata) -> Result<(), WebError> {
    match meta.kind {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(request.refused(StorageError::IsADirectory)),
        FileKind::Symlink | FileKind::Special => Err(request.refused(StorageError::NotAFile)),
    }
}

/// Returns the answer to a request whose conditions are not met; `None` if they are.
fn unmet(request: &FileRequest, file: &Validators) -> Result<Option<Response>, WebError> {
    match verdict(&request.headers, Some(file), RequestEffect::Reads) {
        PreconditionVerdict::Proceed => Ok(None),
        PreconditionVerdict::NotModified => {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            add_validators(response.headers_mut(), file);
            Ok(Some(response))
        }
        PreconditionVerdict::Failed => Err(WebError::new(
            WebErrorKind::PreconditionFailed,
            "the file is another one by now",
        )),
    }
}

async fn open(request: &FileRequest) -> Result<OpenDownload, WebError> {
    let descriptor = request.home.context.budget.descriptor();
    let descriptor = descriptor.map_err(WebError::exhausted)?;
    let how = OpenHow {
        read: true,
        ..OpenHow::default()
    };
    let refused = |error| request.refused(error);
    let file = request.home.open(&request.path, how).await.map_err(refused)?;
    let opened = file.file().map_err(refused)?;
    let looking = request.home.call_on(opened, |file, _wait| file.stat());
    let meta = looking.await.map_err(refused)?;
    check_kind(request, &meta)?;
    Ok(OpenDownload {
        user: request.user.clone(),
        home: Arc::clone(&request.home),
        file,
        meta,
        _descriptor: descriptor,
    })
}

fn with_headers(request: &FileRequest, file: &Validators, sent: SentBytes, body: Body) -> Response {
    let name = request.path.names().next_back().unwrap_or_default();
    let kind = ContentType::of(name);
    let disposition = kind.disposition(request.query.is_inline());
    let mut response = Response::new(body);
    if sent.part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    add_validators(headers, file);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent.length()));
    if let Some(part) = sent.part {
        insert(headers, header::CONTENT_RANGE, &part.content_range(sent.size));
    }
    insert(headers, header::CONTENT_TYPE, kind.mime);
    insert(headers, header::CONTENT_DISPOSITION, &disposition.header(name));
    insert(headers, header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    response
}

fn add_validators(headers: &mut HeaderMap, file: &Validators) {
    insert(headers, header::ETAG, &file.etag.to_string());
    if let Some(modified) = file.last_modified() {
        insert(headers, header::LAST_MODIFIED, &modified);
    }
    insert(headers, header::CACHE_CONTROL, CACHING);
}

/// Inserts a header whose value is plain ASCII.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
