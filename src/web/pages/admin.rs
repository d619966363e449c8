//! The pages of administrators: what the server does, and what can be changed. For others they do not exist.
//!
//! All of it can be read without a script; `admin.mjs` sends the forms to the API, and keeps the list of sessions up to
//! date while it is seen.

mod audit;
mod homes;
mod overview;
mod sharing;
mod users;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{Html, IntoResponse as _, Response};
use jiff::Timestamp;

use crate::web::administration::AdminReader;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use base::size::Size;

/// Returns the routes of the pages.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(audit::routes())
        .merge(homes::routes())
        .merge(overview::routes())
        .merge(sharing::routes())
        .merge(users::routes())
}

/// The answer of a page, or why there is none.
type Page = Result<Response, WebError>;

/// The pages that the menu leads to: their addresses and their names.
const MENU: [(&str, &str); 9] = [
    ("/admin", "Overview"),
    ("/admin/sessions", "Sessions"),
    ("/admin/users", "Users"),
    ("/admin/groups", "Groups"),
    ("/admin/folders", "Folders"),
    ("/admin/homes", "Homes"),
    ("/admin/audit", "Audit log"),
    ("/admin/failed-sign-ins", "Failed sign-ins"),
    ("/admin/graphs", "Graphs"),
];

/// What every page of administrators has.
struct AdminMenu {
    /// The name of the administrator.
    user: String,
    /// The address of the page in the menu.
    page: &'static str,
}

/// An entry of the menu.
struct AdminMenuEntry {
    href: &'static str,
    name: &'static str,
    is_current: bool,
}

impl AdminMenu {
    fn new(reader: &AdminReader, page: &'static str) -> Self {
        Self {
            user: reader.0.name().to_string(),
            page,
        }
    }

    fn entries(&self) -> impl Iterator<Item = AdminMenuEntry> + '_ {
        MENU.into_iter().map(|(href, name)| AdminMenuEntry {
            href,
            name,
            is_current: href == self.page,
        })
    }

    fn title(&self) -> &'static str {
        let entry = MENU.into_iter().find(|(href, _)| *href == self.page);
        entry.map_or("Administration", |(_, name)| name)
    }
}

/// Renders a page.
fn shown(page: &impl Template) -> Page {
    match page.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => Err(WebError::internal("cannot render a page", &error)),
    }
}

/// What stands behind the question mark of an address, or why it cannot be used.
type PageQuery<T> = Result<Query<T>, QueryRejection>;

/// Returns what stands behind the question mark of an address.
fn asked<T>(query: PageQuery<T>) -> Result<T, WebError> {
    match query {
        Ok(Query(asked)) => Ok(asked),
        Err(rejection) => Err(WebError::new(WebErrorKind::BadRequest, rejection.body_text())),
    }
}

/// Formats a time for people, to the second.
fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Formats a number of bytes that may be unknown or unlimited.
fn size_or(bytes: Option<u64>, other: &str) -> String {
    bytes.map_or_else(|| other.to_owned(), |bytes| Size(bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_knows_its_page() {
        let menu = AdminMenu {
            user: "calvin".to_owned(),
            page: "/admin/users",
        };
        let current: Vec<&str> = menu
            .entries()
            .filter(|entry| entry.is_current)
            .map(|entry| entry.name)
            .collect();
        assert_eq!((current, menu.title()), (vec!["Users"], "Users"));
    }
}
