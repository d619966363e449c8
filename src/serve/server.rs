//! The server, from binding to running. Its end is in [`started`].
//!
//! Order at the start: sockets first (they may need root), then privileges are given up, then everything that uses the
//! disk.

mod sockets;
mod started;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::changes::RecordChanges;
use super::hooks::ServerHooks;
use super::live::{LiveContext, LiveServer};
use super::manager::notifier::Notifier;
use super::manager::{Reporter, ServiceManager};
use super::metrics::{EventSources, MetricsPage};
use super::places::Places;
use super::reload::{ReloadedParts, Reloading, current};
use super::runtime::slots;
use super::tasks::{Listeners, Tasks};
use super::uploads::uploads;
#[cfg(feature = "web")]
use super::web;
use super::web_tls::CurrentWeb;
use super::{disk, key_trust, preflight};
use crate::accounts::disk::{Disk, Disks};
use crate::accounts::{Accounts, QuotaSettings};
use crate::auth::Authenticator;
use crate::auth::secrets_key::SecretsKeyFile;
use crate::config::Config;
use crate::control;
use crate::domain::event::Event;
use crate::domain::quota::DefaultQuota;
use crate::external::{RecordSetup, SourceLoader};
use crate::hooks::helper::StartedHelper;
use crate::io::IoScheduler;
use crate::mount::MountContext;
use crate::ops::check::report::Report;
use crate::ops::homes;
use crate::ops::installation::Installation;
use crate::ops::lock::DataLock;
#[cfg(feature = "web")]
use crate::ops::running::RunningServer;
use crate::session::events::{Events, Subscriber};
use crate::ssh::hostkeys::rotation::HostKeys;
use crate::ssh::proxies::Proxies;
use crate::ssh::service::{Service, ServiceSetup};
use crate::ssh::threads::SessionThreads;
use crate::storage::creation::CreationRules;
use crate::storage::local::backend::LocalDisks;
use crate::storage::local::letter_case::ignores_case;
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry;
use crate::telemetry::audit::AuditLog;
#[cfg(feature = "web")]
use crate::web::app::WebSetup;
use base::error::{Error, Result};
use sockets::{BoundSockets, addresses_of};
use started::StartedServer;

/// A server that is bound and not yet running.
pub struct Server {
    pub(super) config: Config,
    listeners: Listeners,
    web: CurrentWeb,
    pub(super) notifier: Notifier,
    watchdog: Option<Duration>,
    pub(super) store: Arc<SqlStore>,
    pub(super) service: Arc<Service>,
    pub(super) changes: Arc<RecordChanges>,
    reload: telemetry::Reload,
    sources: EventSources,
    end_now: CancellationToken,
    accounts_quit: CancellationToken,
    disk: Arc<Disk>,
    hooks: ServerHooks,
    default_quota: DefaultQuota,
    external: SourceLoader,
    _lock: DataLock,
}

/// The signals that control a running server.
pub struct ServerSignals {
    /// Cancelled to make the server drain and end.
    pub shutdown: CancellationToken,
    /// A message on this channel makes the server read the configuration again.
    pub reload: mpsc::Receiver<()>,
}

impl Server {
    /// Creates a server without a service manager: see [`Server::bind_under`].
    ///
    /// # Errors
    /// Returns an error that says what keeps the server from running, and what to do about it.
    pub async fn bind(config: Config) -> Result<Self> {
        Self::bind_under(ServiceManager::default(), None, config).await
    }

    /// Binds the sockets that the service manager does not hold, gives up privileges, locks the data directory, and
    /// opens the store and the host keys.
    ///
    /// # Errors
    /// Returns an error that says what keeps the server from running, and what to do about it.
    pub async fn bind_under(
        manager: ServiceManager,
        helper: Option<StartedHelper>,
        config: Config,
    ) -> Result<Self> {
        let installation = config.installation();
        let mut report = Report::default();
        let sockets = BoundSockets::open(&config, &installation, manager.sockets, &mut report)?;
        preflight::places(&config, &mut report);
        preflight::creation(&config, &mut report);
        report.proceed()?;
        let lock = DataLock::take(installation.data_dir())?;
        let default_quota = DefaultQuota::from(installation.default_quota);
        let store = open_store(&config, &installation, &default_quota, &mut report).await?;
        let id = store.id().await?;
        let keys = HostKeys::ensure(&config.server.host_keys, &*store).await?;
        let current = current(&config, &config.auth, keys)?;
        let auth = authenticator(&config, &installation, &store);
        auth.keys().set_trust(key_trust::load(&config.auth).await?);
        let web = CurrentWeb::open(&config.web).await?;
        let (audit, reload) = telemetry::open_audit(&config.log)?;
        let hooks = ServerHooks::open(&config, helper)?;
        let sources = EventSources::beside(&audit);
        let subscribers = subscribers(audit, &sources, &hooks);
        let events = Events::new(subscribers).with_uploads(uploads(&config)?);
        let external = source_loader(&installation, &store, &events, &hooks);
        auth.set_external(external.load(&config.auth.external)?);
        let control = control::server::bind(&config.control_socket())?;
        let shares = config.descriptor_shares();
        let scheduler = IoScheduler::new(slots(), shares.session_threads(), Handle::current())
            .map_err(|error| Error::new("cannot start the watchdog of file systems").because(error))?;
        let accounts_quit = CancellationToken::new();
        let accounts = start_accounts(&config.quota, &store, accounts_quit.clone());
        let disks = Disks::default();
        let disk = disks.with_store(disk::device_of(installation.data_dir())?);
        let check = homes::checker(&installation, &id);
        accounts.watch_ownership(Box::new(move |home| check(home.directory())?.owned));
        homes::warn_of_foreign_places(&installation, &id);
        let service = Service::new(ServiceSetup {
            auth,
            events,
            accounts,
            files: shares.users,
            threads: SessionThreads::new(scheduler.thread_slots(), Handle::current()),
            mount_context: MountContext {
                scheduler,
                disks,
                fsync: config.storage.fsync,
                creation: CreationRules::of(&config.storage)?,
                case_probe: ignores_case,
                check: homes::checker(&installation, &id),
            },
            banner: config.server.banner.as_deref().map(whole_lines),
            proxies: Proxies::new(config.server.proxy_from.clone(), shares.proxy_headers),
            current,
        });
        service.auth.history().recall().await;
        service.auth.cover_hashes(-1).await?;
        let changes = RecordChanges::new(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&service)).await?;
        Ok(Self {
            config,
            listeners: sockets.with_control(control),
            web,
            notifier: manager.notifier,
            watchdog: manager.watchdog,
            store,
            service,
            changes,
            reload,
            sources,
            end_now: CancellationToken::new(),
            accounts_quit,
            disk,
            hooks,
            default_quota,
            external,
            _lock: lock,
        })
    }

    /// Sets a token that ends the wait for transfers when it is cancelled during the drain.
    #[must_use]
    pub fn with_end_now(self, end_now: CancellationToken) -> Self {
        Self { end_now, ..self }
    }

    /// Returns the addresses that are listened on, with the ports that the kernel chose for port 0.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        addresses_of(&self.listeners.tcp)
    }

    /// Returns the addresses on which the web page is served, with the ports that the kernel chose for port 0.
    pub fn web_addrs(&self) -> Vec<SocketAddr> {
        addresses_of(&self.listeners.web)
    }

    /// Serves until `signals.shutdown` is cancelled and all sessions have ended.
    ///
    /// # Errors
    /// Returns an error if the helper of hooks cannot be watched.
    pub async fn run(self, mut signals: ServerSignals) -> Result<()> {
        let end_now = self.end_now.clone();
        let server = self.start()?;
        loop {
            tokio::select! {
                () = signals.shutdown.cancelled() => break,
                Some(()) = signals.reload.recv() => tokio::select! {
                    // The server can be stopped even if a reload reads from a disk that hangs.
                    () = signals.shutdown.cancelled() => break,
                    // The outcome is in the log.
                    _ = server.reloading.run() => {}
                },
            }
        }
        server.stop(end_now).await;
        Ok(())
    }

    /// Says in the logs that the server begins, and returns the addresses of SSH.
    fn announce(&self) -> Vec<SocketAddr> {
        let listening = self.local_addrs();
        for address in &listening {
            tracing::info!("listening on {address}");
        }
        self.service.events.emit(&Event::Started {
            version: env!("CARGO_PKG_VERSION"),
            listening: listening.clone(),
        });
        listening
    }

    /// Starts all tasks.
    fn start(self) -> Result<StartedServer> {
        let began = Instant::now();
        let listening = self.announce();
        let reloading = Arc::new(Reloading::new(
            self.config,
            Arc::clone(&self.service),
            Arc::clone(&self.store),
            ReloadedParts {
                log: self.reload,
                hooks: self.hooks.current.clone(),
                default_quota: self.default_quota,
                changes: Arc::clone(&self.changes),
                external: self.external,
                web: self.web.clone(),
            },
            self.notifier.clone(),
        ));
        let config = reloading.config();
        let others = sockets::announce_others(&self.listeners, config.web.scheme());
        let tasks = Tasks::new();
        let context = LiveContext {
            listening: [listening, others].concat(),
            since: Timestamp::now(),
            places: Places::of(config),
            stopping: tasks.stopping(),
            hooks: Arc::clone(&self.hooks.queue),
        };
        context.places.watch(&tasks.helpers, &tasks.quit);
        let page = MetricsPage::new(
            Arc::clone(&self.service),
            Arc::clone(&self.store) as Arc<dyn Store>,
            self.sources,
            &context,
        );
        tasks.serve_metrics(self.listeners.metrics, &config.metrics, page);
        let live = LiveServer::new(Arc::clone(&self.changes), Arc::clone(&reloading), context);
        let live = Arc::new(live);
        #[cfg(feature = "web")]
        web::start(
            &tasks,
            self.listeners.web,
            WebSetup {
                service: Arc::clone(&self.service),
                store: Arc::clone(&self.store) as Arc<dyn Store>,
                running: Arc::clone(&live) as Arc<dyn RunningServer>,
                installation: config.installation(),
                settings: self.web.settings,
                tls: self.web.tls,
                tasks: tasks.connections.clone(),
                most_connections: config.descriptor_shares().web,
            },
        );
        tasks.start(self.listeners.tcp, self.listeners.control, live, &self.changes);
        tasks.warm_up(&self.store);
        tasks.watch_disk(&config.store.path, self.disk);
        tasks.watch_quotas(&self.service, &self.store, &config.quota);
        let hook_queue = Arc::clone(&self.hooks.queue);
        let hooks = self.hooks.run(&self.service, &self.store, tasks.quit.clone());
        tasks.helpers.spawn(hooks);
        let reporter = Reporter::start(self.notifier, self.watchdog, Arc::clone(&self.service));
        Ok(StartedServer {
            began,
            reloading,
            tasks,
            reporter,
            service: self.service,
            store: self.store,
            hook_queue,
            accounts_quit: self.accounts_quit,
            _lock: self._lock,
        })
    }
}

/// Starts the accounts of homes, which the store has.
fn start_accounts(settings: &QuotaSettings, store: &Arc<SqlStore>, quit: CancellationToken) -> Arc<Accounts> {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Accounts::start(store, Arc::new(LocalDisks), settings.clone(), quit)
}

/// Returns the subscribers of events: the audit log, the metrics and the hooks.
fn subscribers(audit: AuditLog, sources: &EventSources, hooks: &ServerHooks) -> Vec<Box<dyn Subscriber>> {
    let hooks = hooks.subscriber(audit.run());
    vec![
        Box::new(audit),
        Box::new(Arc::clone(&sources.events)),
        Box::new(hooks),
    ]
}

/// Creates the authenticator of the users of this store.
fn authenticator(config: &Config, installation: &Installation, store: &Arc<SqlStore>) -> Authenticator {
    Authenticator::new(Arc::clone(store) as Arc<dyn Store>, config.auth.clone())
        .with_secrets_key(SecretsKeyFile::in_directory(installation.data_dir()))
}

/// Returns what makes the outside source of users.
fn source_loader(
    installation: &Installation,
    store: &Arc<SqlStore>,
    events: &Events,
    hooks: &ServerHooks,
) -> SourceLoader {
    SourceLoader {
        setup: RecordSetup {
            store: Arc::clone(store) as Arc<dyn Store>,
            installation: installation.clone(),
            events: events.clone(),
        },
        helper: hooks.helper.clone(),
    }
}

async fn open_store(
    config: &Config,
    installation: &Installation,
    default_quota: &DefaultQuota,
    report: &mut Report,
) -> Result<Arc<SqlStore>> {
    let store = crate::ops::store::open(installation, |warning| tracing::warn!("{warning}")).await?;
    store.check_rest().await?;
    if !store.has_users().await? {
        preflight::orphans(config, report);
        report.proceed()?;
    }
    Ok(Arc::new(store.with_default_quota(default_quota.clone())))
}

/// Returns the banner with a line end, since clients print it as it is, and continue on the same line.
fn whole_lines(banner: &str) -> String {
    match banner {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\r\n"),
    }
}

#[cfg(test)]
pub(super) mod tests;
