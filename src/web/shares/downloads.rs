//! What visitors fetch: one file, with ranges, or a directory as one zip.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_LENGTH, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;

use super::entry::{self, AskedOfShare, LinkPath};
use super::inner::{InnerApi, InnerRequest, outside_view};
use super::meter::ShareMeter;
use super::visited::VisitedShare;
use crate::domain::path::VirtualPath;
use crate::storage::router::call_io::CallPath;
use crate::storage::{FileKind, Links};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::url_path::{UrlPath, href, href_name};
use crate::web::users::WebUser;

/// The headers of a visitor's request that count.
const PASSED: [HeaderName; 6] = [
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// Answers GET and HEAD for a file.
pub(super) async fn file(
    State(app): State<Arc<WebApp>>,
    Extension(api): Extension<InnerApi>,
    asked: AskedOfShare,
) -> Result<Response, WebError> {
    let download = Download::begin(&app, asked, "/files").await?;
    if download.kind().await? != FileKind::File {
        return Err(WebError::not_found());
    }
    let target = format!("/api/v1/files{}", href(&download.path));
    download.fetch(&app, &api, target).await
}

/// Answers GET for an archive of a directory.
pub(super) async fn archive(
    State(app): State<Arc<WebApp>>,
    Extension(api): Extension<InnerApi>,
    asked: AskedOfShare,
) -> Result<Response, WebError> {
    let download = Download::begin(&app, asked, "/zip").await?;
    if download.kind().await? != FileKind::Directory {
        return Err(WebError::not_found());
    }
    let target = format!("/api/v1/archive?path={}", href_name(&download.path.absolute()));
    download.fetch(&app, &api, target).await
}

/// A visitor's request for something that is there.
struct Download {
    user: WebUser,
    share: Arc<VisitedShare>,
    method: Method,
    headers: HeaderMap,
    path: VirtualPath,
}

impl Download {
    /// Enters the share, and finds the path of a request below `part`.
    async fn begin(app: &Arc<WebApp>, asked: AskedOfShare, part: &str) -> Result<Self, WebError> {
        let link = LinkPath::of(&asked.uri);
        let share = entry::find(app, &asked.visitor, link.token).await?;
        let user = entry::enter(app, asked.visitor, share, &asked.headers).await?;
        let share = user.share.clone().ok_or_else(WebError::not_found)?;
        if !share.record.allows_download {
            return Err(WebError::not_found());
        }
        let named = link.below(part).ok_or_else(WebError::not_found)?;
        let named = UrlPath::parse(named.as_bytes())
            .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))?;
        let mut headers = HeaderMap::new();
        for name in PASSED {
            for value in asked.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        Ok(Self {
            path: share.path_of(&named.path)?,
            user,
            share,
            method: asked.method,
            headers,
        })
    }

    /// Returns what lies at the path. Links are not followed.
    async fn kind(&self) -> Result<FileKind, WebError> {
        let home = self.user.session.home().await?;
        let path = self.path.clone();
        let looking = home.call(CallPath::Name(&self.path), move |storage, _wait| {
            storage.stat(&path, Links::NoFollow)
        });
        match looking.await {
            Ok(meta) => Ok(meta.kind),
            Err(error) => {
                let refused = WebError::storage(error, String::new());
                match refused.kind {
                    WebErrorKind::Busy => Err(WebError::new(
                        WebErrorKind::Busy,
                        "the server cannot do this at the moment: try again",
                    )),
                    _ => Err(WebError::not_found()),
                }
            }
        }
    }

    /// Has the API answer, and pays for what it sends.
    async fn fetch(self, app: &Arc<WebApp>, api: &InnerApi, target: String) -> Result<Response, WebError> {
        let is_head = self.method == Method::HEAD;
        let is_archive = target.starts_with("/api/v1/archive");
        let inner = InnerRequest {
            method: self.method,
            target,
            headers: self.headers,
            body: Body::empty(),
        };
        let response = outside_view(api.call(self.user, inner).await?);
        if !response.status().is_success() {
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        // Nothing but a file or an archive, for saving: not the listing of a directory that has just taken its place.
        let disposition = parts.headers.get(CONTENT_DISPOSITION).map(HeaderValue::as_bytes);
        let is_saved = disposition.is_some_and(|value| value.starts_with(b"attachment"));
        if !is_saved || (!is_archive && !parts.headers.contains_key(ETAG)) {
            return Err(WebError::not_found());
        }
        if is_head {
            return Ok(Response::from_parts(parts, body));
        }
        let length = body.size_hint().exact().or_else(|| {
            let length = parts.headers.get(CONTENT_LENGTH)?;
            length.to_str().ok()?.parse().ok()
        });
        if let Some(length) = length {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let mut meter = ShareMeter::new(&app.store, &self.share.record, length);
        meter.begin().await?;
        Ok(Response::from_parts(parts, meter.meter(body)))
    }
}
