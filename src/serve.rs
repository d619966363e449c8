//! The composition root: binds, opens, runs, reloads and drains. A test boots the real server with [`Server::bind`].
//!
//! Order at the start: sockets first (they may need root), then privileges are given up, then everything that
//! touches the disk. At the end: nothing new is accepted, sessions without an open file are told to go, transfers
//! may go on for `drain_secs`, then (or when the operator cannot wait) all that is left is told to go; the audit log
//! is written out last.

mod changes;
mod control;
mod disk;
mod kernel;
pub mod listen;
pub mod lock;
mod memory;
pub mod preflight;
mod privileges;
mod runtime;
pub mod sandbox;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::accounts::disk::{Disk, Disks};
use crate::admin::{owner, store};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::control as control_socket;
use crate::domain::event::Events;
use crate::homes;
use crate::io::IoScheduler;
use crate::io::descriptors::Shares;
use crate::mount;
use crate::ssh::algorithms;
use crate::ssh::service::{Current, Parts, Service};
use crate::ssh::{connection, hostkeys};
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry;
use base::error::{Error, Result};
use changes::Changes;
pub use runtime::runtime;
use runtime::slots;

/// What a reload reads may lie on a disk that hangs: by then it is given up.
const RELOAD: Duration = Duration::from_secs(30);
/// How often a drain looks for sessions that have finished.
const DRAIN_TICK: Duration = Duration::from_millis(100);
/// For the last sessions to be told why, and to end.
const LAST_CALL: Duration = Duration::from_secs(5);

/// For the exact use of homes to reach their disks: within the 90 s after which systemd kills, drain included.
const WRITING_DOWN: Duration = Duration::from_secs(30);

/// A server that is bound and not yet running.
pub struct Server {
    config: Config,
    listeners: Vec<TcpListener>,
    control: tokio::net::UnixListener,
    store: Arc<SqlStore>,
    service: Arc<Service>,
    changes: Arc<Changes>,
    reload: telemetry::Reload,
    hurry: CancellationToken,
    accounts_quit: CancellationToken,
    disk: Arc<Disk>,
    _lock: lock::DataLock,
}

/// How a running server is spoken to.
pub struct Signals {
    /// Cancelled: drain and end.
    pub shutdown: CancellationToken,
    /// Each message: read the configuration again.
    pub reload: mpsc::Receiver<()>,
}

impl Server {
    /// Binds the sockets, gives up privileges, locks the data directory, opens the store and the host keys.
    ///
    /// # Errors
    /// Whatever keeps the server from running, with what to do about it.
    pub async fn bind(config: Config) -> Result<Self> {
        let mut report = preflight::Report::default();
        preflight::machine(&config, &mut report);
        preflight::ownership(&config, &mut report);
        let listeners = preflight::sockets(&config, &[], &mut report);
        report.proceed()?;
        let listeners = into_tokio(listeners)?;
        owner::make_key_dir(&config)?;
        privileges::give_up(&config)?;
        preflight::places(&config, &mut report);
        report.proceed()?;
        let lock = lock::DataLock::take(config.data_dir())?;
        let store = Arc::new(store::open(&config).await?);
        store.stay_open().await?;
        let id = store.id().await?;
        store.look_through().await?;
        if !store.has_users().await? {
            preflight::orphans(&config, &mut report);
            report.proceed()?;
        }
        let keys = hostkeys::ensure(&config.server.host_keys, &*store).await?;
        let current = current(&config, keys)?;
        let (audit, reload) = telemetry::open_audit(&config.log)?;
        let control = control_socket::bind(&config.control_socket())?;
        let scheduler = IoScheduler::new(slots(), Handle::current())
            .map_err(|error| Error::new("cannot start the watchdog of file systems").because(error))?;
        let accounts_quit = CancellationToken::new();
        let accounts = Accounts::start(
            Arc::clone(&store) as Arc<dyn Store>,
            config.quota.clone(),
            accounts_quit.clone(),
        );
        let disks = Disks::default();
        let disk = disks.with_store(device_of(config.data_dir())?);
        let looks = homes::checker(&config, &id);
        accounts.watch_ownership(Box::new(move |home| looks(home)?.owned));
        homes::warn_of_strangers(&config, &id);
        let service = Service::new(Parts {
            auth: Authenticator::new(Arc::clone(&store) as Arc<dyn Store>, config.auth.clone()),
            events: Events::new(vec![Box::new(audit)]),
            accounts,
            place: mount::Place {
                scheduler,
                disks,
                fsync: config.storage.fsync,
                check: homes::checker(&config, &id),
            },
            banner: config.server.banner.as_deref().map(whole_lines),
            current,
        });
        service.auth.recall_sign_ins().await;
        let changes = Changes::new(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&service)).await?;
        Ok(Self {
            config,
            listeners,
            control,
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
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Serves until `signals.shutdown` is cancelled and everybody has left.
    pub async fn run(self, mut signals: Signals) -> Result<()> {
        let listening = self.local_addrs();
        for address in &listening {
            tracing::info!("listening on {address}");
        }
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let helpers = TaskTracker::new();
        for listener in self.listeners {
            let accepting = connection::accept(
                listener,
                Arc::clone(&self.service),
                stop.clone(),
                connections.clone(),
            );
            helpers.spawn(accepting);
        }
        let handler = Arc::new(control::Control::new(Arc::clone(&self.changes), listening));
        let quit = CancellationToken::new();
        helpers.spawn(control_socket::serve(self.control, handler, quit.clone()));
        helpers.spawn(changes::watch(self.changes, quit.clone()));

        let store = self.config.store.path.clone();
        helpers.spawn(disk::watch(store, self.disk, quit.clone()));
        helpers.spawn(memory::give_back(Arc::clone(&self.service), quit.clone()));
        let (service, ended) = (Arc::clone(&self.service), quit.clone());
        helpers.spawn(async move { service.auth.keep_sign_ins(ended).await });

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
        stop.cancel();
        connections.close();
        let patience = Duration::from_secs(reloading.config.server.drain_secs);
        drain(&self.service, &connections, patience, self.hurry).await;
        quit.cancel();
        helpers.close();
        within(LAST_CALL, "ending the server's own tasks", helpers.wait()).await;
        control_socket::unbind(&reloading.config.control_socket());
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

fn current(config: &Config, keys: Vec<PrivateKey>) -> Result<Current> {
    let (limits, cut) = config.limits.fitted(&Shares::of_process());
    if let Some(cut) = cut {
        tracing::warn!("{cut}");
    }
    Ok(Current {
        limits,
        russh: algorithms::russh_config(&config.ssh, &config.auth, keys)?,
    })
}

fn into_tokio(listeners: Vec<std::net::TcpListener>) -> Result<Vec<TcpListener>> {
    let listeners: std::io::Result<_> = listeners.into_iter().map(TcpListener::from_std).collect();
    listeners.map_err(|error| Error::new("cannot watch the listening sockets").because(error))
}

/// The file system of the data directory.
fn device_of(dir: &std::path::Path) -> Result<u64> {
    let meta = dir
        .metadata()
        .map_err(|error| Error::new(format!("cannot look at {dir:?}")).because(error))?;
    Ok(std::os::unix::fs::MetadataExt::dev(&meta))
}

/// What a reload needs and changes.
struct Reloading {
    /// As it was at the start, which stands where a reload changes nothing.
    config: Config,
    service: Arc<Service>,
    store: Arc<SqlStore>,
    log: telemetry::Reload,
}

impl Reloading {
    /// Reads the configuration again. What is broken changes nothing.
    async fn run(&self) {
        let read = tokio::time::timeout(RELOAD, self.try_run());
        let read = read.await.unwrap_or_else(|_| {
            Err(Error::new("cannot read the configuration and what it names")
                .because(format!("it took longer than {} s", RELOAD.as_secs()))
                .hint("is the disk that they lie on hanging?"))
        });
        match read {
            Ok(waiting) if waiting.is_empty() => {
                tracing::info!("the configuration was read again; new connections use it");
            }
            Ok(waiting) => tracing::warn!(
                "the configuration was read again; new connections use it, but what has changed in {} waits for a restart",
                waiting.join(", ")
            ),
            Err(error) => tracing::error!("the configuration was not changed: {error}"),
        }
    }

    /// Returns sections with changes that only a restart puts in force.
    async fn try_run(&self) -> Result<Vec<&'static str>> {
        let file = self.config.file.clone();
        let fresh = off_the_loop(move || Config::load(&file)).await?;
        let recorded = self.store.host_keys().await?;
        let directory = fresh.server.host_keys.clone();
        // A key that has become another is no more accepted now than it would be at a start.
        off_the_loop(move || hostkeys::verify(&directory, &hostkeys::load(&directory)?, &recorded)).await?;
        let (log, settings) = (self.log.clone(), fresh.log.clone());
        off_the_loop(move || log.apply(&settings)).await?;
        let (directory, store) = (fresh.server.host_keys.clone(), Arc::clone(&self.store));
        let keys =
            off_the_loop(move || Handle::current().block_on(hostkeys::ensure(&directory, &*store))).await?;
        self.service.replace(current(&fresh, keys)?);
        Ok(self.config.waiting_for_restart(&fresh))
    }
}

/// Reads files where no session waits for it.
async fn off_the_loop<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Error::new("cannot read the configuration").because(error))?
}

/// Clients print a banner as it is, and go on behind it.
fn whole_lines(banner: &str) -> String {
    match banner {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\r\n"),
    }
}

/// Waits for a part of the end, which a disk that hangs must not keep from coming.
async fn within(limit: Duration, what: &str, part: impl Future<Output = ()>) {
    if tokio::time::timeout(limit, part).await.is_err() {
        tracing::warn!(
            "{what} takes longer than {} s and is given up: a disk seems to hang",
            limit.as_secs()
        );
    }
}

async fn drain(service: &Service, connections: &TaskTracker, patience: Duration, hurry: CancellationToken) {
    let waiting = service.sessions.list().len();
    tracing::info!(
        sessions = waiting,
        secs = patience.as_secs(),
        "stopping; transfers may go on for a while"
    );
    let finished = async {
        loop {
            service.sessions.end("the server is stopping", |session| {
                session.open_files.load(Ordering::Relaxed) == 0
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
    // What was refused while the connections ended is told as well.
    service.refusals.flush_all();
}

#[cfg(test)]
mod tests;
