//! What all connections of a server share. It is put together by [`crate::serve`].

use parking_lot::RwLock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::Notify;

use crate::accounts::Accounts;
use crate::accounts::id::{AccountId, AccountSpec};
use crate::auth::{Authenticator, FairSemaphore};
use crate::mount::{self, Mounted, Refused};
use crate::session::events::Events;
use crate::session::{Session, Sessions};
use crate::sftp::longname::OwnIds;
use base::error::Error;

use super::admission::Admission;
use super::limits::Limits;
use super::mount_slots::MountSlots;
use super::refusals::Refusals;
use super::threads::SessionThreads;

/// A home that takes longer to open is on a disk that hangs.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// What all connections share.
pub struct Service {
    /// Decides who may sign in.
    pub auth: Authenticator,
    /// The registry of those who have signed in.
    pub sessions: Arc<Sessions>,
    /// Decides who may connect.
    pub admission: Arc<Admission>,
    /// Counts those who were refused.
    pub refusals: Refusals,
    /// Where events are emitted.
    pub events: Events,
    /// The quota accounts of the homes.
    pub accounts: Arc<Accounts>,
    /// Where homes are mounted.
    pub place: mount::MountContext,
    /// The user and group that the server runs as.
    pub own_ids: OwnIds,
    /// The text that is shown before the sign-in.
    pub banner: Option<String>,
    /// What a reload replaces.
    pub current: RwLock<Arc<Current>>,
    /// Is notified when a connection has ended.
    pub left: Notify,
    /// The number of connections that ended without having sent a byte: health checks, mostly.
    pub silent: AtomicU64,
    /// The threads that serve connections which move much.
    pub threads: SessionThreads,
    /// Lets key exchanges that take long be computed in turn.
    pub exchanges: FairSemaphore,
    mount_slots: MountSlots,
}

/// What a reload replaces, for the connections that come after it.
pub struct Current {
    /// The limits on what peers may have.
    pub limits: Limits,
    /// The SSH library's configuration: algorithms and host keys.
    pub russh: Arc<russh::server::Config>,
}

/// The parts of a [`Service`] that are made elsewhere.
pub struct ServiceSetup {
    /// Decides who may sign in.
    pub auth: Authenticator,
    /// Where events are emitted.
    pub events: Events,
    /// The quota accounts of the homes.
    pub accounts: Arc<Accounts>,
    /// Where homes are mounted.
    pub place: mount::MountContext,
    /// The threads that serve connections which move much.
    pub threads: SessionThreads,
    /// The text that is shown before the sign-in.
    pub banner: Option<String>,
    /// What a reload replaces.
    pub current: Current,
}

impl Service {
    /// A service that nobody is connected to yet.
    pub fn new(setup: ServiceSetup) -> Arc<Self> {
        let ServiceSetup {
            auth,
            events,
            accounts,
            place,
            threads,
            banner,
            current,
        } = setup;
        Arc::new(Self {
            auth,
            sessions: Arc::default(),
            admission: Admission::new(),
            refusals: Refusals::new(events.clone()),
            events,
            accounts,
            place,
            threads,
            own_ids: OwnIds {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            },
            banner,
            current: RwLock::new(Arc::new(current)),
            left: Notify::new(),
            silent: AtomicU64::new(0),
            exchanges: FairSemaphore::default(),
            mount_slots: MountSlots::default(),
        })
    }

    /// The settings as they are now.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read())
    }

    /// The limits as they are now.
    pub fn limits(&self) -> Limits {
        self.current().limits.clone()
    }

    /// Gives new settings to the connections that come from now on.
    pub fn replace(&self, current: Current) {
        *self.current.write() = Arc::new(current);
    }

    /// Opens the home of a session, on a thread of the blocking pool.
    ///
    /// # Errors
    /// When it cannot be opened in time, or the session has been ended.
    pub async fn mount(self: &Arc<Self>, session: &Session) -> std::result::Result<Mounted, Refused> {
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
                let mounted = mount::mount(&login, account, &gate, &service.place);
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

    /// The address that a peer is known by in limits and logs.
    pub fn canonical(peer: SocketAddr) -> SocketAddr {
        SocketAddr::new(peer.ip().to_canonical(), peer.port())
    }
}
