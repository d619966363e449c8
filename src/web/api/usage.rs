//! How much of a quota is used: `GET usage`, and beside every listing.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;

use crate::accounts::id::AccountSpec;
use crate::auth::Login;
use crate::domain::path::VirtualPath;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::url_path::JsonPath;
use crate::web::users::WebUser;

/// The use of one account.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct JsonUsage {
    /// The sum of the sizes of all files, in bytes.
    pub used_bytes: u64,
    /// The most bytes; `None` without a limit.
    pub quota_bytes: Option<u64>,
    /// The number of files, directories and links.
    pub used_files: u64,
    /// The most of them; `None` without a limit.
    pub quota_files: Option<u64>,
}

/// The answer to `GET usage`.
#[derive(Serialize)]
struct UsageList {
    usage: Vec<PlaceUsage>,
}

/// The use of the home, or of a folder.
#[derive(Serialize)]
struct PlaceUsage {
    #[serde(flatten)]
    path: JsonPath,
    /// `None` of a folder that nobody has entered yet.
    usage: Option<JsonUsage>,
}

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/usage", get(all))
}

/// Answers `GET usage`: the home first, then the folders.
async fn all(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    user.require_files()?;
    // The account of a home is known once the home is mounted.
    user.session.home().await?;
    let login = user.login();
    let mut paths = vec![VirtualPath::root()];
    let folders = login.folders().iter();
    paths.extend(folders.filter_map(|(folder, _)| VirtualPath::parse(folder.name.as_str().as_bytes()).ok()));
    let mut usage = Vec::with_capacity(paths.len());
    for path in paths {
        usage.push(PlaceUsage {
            usage: at(&app, login, &path).await?,
            path: JsonPath::of(&path),
        });
    }
    Ok(Versioned::new(UsageList { usage }).into_response())
}

/// Returns the use of the account that pays for what lies at a path; `None` if it is not known.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn at(app: &WebApp, login: &Login, path: &VirtualPath) -> Result<Option<JsonUsage>, WebError> {
    let usage = app.service.accounts.usage(&account_of(login, path)).await;
    let usage = usage.map_err(|error| WebError::internal("the use of a home cannot be read", &error))?;
    Ok(usage.map(|usage| JsonUsage {
        used_bytes: usage.bytes,
        quota_bytes: usage.quota.bytes,
        used_files: usage.files,
        quota_files: usage.quota.files,
    }))
}

/// Returns the account that pays for what lies at a path of a user.
pub fn account_of(login: &Login, path: &VirtualPath) -> AccountSpec {
    let folder = path.split_first().and_then(|(name, _)| {
        let mut folders = login.folders().iter();
        folders.find(|(folder, _)| folder.name.as_str().as_bytes() == name)
    });
    match folder {
        Some((folder, _)) => AccountSpec::of_folder(&folder.path, folder.quota),
        None => AccountSpec::of_home(login.home(), login.quota()),
    }
}
