//! What all requests share.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;

use super::account::enrolments::PendingEnrolments;
use super::administration::Administration;
use super::api::uploads::active::ActiveUploads;
use super::connections::WebConnections;
use super::live::WebSessions;
use super::settings::{CurrentWebSettings, WebSettings};
use super::shares::visits::ShareVisits;
use super::sign_in::pending::PendingSignIns;
use super::tls::TlsCurrent;
use crate::ops::installation::Installation;
use crate::ops::running::RunningServer;
use crate::ssh::service::Service;
use crate::store::Store;

/// What all requests share.
pub struct WebApp {
    /// The server's service: users, sessions, events, accounts.
    pub service: Arc<Service>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The running server, as use cases see it.
    pub running: Arc<dyn RunningServer>,
    /// Where everything of the server lies.
    pub installation: Installation,
    /// The settings of `[web]`, which a reload replaces.
    pub settings: Arc<CurrentWebSettings>,
    /// The certificate, which a reload replaces; `None` without TLS.
    pub tls: Option<Arc<TlsCurrent>>,
    /// The sessions that are in use.
    pub sessions: WebSessions,
    /// The sign-ins that wait for a new password.
    pub pending: PendingSignIns,
    /// The visits of shares that were opened by their form.
    pub visits: ShareVisits,
    /// The uploads that requests work on.
    pub uploads: Arc<ActiveUploads>,
    /// The second factors that wait for their first code.
    pub(super) enrolments: PendingEnrolments,
    /// The tasks that a drain waits for.
    pub tasks: TaskTracker,
    /// What the pages of administrators share.
    pub(super) administration: Administration,
    /// The most connections at once.
    pub(super) most_connections: usize,
    pub(super) connections: Arc<WebConnections>,
}

/// The parts of a [`WebApp`] that the caller creates.
pub struct WebSetup {
    /// The server's service.
    pub service: Arc<Service>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The running server.
    pub running: Arc<dyn RunningServer>,
    /// Where everything of the server lies.
    pub installation: Installation,
    /// The settings of `[web]`, which a reload replaces.
    pub settings: Arc<CurrentWebSettings>,
    /// The certificate; `None` without TLS.
    pub tls: Option<Arc<TlsCurrent>>,
    /// The tasks that a drain waits for.
    pub tasks: TaskTracker,
    /// The most connections at once.
    pub most_connections: usize,
}

impl WebApp {
    /// Creates what requests share, without any session.
    pub fn new(setup: WebSetup) -> Arc<Self> {
        let WebSetup {
            service,
            store,
            running,
            installation,
            settings,
            tls,
            tasks,
            most_connections,
        } = setup;
        Arc::new(Self {
            service,
            administration: Administration::new(&installation),
            store,
            running,
            installation,
            settings,
            tls,
            sessions: WebSessions::default(),
            pending: PendingSignIns::default(),
            visits: ShareVisits::default(),
            uploads: Arc::default(),
            enrolments: PendingEnrolments::default(),
            tasks,
            most_connections,
            connections: Arc::default(),
        })
    }

    /// Returns the settings of `[web]`.
    pub fn settings(&self) -> Arc<WebSettings> {
        self.settings.get()
    }

    /// Returns the TLS configuration for the next connection; `None` without TLS.
    pub(super) fn tls_config(&self) -> Option<Arc<ServerConfig>> {
        Some(self.tls.as_ref()?.get())
    }

    /// Whether the address is that of a trusted proxy.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        let settings = self.settings();
        settings
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    }
}
