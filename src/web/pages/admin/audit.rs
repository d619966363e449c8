//! `/admin/audit` and `/admin/failed-sign-ins`: what has happened, the newest first.

use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;

use super::frame::{AdminMenu, Page, frame_of};
use crate::ops::audit::AuditEntry;
use crate::shapes::audit::{AuditRow, AuditWords};
use crate::telemetry::EVENT_NAMES;
use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::audit_search::{self, AuditCursor, AuditOrder, FailedAddress};
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::query::{AskedFor, asked};
use crate::web::url_path::href_name;
use base::visible::for_terminal;

/// The number of events of a page.
const PAGE: usize = 100;
/// The most addresses whose failed sign-ins are listed.
const MOST_ADDRESSES: usize = 200;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/admin/audit", get(log))
        .route("/admin/failed-sign-ins", get(failed))
}

/// An event that the filter can be set to.
struct EventChoice {
    name: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "admin_audit.html")]
struct AuditPage {
    frame: PageFrame,
    menu: AdminMenu,
    words: AuditWords,
    events: Vec<EventChoice>,
    rows: Vec<AuditRow>,
    former_names: Vec<String>,
    notes: Vec<String>,
    /// Why the filters cannot be used; empty if they can.
    refused: String,
    /// The address of the page with the older events; empty if there are none.
    older: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AuditPageQuery {
    user: String,
    path: String,
    event: String,
    since: String,
    until: String,
    address: String,
    before: String,
}

/// Returns the address of the page that goes on at a cursor.
fn older(words: &AuditWords, cursor: &AuditCursor) -> String {
    let filters = [
        ("user", &words.user),
        ("path", &words.path),
        ("event", &words.event),
        ("since", &words.since),
        ("until", &words.until),
        ("address", &words.address),
        ("before", &cursor.to_string()),
    ];
    let set = filters.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = set
        .map(|(name, value)| format!("{name}={}", href_name(value.as_bytes())))
        .collect();
    format!("/admin/audit?{}", pairs.join("&"))
}

async fn log(State(app): State<Arc<WebApp>>, reader: AdminReader, query: AskedFor<AuditPageQuery>) -> Page {
    let asked = asked(query)?;
    let cursor: Option<AuditCursor> = asked.before.parse().ok();
    let words = AuditWords {
        user: asked.user,
        path: asked.path,
        event: asked.event,
        since: asked.since,
        until: asked.until,
        address: asked.address,
    };
    let events = EVENT_NAMES.iter().copied().map(|name| EventChoice {
        name,
        is_chosen: words.event == name,
    });
    let mut page = AuditPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/audit"),
        events: events.collect(),
        rows: Vec::new(),
        former_names: Vec::new(),
        notes: Vec::new(),
        refused: String::new(),
        older: String::new(),
        words,
    };
    let (words, order) = (page.words.clone(), AuditOrder::Before(cursor));
    let ask = move |file: PathBuf| audit_search::ask(&words, order, PAGE, &file);
    match reader.0.read_audit_log(&app, ask).await {
        Ok(answer) => {
            let row = |line: &String| {
                let entry = serde_json::from_str::<AuditEntry<'_>>(line).ok()?;
                Some(AuditRow::of(&entry))
            };
            page.rows = answer.lines.iter().filter_map(row).collect();
            page.former_names = answer.former_names;
            page.notes = answer.notes;
            let next = answer.next.filter(|_| answer.has_more);
            page.older = next.map(|next| older(&page.words, &next)).unwrap_or_default();
        }
        // The form stays, so that the filter can be mended.
        Err(error) => page.refused = sentence(&error),
    }
    rendered(&page)
}

/// Returns an error as one sentence.
fn sentence(error: &crate::web::error::WebError) -> String {
    match &error.hint {
        Some(hint) => format!("{} (hint: {hint})", error.sentence),
        None => error.sentence.clone(),
    }
}

/// A row of the list of addresses.
struct FailedRow {
    address: String,
    /// The address in an address of a page.
    encoded: String,
    attempts: u64,
    users: String,
    last: String,
}

impl FailedRow {
    fn of(failed: &FailedAddress) -> Self {
        let address = failed.address.to_string();
        Self {
            encoded: href_name(address.as_bytes()),
            address,
            attempts: failed.attempts,
            users: for_terminal(&failed.users.join(", ")),
            last: for_terminal(&failed.last),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_failed.html")]
struct FailedPage {
    frame: PageFrame,
    menu: AdminMenu,
    rows: Vec<FailedRow>,
    found: usize,
    refused: String,
}

async fn failed(State(app): State<Arc<WebApp>>, reader: AdminReader) -> Page {
    let count = |file: PathBuf| audit_search::failed_sign_ins(&file, Timestamp::now());
    let mut page = FailedPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/failed-sign-ins"),
        rows: Vec::new(),
        found: 0,
        refused: String::new(),
    };
    match reader.0.read_audit_log(&app, count).await {
        Ok(failed) => {
            page.rows = failed.iter().take(MOST_ADDRESSES).map(FailedRow::of).collect();
            page.found = failed.len();
        }
        Err(error) => page.refused = sentence(&error),
    }
    rendered(&page)
}
