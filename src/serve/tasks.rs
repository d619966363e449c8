//! The sockets and the tasks of a running server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::changes::{self, RecordChanges};
use super::drain::{STOP_TIMEOUT, within};
use super::live::LiveServer;
use super::metrics::{HomeMetrics, MetricsPage, listener};
use super::{disk, memory, near_quota};
use crate::accounts::disk::Disk;
use crate::accounts::settings::QuotaSettings;
use crate::control;
use crate::ssh::accept;
use crate::ssh::service::Service;
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry::metrics::MetricsSettings;

/// The time after which more connections to the store are opened: opening one takes a core for some milliseconds.
const WARM_UP_AFTER: Duration = Duration::from_millis(50);

/// The sockets that a server listens on.
pub(super) struct Listeners {
    /// The sockets for clients.
    pub(super) tcp: Vec<TcpListener>,
    /// The sockets for those who read metrics.
    pub(super) metrics: Vec<TcpListener>,
    /// The socket for commands.
    pub(super) control: UnixListener,
}

/// The tasks of a running server.
pub(super) struct Tasks {
    /// Cancelled when no connection is to be accepted any more.
    stop: CancellationToken,
    /// The connections of clients.
    pub(super) connections: TaskTracker,
    /// Cancelled when the helper tasks are to end.
    pub(super) quit: CancellationToken,
    /// The server's own tasks.
    pub(super) helpers: TaskTracker,
}

impl Tasks {
    /// Creates the list of tasks, which is empty.
    pub(super) fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
            quit: CancellationToken::new(),
            helpers: TaskTracker::new(),
        }
    }

    /// Returns the token that is cancelled when no connection is accepted any more.
    pub(super) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts to accept connections and commands, and the tasks that keep the server in order.
    pub(super) fn start(
        &self,
        sockets: Vec<TcpListener>,
        control: UnixListener,
        live: LiveServer,
        changes: &Arc<RecordChanges>,
    ) {
        let service = changes.service();
        for listener in sockets {
            let accepting = accept::accept(
                listener,
                Arc::clone(service),
                self.stop.clone(),
                self.connections.clone(),
            );
            self.helpers.spawn(accepting);
        }
        let quit = || self.quit.clone();
        self.helpers
            .spawn(control::server::serve(control, Arc::new(live), quit()));
        self.helpers.spawn(changes::watch(Arc::clone(changes), quit()));
        self.helpers
            .spawn(memory::return_free_pages(Arc::clone(service), quit()));
        let (upgrading, ended) = (Arc::clone(service), quit());
        self.helpers
            .spawn(async move { upgrading.auth.upgrade_hashes(ended).await });
        let (service, ended) = (Arc::clone(service), quit());
        self.helpers
            .spawn(async move { service.auth.history().keep(ended).await });
    }

    /// Opens more connections to the store, once the first clients have got their banners.
    pub(super) fn warm_up(&self, store: &Arc<SqlStore>) {
        let (store, quit) = (Arc::clone(store), self.quit.clone());
        self.helpers.spawn(async move {
            tokio::select! {
                () = quit.cancelled() => {}
                () = tokio::time::sleep(WARM_UP_AFTER) => store.warm_up().await,
            }
        });
    }

    /// Starts to serve metrics. They are served until the other tasks end, also while transfers continue.
    pub(super) fn serve_metrics(
        &self,
        sockets: Vec<TcpListener>,
        settings: &MetricsSettings,
        mut page: MetricsPage,
    ) {
        if sockets.is_empty() {
            return;
        }
        if settings.homes {
            let homes = HomeMetrics::new(Arc::clone(&page.service.accounts), Arc::clone(&page.store));
            self.helpers.spawn(Arc::clone(&homes).watch(self.quit.clone()));
            page.homes = Some(homes);
        }
        self.helpers.spawn(page.descriptors().watch(self.quit.clone()));
        let page = Arc::new(page);
        for socket in sockets {
            let serving = listener::serve(
                socket,
                settings.allow.clone(),
                Arc::clone(&page),
                self.quit.clone(),
            );
            self.helpers.spawn(serving);
        }
    }

    /// Watches the disk of the store.
    pub(super) fn watch_disk(&self, store: &Path, disk: Arc<Disk>) {
        self.helpers
            .spawn(disk::watch(store.to_owned(), disk, self.quit.clone()));
    }

    /// Watches the homes and folders for those that fill up.
    pub(super) fn watch_quotas(
        &self,
        service: &Arc<Service>,
        store: &Arc<SqlStore>,
        settings: &QuotaSettings,
    ) {
        let warn_at = settings.warn_at.clone();
        let (service, store) = (Arc::clone(service), Arc::clone(store) as Arc<dyn Store>);
        let watching = near_quota::watch(service, store, warn_at, self.quit.clone());
        self.helpers.spawn(watching);
    }

    /// Stops to accept connections.
    pub(super) fn stop_accepting(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    /// Ends the server's own tasks.
    pub(super) async fn end_helpers(&self) {
        self.quit.cancel();
        self.helpers.close();
        within(STOP_TIMEOUT, "ending the server's own tasks", self.helpers.wait()).await;
    }
}
