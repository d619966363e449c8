//! What a request about a file names: the path, on behalf of whom, and what is wanted of it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Deserialize;

use super::sorting::{SortDirection, SortKey};
use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, Links, Metadata};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::url_path::UrlPath;
use crate::web::users::WebUser;
use base::digest::Algorithm;

/// A request about a file or directory.
pub(super) struct FileRequest {
    /// What requests share.
    pub(super) app: Arc<WebApp>,
    /// The user who asks.
    pub(super) user: WebUser,
    /// The home of the user.
    pub(super) home: Arc<HomeSession>,
    /// The path that the URL names.
    pub(super) path: VirtualPath,
    /// Whether the URL ended with a slash.
    pub(super) has_slash: bool,
    /// What is behind the `?` of the URL.
    pub(super) query: FileQuery,
    /// The headers.
    pub(super) headers: HeaderMap,
}

/// What is behind the `?` of the URL. A word without a value counts as set; others are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FileQuery {
    list: Option<String>,
    hash: Option<String>,
    inline: Option<String>,
    directory: Option<String>,
    recursive: Option<String>,
    /// Where the part of a listing begins.
    pub(super) after: Option<String>,
    /// The most entries of a part of a listing.
    pub(super) limit: Option<usize>,
    /// What a listing is sorted by.
    #[serde(default)]
    pub(super) sort: SortKey,
    /// In which direction it is sorted.
    #[serde(default)]
    pub(super) order: SortDirection,
    /// What the names of a listing must contain.
    pub(super) filter: Option<String>,
}

impl FileQuery {
    /// Whether a listing is asked for.
    pub(super) fn lists(&self) -> bool {
        is_set(self.list.as_ref())
    }

    /// Whether a browser is to show the file.
    pub(super) fn is_inline(&self) -> bool {
        is_set(self.inline.as_ref())
    }

    /// Whether a directory is to be made.
    pub(super) fn is_directory(&self) -> bool {
        is_set(self.directory.as_ref())
    }

    /// Whether a directory is to be removed with all that is in it.
    pub(super) fn is_recursive(&self) -> bool {
        is_set(self.recursive.as_ref())
    }

    /// Returns the digest that is asked for.
    ///
    /// # Errors
    /// Returns an error that names those that there are.
    pub(super) fn algorithm(&self) -> Result<Option<Algorithm>, WebError> {
        match self.hash.as_deref() {
            None => Ok(None),
            Some("sha256") => Ok(Some(Algorithm::Sha256)),
            Some("md5") => Ok(Some(Algorithm::Md5)),
            Some(_) => Err(WebError::new(
                WebErrorKind::BadRequest,
                "hash must be sha256 or md5",
            )),
        }
    }
}

fn is_set(flag: Option<&String>) -> bool {
    flag.is_some_and(|value| !matches!(value.as_str(), "0" | "false"))
}

impl FileRequest {
    /// Returns the attributes of what the path names.
    ///
    /// # Errors
    /// Returns why they cannot be read.
    pub(super) async fn stat(&self, links: Links) -> Result<Metadata, WebError> {
        let path = self.path.clone();
        let looking = self.home.call(CallPath::Name(&self.path), move |storage, _wait| {
            storage.stat(&path, links)
        });
        looking.await.map_err(|error| self.refused(error))
    }

    /// Returns the error for a refused call on the path, and reports it if an operator may want to know.
    pub(super) fn refused(&self, error: StorageError) -> WebError {
        self.refused_at(&self.path, error)
    }

    /// Does the same for a call on another path.
    pub(super) fn refused_at(&self, path: &VirtualPath, error: StorageError) -> WebError {
        WebError::storage(error, self.home.refused(path, error))
    }
}

impl FromRequestParts<Arc<WebApp>> for FileRequest {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> Result<Self, WebError> {
        let user = WebUser::from_request_parts(parts, app).await?;
        user.require_files()?;
        // The routes below `/api/v1` see the path without that.
        let raw = parts.uri.path();
        let raw = raw.strip_prefix("/files").unwrap_or(raw);
        let UrlPath { path, has_slash } = UrlPath::parse(raw.as_bytes())
            .map_err(|error| WebError::worded(WebErrorKind::BadRequest, &error.to_string()))?;
        let query = Query::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|error| {
            WebError::new(
                WebErrorKind::BadRequest,
                format!(
                    "the part of the URL behind \"?\" is not understood: {}",
                    error.body_text()
                ),
            )
        })?;
        Ok(Self {
            app: Arc::clone(app),
            home: Arc::new(user.session.home().await?),
            user,
            path,
            has_slash,
            query,
            headers: parts.headers.clone(),
        })
    }
}
