//! The running server, from binding to its end.
//!
//! Order at the start: sockets first (they may need root), then privileges are given up, then everything that
//! touches the disk. At the end: nothing new is accepted, sessions without an open file are ended, transfers
//! may go on for `drain_secs`, then (or when the operator cannot wait) all other sessions are ended; the audit log
//! is written out last.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::changes::{self, RecordChanges};
use super::drain::{LAST_CALL, drain, within};
use super::live::LiveServer;
use super::reload::{Reloading, current};
use super::runtime::slots;
use super::{disk, memory, preflight, privileges};
use crate::accounts::Accounts;
use crate::accounts::disk::{Disk, Disks};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::control;
use crate::io::IoScheduler;
use crate::io::descriptors::Shares;
use crate::mount;
use crate::ops::check::report::Report;
use crate::ops::installation::Installation;
use crate::ops::lock::DataLock;
use crate::ops::{data_dir, homes};
use crate::session::events::Events;
use crate::ssh::accept;
use crate::ssh::hostkeys;
use crate::ssh::service::{Service, ServiceSetup};
use crate::ssh::threads::SessionThreads;
use crate::storage::local::backend::LocalDisks;
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry;
use base::error::{Error, Result};

/// How long the exact use of homes may take to reach their disks: within the 90 s after which systemd kills, drain
/// included.
const WRITING_DOWN: Duration = Duration::from_secs(30);

/// A server that is bound and not yet running.
pub struct Server {
    pub(super) config: Config,
    listeners: Listeners,
    pub(super) store: Arc<SqlStore>,
    pub(super) service: Arc<Service>,
    pub(super) changes: Arc<RecordChanges>,
    reload: telemetry::Reload,
    hurry: CancellationToken,
    accounts_quit: CancellationToken,
    disk: Arc<Disk>,
    _lock: DataLock,
}

/// The sockets that a server listens on.
struct Listeners {
    tcp: Vec<TcpListener>,
    control: UnixListener,
}

/// How a running server is told what to do.
pub struct ServerSignals {
    /// Cancelled: the server drains and ends.
    pub shutdown: CancellationToken,
    /// At each message the configuration is read again.
    pub reload: mpsc::Receiver<()>,
}

impl Server {
    /// Binds the sockets, gives up privileges, locks the data directory, opens the store and the host keys.
    ///
    /// # Errors
    /// Whatever keeps the server from running, with what to do about it.
    pub async fn bind(config: Config) -> Result<Self> {
        let installation = config.installation();
        let mut report = Report::default();
        let tcp = bind_sockets(&config, &installation, &mut report)?;
        preflight::places(&config, &mut report);
        report.proceed()?;
        let lock = DataLock::take(installation.data_dir())?;
        let store = open_store(&config, &installation, &mut report).await?;
        let id = store.id().await?;
        let keys = hostkeys::ensure(&config.server.host_keys, &*store).await?;
        let current = current(&config, keys)?;
        let (audit, reload) = telemetry::open_audit(&config.log)?;
        let control = control::server::bind(&config.control_socket())?;
        let session_threads = Shares::of_process().session_threads();
        let scheduler = IoScheduler::new(slots(), session_threads, Handle::current())
            .map_err(|error| Error::new("cannot start the watchdog of file systems").because(error))?;
        let accounts_quit = CancellationToken::new();
        let accounts = Accounts::start(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(LocalDisks),
            config.quota.clone(),
            accounts_quit.clone(),
        );
        let disks = Disks::default();
        let disk = disks.with_store(device_of(installation.data_dir())?);
        let check = homes::checker(&installation, &id);
        accounts.watch_ownership(Box::new(move |home| check(home.directory())?.owned));
        homes::warn_of_foreign_places(&installation, &id);
        let service = Service::new(ServiceSetup {
            auth: Authenticator::new(Arc::clone(&store) as Arc<dyn Store>, config.auth.clone()),
            events: Events::new(vec![Box::new(audit)]),
            accounts,
            threads: SessionThreads::new(scheduler.thread_slots(), Handle::current()),
            place: mount::MountContext {
                scheduler,
                disks,
                fsync: config.storage.fsync,
                check: homes::checker(&installation, &id),
            },
            banner: config.server.banner.as_deref().map(whole_lines),
            current,
        });
        service.auth.history().recall().await;
        let changes = RecordChanges::new(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&service)).await?;
        Ok(Self {
            config,
            listeners: Listeners { tcp, control },
            store,
            service,
            changes,
            reload,
            hurry: CancellationToken::new(),
            accounts_quit,
            disk,
            _lock: lock,
        })
    }

    /// When this is cancelled during the drain, transfers are not waited for any more.
    #[must_use]
    pub fn hurried_by(self, hurry: CancellationToken) -> Self {
        Self { hurry, ..self }
    }

    /// The addresses that are listened on, with the ports that the kernel chose for 0.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Serves until `signals.shutdown` is cancelled and everybody has left.
    ///
    /// # Errors
    /// None at the moment.
    pub async fn run(self, mut signals: ServerSignals) -> Result<()> {
        let listening = self.local_addrs();
        for address in &listening {
            tracing::info!("listening on {address}");
        }
        let live = LiveServer::new(Arc::clone(&self.changes), listening);
        let tasks = Tasks::start(self.listeners, live, &self.changes);
        tasks.watch_disk(&self.config.store.path, self.disk);
        let reloading = Reloading {
            config: self.config,
            service: Arc::clone(&self.service),
            store: Arc::clone(&self.store),
            log: self.reload,
        };
        loop {
            tokio::select! {
                () = signals.shutdown.cancelled() => break,
                Some(()) = signals.reload.recv() => tokio::select! {
                    // Where what is read lies on a disk that hangs, the server can still be ended.
                    () = signals.shutdown.cancelled() => break,
                    () = reloading.run() => {}
                },
            }
        }
        tasks.stop_accepting();
        let patience = Duration::from_secs(reloading.config.server.drain_secs);
        drain(&self.service, &tasks.connections, patience, self.hurry).await;
        self.service.threads.stop();
        tasks.end_helpers().await;
        control::server::unbind(&reloading.config.control_socket());
        // Last, when nothing changes any more: every account is written down exact.
        self.accounts_quit.cancel();
        // What cannot be written down stays at its ceiling, and is measured after the next start.
        let written = self.service.accounts.stopped();
        within(WRITING_DOWN, "writing down what homes hold", written).await;
        within(LAST_CALL, "closing the store", self.store.close()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The tasks of a running server.
struct Tasks {
    /// Cancelled when nobody is accepted any more.
    stop: CancellationToken,
    connections: TaskTracker,
    /// Cancelled when the helpers are to end.
    quit: CancellationToken,
    helpers: TaskTracker,
}

impl Tasks {
    fn start(listeners: Listeners, live: LiveServer, changes: &Arc<RecordChanges>) -> Self {
        let service = changes.service();
        let tasks = Self {
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
            quit: CancellationToken::new(),
            helpers: TaskTracker::new(),
        };
        for listener in listeners.tcp {
            let accepting = accept::accept(
                listener,
                Arc::clone(service),
                tasks.stop.clone(),
                tasks.connections.clone(),
            );
            tasks.helpers.spawn(accepting);
        }
        let quit = || tasks.quit.clone();
        tasks
            .helpers
            .spawn(control::server::serve(listeners.control, Arc::new(live), quit()));
        tasks.helpers.spawn(changes::watch(Arc::clone(changes), quit()));
        tasks
            .helpers
            .spawn(memory::give_back(Arc::clone(service), quit()));
        let (service, ended) = (Arc::clone(service), quit());
        tasks
            .helpers
            .spawn(async move { service.auth.history().keep(ended).await });
        tasks
    }

    fn watch_disk(&self, store: &Path, disk: Arc<Disk>) {
        self.helpers
            .spawn(disk::watch(store.to_owned(), disk, self.quit.clone()));
    }

    fn stop_accepting(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    async fn end_helpers(&self) {
        self.quit.cancel();
        self.helpers.close();
        within(LAST_CALL, "ending the server's own tasks", self.helpers.wait()).await;
    }
}

/// Opens the listening sockets, then gives up privileges.
fn bind_sockets(
    config: &Config,
    installation: &Installation,
    report: &mut Report,
) -> Result<Vec<TcpListener>> {
    preflight::machine(config, report);
    preflight::ownership(config, report);
    let listeners = preflight::sockets(config, &[], report);
    report.proceed()?;
    let listeners: std::io::Result<_> = listeners.into_iter().map(TcpListener::from_std).collect();
    let listeners =
        listeners.map_err(|error| Error::new("cannot watch the listening sockets").because(error))?;
    data_dir::make_key_dir(installation)?;
    privileges::give_up(config)?;
    Ok(listeners)
}

async fn open_store(
    config: &Config,
    installation: &Installation,
    report: &mut Report,
) -> Result<Arc<SqlStore>> {
    let store = crate::ops::store::open(installation, |warning| tracing::warn!("{warning}")).await?;
    store.stay_open().await?;
    store.look_through().await?;
    if !store.has_users().await? {
        preflight::orphans(config, report);
        report.proceed()?;
    }
    Ok(Arc::new(store))
}

/// The file system of the data directory.
fn device_of(dir: &Path) -> Result<u64> {
    let meta = dir
        .metadata()
        .map_err(|error| Error::new(format!("cannot look at {dir:?}")).because(error))?;
    Ok(std::os::unix::fs::MetadataExt::dev(&meta))
}

/// The banner with a line end: clients print it as it is, and go on behind it.
fn whole_lines(banner: &str) -> String {
    match banner {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\r\n"),
    }
}

#[cfg(test)]
pub(super) mod tests;
