//! The state that all connections of a server share. [`crate::serve`] creates it.

use parking_lot::RwLock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::accounts::Accounts;
use crate::accounts::id::{AccountId, AccountSpec};
use crate::auth::{Authenticator, FairSemaphore};
use crate::mount::{self, FolderMounters, Mounted, Refused};
use crate::session::budget::ServerBudget;
use crate::session::byte_counters::ByteCounters;
use crate::session::events::Events;
use crate::session::{Activity, EndReport, Session, SessionContext, Sessions};
use crate::sftp::longname::OwnIds;
use crate::sftp::timings::RequestTimings;
use base::error::Error;

use super::admission::Admission;
use super::announcement::AnnouncedKeys;
use super::limits::Limits;
use super::mount_slots::MountSlots;
use super::proxies::Proxies;
use super::refusals::Refusals;
use super::threads::SessionThreads;

/// The most time that opening a home may take. A home that takes longer is on a disk that hangs.
pub(super) const MOUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// The state that all connections of a server share.
pub struct Service {
    /// Decides who may sign in.
    pub auth: Authenticator,
    /// The registry of the sessions.
    pub sessions: Arc<Sessions>,
    /// Limits how many peers may connect, and delays or refuses the others.
    pub admission: Arc<Admission>,
    /// The proxies whose connections name their clients.
    pub proxies: Proxies,
    /// Counts and reports the connections that were refused.
    pub refusals: Refusals,
    /// The emitter of all events.
    pub events: Events,
    /// The bytes that all sessions have transferred.
    pub bytes: Arc<ByteCounters>,
    /// How long the requests of all sessions have taken.
    pub timings: Arc<RequestTimings>,
    /// The quota accounts of the homes.
    pub accounts: Arc<Accounts>,
    /// What is needed for mounting homes, and the same for all of them.
    pub mount_context: mount::MountContext,
    /// The user and group that the server runs as.
    pub own_ids: OwnIds,
    /// The text that clients are shown before the sign-in.
    pub banner: Option<String>,
    /// The settings that a reload replaces.
    pub current: RwLock<Arc<Current>>,
    /// Notified whenever a connection has ended.
    pub left: Notify,
    /// The number of connections that ended without having sent a byte, which are mostly health checks.
    silent: AtomicU64,
    /// The threads that serve the connections with much traffic.
    pub threads: SessionThreads,
    /// Limits how many expensive key exchanges are computed at once, fairly among addresses.
    pub exchanges: FairSemaphore,
    pub(super) mount_slots: MountSlots,
}

/// The settings that a reload replaces, for the connections that follow it.
pub struct Current {
    /// The limits on what peers may have at once.
    pub limits: Limits,
    /// The SSH library's configuration: algorithms and host keys.
    pub russh: Arc<russh::server::Config>,
    /// The host keys that clients are told of.
    pub announced: Arc<AnnouncedKeys>,
}

/// The parts of a [`Service`] that the caller creates.
pub struct ServiceSetup {
    /// Decides who may sign in.
    pub auth: Authenticator,
    /// The emitter of all events.
    pub events: Events,
    /// The quota accounts of the homes.
    pub accounts: Arc<Accounts>,
    /// What is needed for mounting homes, and the same for all of them.
    pub mount_context: mount::MountContext,
    /// The threads that serve the connections with much traffic.
    pub threads: SessionThreads,
    /// The most files that all users together may have open.
    pub files: usize,
    /// The text that clients are shown before the sign-in.
    pub banner: Option<String>,
    /// The proxies whose connections name their clients.
    pub proxies: Proxies,
    /// The settings that a reload replaces.
    pub current: Current,
}

impl Service {
    /// Creates the service of a server without connections.
    pub fn new(setup: ServiceSetup) -> Arc<Self> {
        let ServiceSetup {
            auth,
            events,
            accounts,
            mount_context,
            threads,
            files,
            banner,
            proxies,
            current,
        } = setup;
        Arc::new(Self {
            auth,
            sessions: Arc::new(Sessions::new(ServerBudget::of_files(files))),
            admission: Admission::new(),
            proxies,
            refusals: Refusals::new(events.clone()),
            events,
            bytes: Arc::default(),
            timings: Arc::default(),
            accounts,
            own_ids: OwnIds {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                file_group: mount_context.creation.group,
            },
            mount_context,
            threads,
            banner,
            current: RwLock::new(Arc::new(current)),
            left: Notify::new(),
            silent: AtomicU64::new(0),
            exchanges: FairSemaphore::default(),
            mount_slots: MountSlots::default(),
        })
    }

    /// Returns the settings for new connections.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read())
    }

    /// Replaces the settings for the connections that follow. Rates also hold for the sessions that exist.
    pub fn replace(&self, current: Current) {
        let rates = current.limits.rates();
        *self.current.write() = Arc::new(current);
        self.sessions.set_rates(rates);
    }

    /// Counts a connection that ended without having sent a byte of its own: a health check of a load balancer or
    /// monitor. It is logged at debug level only.
    pub(super) fn count_silent(&self, peer: SocketAddr) {
        let so_far = self.silent.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(%peer, so_far, "a connection ended without having sent anything");
    }

    /// Opens the home of a session, with these folders in it, on a thread of the blocking pool.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened in time, or if the session has been ended.
    pub(super) async fn mount(
        self: &Arc<Self>,
        session: &Session,
        folders: FolderMounters,
    ) -> std::result::Result<Mounted, Refused> {
        let login = &session.login;
        let opening = async {
            let account = self
                .accounts
                .account(&AccountSpec::of_home(login.home(), login.quota()))
                .await?;
            let entry = self.mount_slots.enter(login.home()).await;
            let service = Arc::clone(self);
            let (login, gate) = (login.clone(), Arc::clone(&session.gate));
            let opening = tokio::task::spawn_blocking(move || {
                let mounted = mount::mount(&login, account, &gate, &service.mount_context, folders);
                drop(entry);
                mounted
            });
            opening
                .await
                .map_err(|panic| Error::new("cannot open the home").because(panic))?
        };
        match tokio::time::timeout(MOUNT_TIMEOUT, opening).await {
            Ok(Ok(mounted)) => {
                if mounted.made {
                    self.accounts.home_made(&AccountId::of_home(login.home()));
                }
                Ok(mounted)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(
                Error::new(format!("opening the home took longer than {MOUNT_TIMEOUT:?}"))
                    .hint("the disk that it lies on seems to hang")
                    .into(),
            ),
        }
    }

    /// Returns what a channel of this session, or a request, knows of it.
    pub fn context_of(&self, end_report: &Arc<EndReport>, activity: Activity) -> SessionContext {
        let session = end_report.session();
        let actor = session.actor();
        SessionContext {
            event_backpressure: self.events.backpressure(&actor.user),
            actor,
            events: self.events.clone(),
            unsaved: Arc::default(),
            busy_count: Arc::clone(&session.busy_count),
            budget: Arc::clone(&session.budget),
            work: Arc::clone(&session.work),
            bytes: Arc::clone(&self.bytes),
            activity,
            end_report: Arc::clone(end_report),
        }
    }

    /// Returns the address by which a peer is known in limits and logs: IPv4 in IPv6's form becomes IPv4.
    pub fn canonical(peer: SocketAddr) -> SocketAddr {
        SocketAddr::new(peer.ip().to_canonical(), peer.port())
    }
}
