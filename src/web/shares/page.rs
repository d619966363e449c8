//! The page of a link: who has shared what and until when, the form that opens it, and then what is there.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base::secret::Secret;
use base::size::Size;
use base::visible::printable;
use jiff::Timestamp;
use serde::Deserialize;

use super::entry::{self, AskedOfShare, LinkPath, is_opened_first};
use super::listing::{self, SharedEntry};
use super::visited::VisitedShare;
use super::visits::LONGEST;
use crate::auth::secret_hash::hash_of;
use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::storage::router::call_io::CallPath;
use crate::storage::{FileKind, Links};
use crate::store::web::ShareRecord;
use crate::web::app::WebApp;
use crate::web::cookies;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::form::FormBody;
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::pages::shown_time::minute;
use crate::web::sign_in::random_text;
use crate::web::url_path::{UrlPath, href, href_name};
use crate::web::users::WebUser;

/// The page of a link.
#[derive(Template)]
#[template(path = "share_visit.html")]
struct ShareVisitPage {
    frame: PageFrame,
    title: String,
    owner: String,
    expires: Option<String>,
    /// The path of the link.
    link: String,
    /// The form that opens it, if it is closed.
    opening: Option<ShareOpening>,
    /// What can be fetched.
    content: Option<SharedContent>,
    /// Whether files can be sent.
    takes_files: bool,
}

/// The form that opens a link.
struct ShareOpening {
    asks_password: bool,
    error: Option<String>,
}

/// What visitors see of a share.
struct SharedContent {
    /// The directories from the shared one to this one.
    crumbs: Vec<ShareCrumb>,
    rows: Vec<SharedRow>,
    is_cut: bool,
    /// The address of the zip; none for a file.
    zip: Option<String>,
}

/// A directory above the one that is shown, or that one.
struct ShareCrumb {
    name: String,
    href: String,
}

/// A file or directory that is shown.
struct SharedRow {
    name: String,
    href: String,
    icon: &'static str,
    size: String,
    changed: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct OpeningForm {
    #[serde(default)]
    password: String,
}

/// Answers GET: the form of a closed link, or what is there.
pub(super) async fn show(State(app): State<Arc<WebApp>>, asked: AskedOfShare) -> Result<Response, WebError> {
    let link = LinkPath::of(&asked.uri);
    let share = entry::find(&app, &asked.visitor, link.token).await?;
    let named = UrlPath::parse(link.below("/dir").unwrap_or_default().as_bytes())
        .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))?;
    let entered = entry::enter(&app, asked.visitor, share.clone(), &asked.headers).await;
    let user = match entered {
        Ok(user) => user,
        Err(error) if error.kind == WebErrorKind::Forbidden && is_opened_first(&share) => {
            return closed(link, &share, None);
        }
        Err(error) => return Err(error),
    };
    let visited = user.share.clone().ok_or_else(WebError::not_found)?;
    let content = match share.allows_download {
        true => Some(content_of(&user, &visited, link, &named.path).await?),
        false if named.path.is_root() => None,
        false => return Err(WebError::not_found()),
    };
    let page = ShareVisitPage {
        content,
        takes_files: share.allows_upload,
        ..page_of(link, &share)
    };
    page.response()
}

/// Answers POST: opens a link, which counts as one use of it.
pub(super) async fn open(
    State(app): State<Arc<WebApp>>,
    asked: AskedOfShare,
    FormBody(form): FormBody<OpeningForm>,
) -> Result<Response, WebError> {
    let link = LinkPath::of(&asked.uri);
    let share = entry::find(&app, &asked.visitor, link.token).await?;
    let password = Secret::new(form.password);
    let shares = app.service.auth.shares();
    let passed = shares
        .pass(&share, Some(&password), asked.visitor.address.ip())
        .await;
    let pass = match passed {
        Ok(pass) => pass,
        Err(denial) => {
            let error = entry::refused(&app, &asked.visitor, denial).await;
            return match error.kind {
                WebErrorKind::Forbidden | WebErrorKind::TooMany => closed(link, &share, Some(error.sentence)),
                _ => Err(error),
            };
        }
    };
    entry::take_use(&app, &share).await?;
    let text = random_text()?;
    app.visits.add(hash_of(text.as_bytes()), share.id, pass);
    let cookie = cookies::set(&entry::cookie_name(share.id), &text, LONGEST.as_secs());
    let place = HeaderValue::from_str(&format!("/s/{}", link.token)).ok();
    let (cookie, place) = cookie.zip(place).ok_or_else(WebError::not_found)?;
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, place)]).into_response())
}

/// Returns the page of a closed link.
fn closed(link: LinkPath<'_>, share: &ShareRecord, error: Option<String>) -> Result<Response, WebError> {
    let page = ShareVisitPage {
        opening: Some(ShareOpening {
            asks_password: share.password_hash.is_some(),
            error,
        }),
        ..page_of(link, share)
    };
    page.response()
}

/// Returns the page of a link, without what is there.
fn page_of(link: LinkPath<'_>, share: &ShareRecord) -> ShareVisitPage {
    ShareVisitPage {
        frame: PageFrame::for_anybody(),
        title: share.title.clone(),
        owner: share.user.to_string(),
        expires: share.expires_at.map(minute),
        link: format!("/s/{}", link.token),
        opening: None,
        content: None,
        takes_files: false,
    }
}

impl ShareVisitPage {
    fn response(&self) -> Result<Response, WebError> {
        rendered(self)
    }
}

/// Returns what a visitor sees at a path of the share.
async fn content_of(
    user: &WebUser,
    share: &VisitedShare,
    link: LinkPath<'_>,
    named: &VirtualPath,
) -> Result<SharedContent, WebError> {
    let home = user.session.home().await?;
    let link = format!("/s/{}", link.token);
    if !share.record.is_directory {
        if !named.is_root() {
            return Err(WebError::not_found());
        }
        return Ok(SharedContent {
            crumbs: Vec::new(),
            rows: shared_file(&home, share, &link).await?.into_iter().collect(),
            is_cut: false,
            zip: None,
        });
    }
    let path = share.path_of(named)?;
    let listing = listing::list(&home, &path).await?;
    let place = named.without_slash();
    let prefix = match place.is_root() {
        true => String::new(),
        false => href(&place),
    };
    let row = |entry: &SharedEntry| row_of(&format!("{link}/{}{prefix}", part_of(entry)), entry);
    Ok(SharedContent {
        crumbs: crumbs(share, &link, &place),
        rows: listing.entries.iter().map(row).collect(),
        is_cut: listing.is_cut,
        zip: Some(format!("{link}/zip{prefix}")),
    })
}

/// Returns the part of the link below which an entry is.
fn part_of(entry: &SharedEntry) -> &'static str {
    match entry.is_directory {
        true => "dir",
        false => "files",
    }
}

/// Returns the row of an entry in a directory that has this address.
fn row_of(directory: &str, entry: &SharedEntry) -> SharedRow {
    let changed = Timestamp::from_second(entry.mtime);
    SharedRow {
        name: printable(&entry.name),
        href: format!("{directory}/{}", href_name(&entry.name)),
        icon: match entry.is_directory {
            true => "folder",
            false => "file",
        },
        size: match entry.is_directory {
            true => String::new(),
            false => Size(entry.size).to_string(),
        },
        changed: changed.map(minute).unwrap_or_default(),
    }
}

/// Returns the row of a shared file, if it is there.
async fn shared_file(
    home: &HomeSession,
    share: &VisitedShare,
    link: &str,
) -> Result<Option<SharedRow>, WebError> {
    let path = share.base().clone();
    let looking = home.call(CallPath::Name(share.base()), move |storage, _wait| {
        storage.stat(&path, Links::NoFollow)
    });
    let meta = looking.await.map_err(|_| WebError::not_found())?;
    let entry = SharedEntry {
        name: share.name(),
        is_directory: false,
        size: meta.size,
        mtime: meta.mtime,
    };
    let is_file = meta.kind == FileKind::File;
    Ok(is_file.then(|| row_of(&format!("{link}/files"), &entry)))
}

/// Returns the directories from the shared one to `place`.
fn crumbs(share: &VisitedShare, link: &str, place: &VirtualPath) -> Vec<ShareCrumb> {
    let top = match share.record.title.is_empty() {
        true => printable(&share.name()),
        false => share.record.title.clone(),
    };
    let mut crumbs = vec![ShareCrumb {
        name: top,
        href: link.to_owned(),
    }];
    let mut href = format!("{link}/dir");
    for name in place.names() {
        href.push('/');
        href.push_str(&href_name(name));
        crumbs.push(ShareCrumb {
            name: printable(name),
            href: href.clone(),
        });
    }
    crumbs
}
