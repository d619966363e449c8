//! `/audit`: the audit log, and the sign-ins that have failed.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::shapes::audit::AuditWords;
use crate::web::admins::WebAdmin;
use crate::web::api::input::parsed_if_any;
use crate::web::app::WebApp;
use crate::web::audit_search::{self, AuditAnswer, AuditOrder};
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::query::{AskedFor, asked};

/// The number of events of an answer, if none is asked for.
const PAGE: usize = 100;
/// The most addresses whose failed sign-ins are listed.
const MOST_LISTED: usize = 200;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/failed-sign-ins", get(failed_sign_ins))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AuditParameters {
    user: String,
    path: String,
    event: String,
    since: String,
    until: String,
    address: String,
    after: Option<String>,
    before: Option<String>,
    /// `asc`, oldest first, or `desc`.
    order: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct AuditJson {
    events: Vec<Box<RawValue>>,
    /// What `after`, or `before`, is for the next answer.
    next: Option<String>,
    more: bool,
    former_names: Vec<String>,
    notes: Vec<String>,
}

impl From<AuditAnswer> for AuditJson {
    fn from(answer: AuditAnswer) -> Self {
        let raw = |line: String| RawValue::from_string(line).ok();
        Self {
            events: answer.lines.into_iter().filter_map(raw).collect(),
            next: answer.next.map(|cursor| cursor.to_string()),
            more: answer.has_more,
            former_names: answer.former_names,
            notes: answer.notes,
        }
    }
}

async fn list(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    query: AskedFor<AuditParameters>,
) -> Result<Response, WebError> {
    let asked = asked(query)?;
    let (after, before) = (
        parsed_if_any(asked.after.as_deref())?,
        parsed_if_any(asked.before.as_deref())?,
    );
    let order = match (after, before, asked.order.as_deref()) {
        (None, before @ Some(_), _) | (None, before @ None, Some("desc")) => AuditOrder::Before(before),
        (after, _, _) => AuditOrder::After(after),
    };
    let words = AuditWords {
        user: asked.user,
        path: asked.path,
        event: asked.event,
        since: asked.since,
        until: asked.until,
        address: asked.address,
    };
    let limit = asked.limit.unwrap_or(PAGE);
    let ask = move |file: PathBuf| audit_search::ask(&words, order, limit, &file);
    let answer = admin.read_audit_log(&app, ask).await?;
    Ok(Versioned::new(AuditJson::from(answer)).into_response())
}

#[derive(Serialize)]
struct FailedAddressJson {
    address: String,
    attempts: u64,
    users: Vec<String>,
    last: String,
}

#[derive(Serialize)]
struct FailedSignInsJson {
    addresses: Vec<FailedAddressJson>,
    /// The number of addresses, of which some may be left out.
    found: usize,
}

async fn failed_sign_ins(State(app): State<Arc<WebApp>>, admin: WebAdmin) -> Result<Response, WebError> {
    let count = |file: PathBuf| audit_search::failed_sign_ins(&file, Timestamp::now());
    let failed = admin.read_audit_log(&app, count).await?;
    let found = failed.len();
    let addresses = failed.into_iter().take(MOST_LISTED);
    Ok(Versioned::new(FailedSignInsJson {
        addresses: addresses
            .map(|failed| FailedAddressJson {
                address: failed.address.to_string(),
                attempts: failed.attempts,
                users: failed.users,
                last: failed.last,
            })
            .collect(),
        found,
    })
    .into_response())
}
