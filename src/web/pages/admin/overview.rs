//! `/admin`, `/admin/sessions` and `/admin/graphs`: what the server does now, and what it did.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;

use super::frame::{AdminMenu, Page, frame_of, size_or, time};
use crate::ops::running::{PlaceSpace, SessionView};
use crate::web::admins::AdminReader;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::graphs::{self, GraphKind, GraphPeriod};
use crate::web::pages::frame::PageFrame;
use crate::web::pages::rendering::rendered;
use crate::web::query::{AskedFor, asked};
use crate::web::session_page::{self, SessionPage};
use crate::web::url_path::href_name;
use base::size::Size;
use base::visible::for_terminal;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/admin", get(overview))
        .route("/admin/sessions", get(sessions))
        .route("/admin/graphs", get(graph_page))
}

/// A graph with its heading.
struct GraphSection {
    title: &'static str,
    /// The value at the top.
    top: String,
    svg: String,
    begin: String,
}

fn graph_sections(app: &WebApp, period: GraphPeriod) -> Vec<GraphSection> {
    let points = app.administration.graphs.points(period);
    let begin = time(graphs::begin_of(period, Timestamp::now()));
    let section = |kind: GraphKind| GraphSection {
        title: kind.title(),
        top: graphs::top_of(kind, &points),
        svg: graphs::draw(kind, &points, period),
        begin: begin.clone(),
    };
    GraphKind::ALL.into_iter().map(section).collect()
}

/// A place where homes or the store lie.
struct PlaceRow {
    path: String,
    free: String,
    total: String,
    /// The used part in thousandths.
    used: u64,
}

#[derive(Template)]
#[template(path = "admin_overview.html")]
struct OverviewPage {
    frame: PageFrame,
    menu: AdminMenu,
    version: String,
    since: String,
    is_stopping: bool,
    sessions: usize,
    unauthenticated: usize,
    up: String,
    down: String,
    sent: String,
    received: String,
    places: Vec<PlaceRow>,
    problems: Vec<String>,
    graphs: Vec<GraphSection>,
}

async fn overview(State(app): State<Arc<WebApp>>, reader: AdminReader) -> Page {
    let status = app.running.status().await?;
    let problems = app.running.problems().await?;
    let now = app
        .administration
        .graphs
        .points(GraphPeriod::Hour)
        .last()
        .copied();
    let now = now.unwrap_or_default();
    let place = |place: &PlaceSpace| {
        let used = place.total_bytes.saturating_sub(place.free_bytes);
        let thousandths = u128::from(used) * 1000 / u128::from(place.total_bytes.max(1));
        PlaceRow {
            path: for_terminal(&place.path.display().to_string()),
            free: Size(place.free_bytes).to_string(),
            total: Size(place.total_bytes).to_string(),
            used: u64::try_from(thousandths).unwrap_or(1000),
        }
    };
    rendered(&OverviewPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin"),
        since: time(status.since),
        is_stopping: status.is_stopping,
        sessions: status.sessions,
        unauthenticated: status.unauthenticated,
        up: format!("{}/s", Size(now.up)),
        down: format!("{}/s", Size(now.down)),
        sent: Size(status.bytes_down).to_string(),
        received: Size(status.bytes_up).to_string(),
        places: status.places.iter().map(place).collect(),
        problems,
        graphs: graph_sections(&app, GraphPeriod::Hour),
        version: status.version,
    })
}

/// A row of the list of sessions.
struct ListedSession {
    id: u64,
    user: String,
    /// The name in an address.
    encoded: String,
    address: String,
    client: String,
    protocol: &'static str,
    since: String,
    received: String,
    sent: String,
    /// What is done with the busiest file; empty if nothing is.
    file: String,
    /// How far that is in thousandths, if it is known.
    progress: Option<u64>,
    /// The number of other files.
    more_files: usize,
}

impl ListedSession {
    fn of(view: &SessionView) -> Self {
        let busiest = view.work.first();
        let file = busiest.map(|work| format!("{} {}", work.kind, for_terminal(&work.path)));
        let progress = busiest.and_then(|work| {
            let size = work.size.filter(|size| *size > 0)?;
            let part = u128::from(work.position.min(size)) * 1000 / u128::from(size);
            u64::try_from(part).ok()
        });
        Self {
            id: view.id,
            user: view.user.to_string(),
            encoded: href_name(view.user.as_str().as_bytes()),
            address: view.peer.to_string(),
            client: for_terminal(&view.client),
            protocol: view.protocol.name(),
            since: time(view.since),
            received: size_or(view.bytes_in, "-"),
            sent: size_or(view.bytes_out, "-"),
            file: file.unwrap_or_default(),
            progress,
            more_files: view.open_files.saturating_sub(1),
        }
    }
}

#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct SessionsPage {
    frame: PageFrame,
    menu: AdminMenu,
    sessions: Vec<ListedSession>,
    after: u64,
    next: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SessionsPageQuery {
    after: u64,
}

async fn sessions(
    State(app): State<Arc<WebApp>>,
    reader: AdminReader,
    query: AskedFor<SessionsPageQuery>,
) -> Page {
    let after = asked(query)?.after;
    let SessionPage { sessions, next } = session_page::page(&app, after).await?;
    rendered(&SessionsPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/sessions"),
        sessions: sessions.iter().map(ListedSession::of).collect(),
        after,
        next,
    })
}

/// A link to the graphs of a period.
struct PeriodLink {
    name: &'static str,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "admin_graphs.html")]
struct GraphsPage {
    frame: PageFrame,
    menu: AdminMenu,
    periods: Vec<PeriodLink>,
    graphs: Vec<GraphSection>,
    has_points: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct GraphsQuery {
    period: String,
}

async fn graph_page(
    State(app): State<Arc<WebApp>>,
    reader: AdminReader,
    query: AskedFor<GraphsQuery>,
) -> Page {
    let name = asked(query)?.period;
    let period = match name.as_str() {
        "" => GraphPeriod::Hour,
        name => name.parse::<GraphPeriod>().map_err(|()| {
            WebError::new(
                WebErrorKind::NotFound,
                "there are graphs of an hour, a day and a week",
            )
        })?,
    };
    let link = |one: GraphPeriod| PeriodLink {
        name: one.name(),
        is_current: one == period,
    };
    rendered(&GraphsPage {
        frame: frame_of(&app, &reader).await?,
        menu: AdminMenu::new(&reader, "/admin/graphs"),
        periods: GraphPeriod::ALL.into_iter().map(link).collect(),
        graphs: graph_sections(&app, period),
        has_points: !app.administration.graphs.points(period).is_empty(),
    })
}
