//! `healthz` and `readyz`, for load balancers and monitors, as the address of the metrics has them. They ask for no
//! sign-in, and say nothing that is not for everybody.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;

/// The longest time that the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The turn to ask the store: strangers never have it do more than one thing at once.
static STORE_TURN: Mutex<()> = Mutex::const_new(());

/// The answer of a server that works.
#[derive(Serialize)]
struct HealthStatus {
    status: &'static str,
}

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
}

/// Answers as long as the process serves requests.
async fn healthz() -> Versioned<HealthStatus> {
    Versioned::new(HealthStatus { status: "ok" })
}

/// Answers with an error while nobody could sign in.
async fn readyz(State(app): State<Arc<WebApp>>) -> Result<Versioned<HealthStatus>, WebError> {
    let asking = async {
        let _turn = STORE_TURN.lock().await;
        app.store.has_users().await
    };
    match tokio::time::timeout(STORE_TIMEOUT, asking).await {
        Ok(Ok(_)) => Ok(Versioned::new(HealthStatus { status: "ready" })),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the store cannot be read");
            Err(WebError::new(WebErrorKind::Busy, "the store cannot be read"))
        }
        Err(_) => Err(WebError::new(WebErrorKind::Busy, "the store does not answer")),
    }
}
