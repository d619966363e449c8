//! `/shares`: the links that a user has made, with how often they were used.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use base::size::Size;

use super::frame::{MenuPage, PageFrame};
use super::rendering::rendered;
use crate::web::api::shares::listed::{ListedShare, shares_of};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::users::WebUser;

/// The page.
#[derive(Template)]
#[template(path = "shares.html")]
struct SharesPage {
    frame: PageFrame,
    shares: Vec<ShareRow>,
}

/// A link, for people.
struct ShareRow {
    id: i64,
    title: String,
    path: String,
    /// What visitors may do: "download", "upload", "download and upload".
    purpose: &'static str,
    has_password: bool,
    expires: String,
    has_expired: bool,
    used: u64,
    /// How many further visits there may be, or how many bytes; empty if any number.
    left: String,
}

/// Answers GET.
pub(super) async fn show(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    user.require_browser()?;
    let shares = shares_of(&app, &user).await?;
    let page = SharesPage {
        frame: PageFrame::of_user(&app, &user, MenuPage::Shares).await?,
        shares: shares.into_iter().map(row_of).collect(),
    };
    rendered(&page)
}

fn row_of(share: ListedShare) -> ShareRow {
    let visits = share.uses_left.map(|left| format!("{left} visits"));
    let bytes = share.bytes_left.map(|left| Size(left).to_string());
    let left: Vec<String> = visits.into_iter().chain(bytes).collect();
    ShareRow {
        id: share.id,
        title: share.title,
        path: share.path.path,
        purpose: match (share.download, share.upload) {
            (true, true) => "download and upload",
            (true, false) => "download",
            (false, _) => "upload",
        },
        has_password: share.has_password,
        expires: share.expires_at.map_or_else(
            || "never".to_owned(),
            |end| end.replace('T', " ").replace('Z', " UTC"),
        ),
        has_expired: share.has_expired,
        used: share.used,
        left: left.join(", "),
    }
}
