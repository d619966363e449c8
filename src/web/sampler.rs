//! Looks at the server's counters, for the graphs of administrators.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::app::WebApp;

/// The time between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// The longest time that a sample is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// Looks at the server's counters until it stops.
pub async fn sample(app: Arc<WebApp>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Ok(Ok(status)) = tokio::time::timeout(LONGEST, app.running.status()).await {
            app.administration.graphs.add(&status, Instant::now());
        }
    }
}
