//! The end of a server: sessions without an open file are ended first, and transfers may continue for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ssh::service::Service;

/// How often a drain looks for sessions that have finished.
const DRAIN_TICK: Duration = Duration::from_millis(100);
/// How long the last sessions may take to send the reason and to end, and the time limit of other steps of the end.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for one step of the end, but not for ever, since a disk may hang.
pub(super) async fn within(limit: Duration, what: &str, part: impl Future<Output = ()>) {
    if tokio::time::timeout(limit, part).await.is_err() {
        tracing::warn!(
            "{what} takes longer than {} s and is given up: a disk seems to hang",
            limit.as_secs()
        );
    }
}

/// Lets transfers continue for as long as `timeout`, or until `end_now` is cancelled, then ends every session.
pub(super) async fn drain(
    service: &Service,
    connections: &TaskTracker,
    timeout: Duration,
    end_now: CancellationToken,
) {
    let waiting = service.sessions.list().len();
    tracing::info!(
        sessions = waiting,
        secs = timeout.as_secs(),
        "stopping; transfers may continue for a while"
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
    let finished = tokio::select! {
        () = finished => true,
        () = tokio::time::sleep(timeout) => false,
        () = end_now.cancelled() => false,
    };
    if !finished {
        let ended = service.sessions.end("the server is stopping", |_| true);
        tracing::warn!(sessions = ended, "ending sessions in the middle of a transfer");
    }
    // Connections that have not signed in end with the runtime.
    if tokio::time::timeout(STOP_TIMEOUT, connections.wait())
        .await
        .is_err()
    {
        tracing::debug!(left = connections.len(), "connections are cut");
    }
    // Refusals that occurred while the connections ended are logged as well.
    service.refusals.flush_all();
}
