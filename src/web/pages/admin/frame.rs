//! What the pages of administrators have in common: the menu, and how values are shown.

use std::sync::Arc;

use axum::response::Response;
use jiff::Timestamp;

use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::pages::frame::{MenuPage, PageFrame};
use base::size::Size;

/// The answer of a page, or why there is none.
pub(super) type Page = Result<Response, WebError>;

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
pub(super) struct AdminMenu {
    /// The name of the administrator.
    pub user: String,
    /// The address of the page in the menu.
    page: &'static str,
}

/// An entry of the menu.
pub(super) struct AdminMenuEntry {
    pub href: &'static str,
    pub name: &'static str,
    pub is_current: bool,
}

impl AdminMenu {
    pub fn new(reader: &AdminReader, page: &'static str) -> Self {
        Self {
            user: reader.0.name().to_string(),
            page,
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = AdminMenuEntry> + '_ {
        MENU.into_iter().map(move |(href, name)| AdminMenuEntry {
            href,
            name,
            is_current: href == self.page,
        })
    }

    pub fn title(&self) -> &'static str {
        let entry = MENU.into_iter().find(|(href, _)| *href == self.page);
        entry.map_or("Administration", |(_, name)| name)
    }
}

/// Returns the frame that the page has around it.
pub(super) async fn frame_of(app: &Arc<WebApp>, reader: &AdminReader) -> Result<PageFrame, WebError> {
    PageFrame::of_user(app, &reader.0.0, MenuPage::Administration).await
}

/// Formats a time for people, to the second.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Formats a number of bytes that may be unknown or unlimited.
pub(super) fn size_or(bytes: Option<u64>, other: &str) -> String {
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
