//! The page of metrics: it is put together from counters in memory, without waiting for anything.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::homes::HomeMetrics;
use super::process::{self, DescriptorCount};
use crate::hooks::queue::HookQueue;
use crate::serve::live::LiveContext;
use crate::serve::places::Places;
use crate::sftp::timings::BOUNDS;
use crate::ssh::service::Service;
use crate::store::Store;
use crate::telemetry::audit::{AuditLog, LossCounter};
use crate::telemetry::metrics::EventCounters;
use crate::telemetry::metrics::exposition::{DurationBuckets, Exposition, MetricKind};

/// The most time that the store may take to show that it answers.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The counters that events change.
pub struct EventSources {
    /// The counters of events.
    pub events: Arc<EventCounters>,
    losses: LossCounter,
}

impl EventSources {
    /// Creates counters for the server that has this audit log.
    pub fn beside(audit: &AuditLog) -> Self {
        Self {
            events: Arc::default(),
            losses: audit.losses(),
        }
    }
}

/// Everything that the metrics are put together from.
pub struct MetricsPage {
    /// The state that all connections share.
    pub service: Arc<Service>,
    /// The store, which a server that is ready can read.
    pub store: Arc<dyn Store>,
    /// The use of homes, if it is wanted.
    pub homes: Option<Arc<HomeMetrics>>,
    sources: EventSources,
    hooks: Arc<HookQueue>,
    places: Arc<Places>,
    descriptors: Arc<DescriptorCount>,
    since: Timestamp,
    stopping: CancellationToken,
    /// Held while the store is asked, so that a store that hangs is asked once, however many want to know.
    store_turn: Mutex<()>,
}

impl MetricsPage {
    /// Creates the page of a server, without the use of homes.
    pub(in crate::serve) fn new(
        service: Arc<Service>,
        store: Arc<dyn Store>,
        sources: EventSources,
        context: &LiveContext,
    ) -> Self {
        Self {
            service,
            store,
            homes: None,
            sources,
            hooks: Arc::clone(&context.hooks),
            places: Arc::clone(&context.places),
            descriptors: Arc::default(),
            since: context.since,
            stopping: context.stopping.clone(),
            store_turn: Mutex::new(()),
        }
    }

    /// Returns the number of open descriptors, which has to be watched.
    pub(in crate::serve) fn descriptors(&self) -> Arc<DescriptorCount> {
        Arc::clone(&self.descriptors)
    }

    /// Returns the metrics as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut page = Exposition::default();
        self.server(&mut page);
        self.requests(&mut page);
        self.storage(&mut page);
        process::write(&mut page, self.descriptors.number(), self.since);
        page.into_text()
    }

    /// Returns why the server is not ready to serve clients, or `None` if it is.
    pub async fn not_ready(&self) -> Option<&'static str> {
        if self.stopping.is_cancelled() {
            return Some("stopping: transfers that have begun may continue");
        }
        let asking = async {
            let _turn = self.store_turn.lock().await;
            self.store.has_users().await
        };
        match tokio::time::timeout(STORE_TIMEOUT, asking).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the store cannot be read");
                Some("the store cannot be read")
            }
            Err(_) => Some("the store does not answer"),
        }
    }

    fn server(&self, page: &mut Exposition) {
        use MetricKind::{Counter, Gauge};
        let service = &self.service;
        page.family(
            "homeport_build_info",
            Gauge,
            "The version of the server; always 1.",
        );
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        page.sample("homeport_build_info", &labels, 1);
        let sessions = service.sessions.number();
        page.single(
            "homeport_sessions",
            Gauge,
            "Sessions of users who have signed in.",
            sessions,
        );
        let unauthenticated = service.admission.unauthenticated();
        let connections = service.admission.connections();
        page.family("homeport_connections", Gauge, "Connections of clients, by state.");
        for (state, count) in [
            ("proxy_header", service.proxies.waiting()),
            ("unauthenticated", unauthenticated),
            ("signed_in", connections.saturating_sub(unauthenticated)),
        ] {
            page.sample("homeport_connections", &[("state", state)], count);
        }
        self.sources.events.write(page);
        let lost = self.sources.losses.total();
        page.single(
            "homeport_audit_lost_total",
            Counter,
            "Events that the audit log has lost.",
            lost,
        );
        let hooks = self.hooks.stats();
        page.single(
            "homeport_hook_failures_total",
            Counter,
            "Attempts to run a hook that have failed, and ends of the helper that runs commands.",
            hooks.failures,
        );
        page.single(
            "homeport_hook_dropped_total",
            Counter,
            "Events that no hook is told, because the queue was full or could not be written.",
            hooks.dropped,
        );
        page.single(
            "homeport_hook_waiting",
            Gauge,
            "Events that wait for a hook, or that a hook is told now.",
            hooks.waiting,
        );
        page.single(
            "homeport_hook_set_aside",
            Gauge,
            "Events that were set aside after all attempts.",
            hooks.set_aside,
        );
    }

    fn requests(&self, page: &mut Exposition) {
        let name = "homeport_bytes_total";
        page.family(
            name,
            MetricKind::Counter,
            "Bytes of files that clients have written (up) and read (down).",
        );
        let bytes = self.service.bytes.total();
        page.sample(name, &[("direction", "up")], bytes.up);
        page.sample(name, &[("direction", "down")], bytes.down);
        let name = "homeport_request_seconds";
        page.family(
            name,
            MetricKind::Histogram,
            "How long SFTP requests take until their reply is ready, by kind.",
        );
        for histogram in self.service.timings.histograms() {
            let buckets = DurationBuckets {
                bounds: &BOUNDS,
                counts: &histogram.counts,
                sum: histogram.sum,
            };
            page.histogram(name, &[("kind", histogram.kind)], buckets);
        }
    }

    fn storage(&self, page: &mut Exposition) {
        use MetricKind::Gauge;
        let name = "homeport_disk_free_bytes";
        page.family(
            name,
            Gauge,
            "Free space where homes and the store lie. A disk that hangs is missing.",
        );
        for place in self.places.space() {
            let path = place.path.to_string_lossy();
            page.sample(name, &[("root", &path)], place.free_bytes);
        }
        let name = "homeport_filesystem_slow";
        page.family(
            name,
            Gauge,
            "Whether a file system with homes answers slowly: 1, or 0.",
        );
        for state in self.service.mount_context.scheduler.file_systems() {
            let device = state.device_name();
            page.sample(name, &[("device", &device)], u8::from(state.is_slow));
        }
        if let Some(homes) = &self.homes {
            page.append(&homes.text());
        }
    }
}
