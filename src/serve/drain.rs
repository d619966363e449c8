//! The end of a server: sessions without an open file are ended first, transfers may go on for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ssh::service::Service;

/// How often a drain looks for sessions that have finished.
const DRAIN_TICK: Duration = Duration::from_millis(100);
/// How long the last sessions may take to hear why they end, and to end.
pub(super) const LAST_CALL: Duration = Duration::from_secs(5);

/// Waits for a part of the end, which a disk that hangs must not keep from coming.
pub(super) async fn within(limit: Duration, what: &str, part: impl Future<Output = ()>) {
    if tokio::time::timeout(limit, part).await.is_err() {
        tracing::warn!(
            "{what} takes longer than {} s and is given up: a disk seems to hang",
            limit.as_secs()
        );
    }
}

/// Lets transfers go on for as long as `patience`, or until `hurry` is cancelled, then ends every session.
pub(super) async fn drain(
    service: &Service,
    connections: &TaskTracker,
    patience: Duration,
    hurry: CancellationToken,
) {
    let waiting = service.sessions.list().len();
    tracing::info!(
        sessions = waiting,
        secs = patience.as_secs(),
        "stopping; transfers may go on for a while"
    );
    let finished = async {
        loop {
            service.sessions.end("the server is stopping", |session| {
                session.busy_count.load(Ordering::Relaxed) == 0
            });
            if service.sessions.list().is_empty() {
                return;
            }
            tokio::time::sleep(DRAIN_TICK).await;
        }
    };
    let in_peace = tokio::select! {
        () = finished => true,
        () = tokio::time::sleep(patience) => false,
        () = hurry.cancelled() => false,
    };
    if !in_peace {
        let ended = service.sessions.end("the server is stopping", |_| true);
        tracing::warn!(sessions = ended, "ending sessions in the middle of a transfer");
    }
    // Connections that have not signed in end with the runtime.
    if tokio::time::timeout(LAST_CALL, connections.wait()).await.is_err() {
        tracing::debug!(left = connections.len(), "connections are cut");
    }
    // What was refused while the connections ended is logged as well.
    service.refusals.flush_all();
}
