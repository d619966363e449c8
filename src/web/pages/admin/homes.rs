//! `/admin/homes`: homes and folders with their use, the fullest first.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;

use super::frame::{AdminMenu, Page, frame_of, size_or};
use crate::ops::usage::{AccountHolder, HomeUsage};
use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::homes::{self, HomePage};
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::query::{AskedFor, asked};
use crate::web::url_path::href_name;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/admin/homes", get(list))
}

/// A row of the list of homes.
struct HomeRow {
    name: String,
    href: String,
    /// `user` or `folder`.
    kind: &'static str,
    path: String,
    used: String,
    quota: String,
    files: String,
    files_quota: String,
    /// The used part of the quota in thousandths, at most 1,000.
    fullness: Option<u64>,
    is_over: bool,
    /// What is in the way of the numbers; empty if nothing is.
    note: String,
}

impl HomeRow {
    fn of(usage: &HomeUsage) -> Self {
        let (place, name) = match &usage.holder {
            AccountHolder::User(name) => ("users", name.to_string()),
            AccountHolder::Folder(name) => ("folders", name.to_string()),
        };
        let number = |number: Option<u64>, other: &str| {
            number.map_or_else(|| other.to_owned(), |number| number.to_string())
        };
        Self {
            href: format!("/admin/{place}/{}", href_name(name.as_bytes())),
            name,
            kind: usage.holder.kind(),
            path: usage.home.display().to_string(),
            used: format!("{}{}", usage.at_most(), size_or(usage.used_bytes, "unknown")),
            quota: size_or(usage.quota.bytes, "unlimited"),
            files: number(usage.used_files, "unknown"),
            files_quota: number(usage.quota.files, "unlimited"),
            fullness: homes::fullness(usage).map(|part| part.min(1000)),
            is_over: usage.exceeded().is_some(),
            note: usage.unreadable_clause().unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_homes.html")]
struct HomesPage {
    frame: PageFrame,
    menu: AdminMenu,
    homes: Vec<HomeRow>,
    all: usize,
    skip: usize,
    next: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HomesPageQuery {
    skip: usize,
}

async fn list(State(app): State<Arc<WebApp>>, reader: AdminReader, query: AskedFor<HomesPageQuery>) -> Page {
    let skip = asked(query)?.skip;
    let HomePage { homes, all, next } = homes::fullest(&app, &reader.0, skip, homes::PAGE).await?;
    rendered(&HomesPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/homes"),
        homes: homes.iter().map(HomeRow::of).collect(),
        all,
        skip,
        next,
    })
}
