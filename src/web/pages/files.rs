//! `/files/PATH/`: a directory, with the first part of its listing. `files.mjs` reads the rest; without scripts, links lead
//! to the other parts, to other orders, into directories and to files.

mod addresses;
mod rows;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;

use self::addresses::{COLUMNS, ListingQuery, directory_href, file_href};
use self::rows::{crumbs, row_of, words_of};
use super::frame::{MenuPage, PageFrame};
use super::rendering::{rendered_for, see_other};
use super::templates::FilesPage;
use crate::domain::path::VirtualPath;
use crate::storage::router::call_io::CallPath;
use crate::storage::{FileKind, Links};
use crate::web::api::files::listing::{self, ListedPart};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::query::{AskedFor, asked};
use crate::web::url_path::{UrlPath, href};
use crate::web::users::WebUser;

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/files", get(show))
        .route("/files/", get(show))
        .route("/files/{*path}", get(show))
}

/// Answers GET.
async fn show(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    uri: Uri,
    headers: HeaderMap,
    query: AskedFor<ListingQuery>,
) -> Result<Response, WebError> {
    user.require_browser()?;
    let raw = uri.path().strip_prefix("/files").unwrap_or_default();
    let UrlPath { path, has_slash } = UrlPath::parse(raw.as_bytes())
        .map_err(|error| WebError::worded(WebErrorKind::BadRequest, &error.to_string()))?;
    let query = asked(query)?;
    if !has_slash || raw.is_empty() {
        return elsewhere(&user, &path, &uri).await;
    }
    let part = listing::list(&app, &user, &path, query.wanted()?).await;
    match part {
        Ok(part) => {
            let frame = PageFrame::of_user(&app, &user, MenuPage::Files).await?;
            rendered_for(&headers, &page_of(frame, &path, &query, part))
        }
        // It may be a file, whose address was written like that of a directory.
        Err(error) if error.kind == WebErrorKind::WrongKind => match kind_of(&user, &path).await? {
            FileKind::File => see_other(&file_href(&path)),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Sends the browser from an address without a slash at its end to the page of the directory, or to the file.
async fn elsewhere(user: &WebUser, path: &VirtualPath, uri: &Uri) -> Result<Response, WebError> {
    let is_directory = path.is_root() || kind_of(user, path).await? == FileKind::Directory;
    if !is_directory {
        return see_other(&file_href(path));
    }
    let query = uri.query().map(|query| format!("?{query}"));
    see_other(&(directory_href(path) + &query.unwrap_or_default()))
}

/// Returns what a path leads to.
async fn kind_of(user: &WebUser, path: &VirtualPath) -> Result<FileKind, WebError> {
    let home = user.session.home().await?;
    let wanted = path.clone();
    let looking = home.call(CallPath::Name(path), move |storage, _wait| {
        storage.stat(&wanted, Links::Follow)
    });
    let meta = looking.await;
    let meta = meta.map_err(|error| WebError::storage(error, home.refused(path, error)))?;
    Ok(meta.kind)
}

/// Puts a page together.
fn page_of(frame: PageFrame, path: &VirtualPath, query: &ListingQuery, part: ListedPart) -> FilesPage {
    let directory = directory_href(path);
    let order = query.sorting();
    let next = part.next.unwrap_or_default();
    let crumbs = crumbs(path);
    let may_read = part.may.read;
    FilesPage {
        frame,
        title: crumbs.last().map(|crumb| crumb.name.clone()).unwrap_or_default(),
        path: href(&path.without_slash()),
        crumbs,
        heads: COLUMNS
            .iter()
            .map(|column| query.head(&directory, column))
            .collect(),
        rows: part
            .entries
            .iter()
            .map(|entry| row_of(path, entry, may_read))
            .collect(),
        sort: query.sort.name(),
        order: query.order.name(),
        filter: query.filter.clone(),
        may: words_of(part.may),
        next_href: match next.is_empty() {
            true => String::new(),
            false => query.address(&directory, order, &next),
        },
        first_href: match query.after.is_empty() {
            true => String::new(),
            false => query.address(&directory, order, ""),
        },
        next,
    }
}
