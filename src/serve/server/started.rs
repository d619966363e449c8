//! A server that runs, and its end: no connection is accepted any more, sessions without an open file are ended,
//! transfers may continue for `drain_secs`, then (or at a second signal) all other sessions are ended; the audit log is
//! flushed last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::control;
use crate::domain::event::Event;
use crate::hooks::queue::HookQueue;
use crate::ops::lock::DataLock;
use crate::serve::drain::{STOP_TIMEOUT, drain, within};
use crate::serve::manager::Reporter;
use crate::serve::reload::Reloading;
use crate::serve::tasks::Tasks;
use crate::ssh::service::Service;
use crate::store::sql::SqlStore;

/// The most time for flushing the homes and recording their exact use: it must end, with the drain, within the 90 s
/// after which systemd kills the process.
const RECORD_USAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that runs: what its end needs.
pub(super) struct StartedServer {
    /// When the server began to serve.
    pub(super) began: Instant,
    /// The sockets of the web page, which are closed when no connection is accepted any more.
    pub(super) web_sockets: Vec<TcpListener>,
    pub(super) reloading: Arc<Reloading>,
    pub(super) tasks: Tasks,
    pub(super) reporter: Reporter,
    pub(super) service: Arc<Service>,
    pub(super) store: Arc<SqlStore>,
    pub(super) hook_queue: Arc<HookQueue>,
    pub(super) accounts_quit: CancellationToken,
    /// Held to the end, so that no other server uses the data directory.
    pub(super) _lock: DataLock,
}

impl StartedServer {
    /// Ends all sessions and tasks, and records what must be on the disk.
    pub(super) async fn stop(self, end_now: CancellationToken) {
        // The lock is the first, so it is released last.
        let Self {
            _lock,
            began,
            web_sockets,
            reloading,
            tasks,
            reporter,
            service,
            store,
            hook_queue,
            accounts_quit,
        } = self;
        let config = reloading.config();
        reporter.stopping();
        tasks.stop_accepting();
        drop(web_sockets);
        let timeout = Duration::from_secs(config.server.drain_secs);
        drain(&service, &tasks.connections, timeout, end_now).await;
        let stopped = service.threads.stop();
        within(STOP_TIMEOUT, "ending the threads of sessions", stopped).await;
        tasks.end_helpers().await;
        control::server::unbind(&config.control_socket());
        // This comes last, when nothing changes any more: the exact use of every account is recorded.
        accounts_quit.cancel();
        // An account that cannot be recorded keeps its ceiling, and is measured after the next start.
        let written = service.accounts.stopped();
        within(RECORD_USAGE_TIMEOUT, "recording the use of homes", written).await;
        within(STOP_TIMEOUT, "closing the store", store.close()).await;
        let hashed = service.events.uploads().hashed();
        within(STOP_TIMEOUT, "hashing the last uploads", hashed).await;
        service.events.emit(&Event::Stopped {
            duration: began.elapsed(),
        });
        let closed = tokio::task::spawn_blocking(move || hook_queue.close());
        let written = async { drop(closed.await) };
        within(STOP_TIMEOUT, "writing the queue of hooks", written).await;
        reporter.end().await;
        tracing::info!("stopped");
    }
}
