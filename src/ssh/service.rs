//! What all connections share.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::accounts::Accounts;
use crate::auth::{Authenticator, Turns};
use crate::domain::event::Events;
use crate::mount::{self, Mounted, Refused};
use crate::session::{Session, Sessions};
use base::error::Error;

use super::admission::Admission;
use super::limits::Limits;
use super::mounts::Mounts;
use super::refusals::Refusals;

/// A home that takes longer to open is on a disk that hangs.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// What all connections share.
pub struct Service {
    /// Who may sign in.
    pub auth: Authenticator,
    /// Who has.
    pub sessions: Arc<Sessions>,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// Who was refused.
    pub refusals: Refusals,
    /// Where events go.
    pub events: Events,
    /// What homes hold.
    pub accounts: Arc<Accounts>,
    /// Where homes are mounted.
    pub place: mount::Place,
    /// The server's own uid and gid.
    pub own_ids: (u32, u32),
    /// Shown before the sign-in.
    pub banner: Option<String>,
    /// Changed by a reload.
    pub current: RwLock<Arc<Current>>,
    /// Told when a connection has ended.
    pub left: Notify,
    /// Connections that ended without having sent a byte: health checks, mostly.
    pub silent: AtomicU64,
    /// Turns of key exchanges that take long.
    pub exchanges: Turns,
    mounts: Mounts,
}

/// What a reload changes, for connections that come after it.
pub struct Current {
    /// Limits.
    pub limits: Limits,
    /// Algorithms and host keys.
    pub russh: Arc<russh::server::Config>,
}

/// The parts of a [`Service`] that are made elsewhere.
pub struct Parts {
    /// Who may sign in.
    pub auth: Authenticator,
    /// Where events go.
    pub events: Events,
    /// What homes hold.
    pub accounts: Arc<Accounts>,
    /// Where homes are mounted.
    pub place: mount::Place,
    /// Shown before the sign-in.
    pub banner: Option<String>,
    /// What a reload changes.
    pub current: Current,
}

impl Service {
    /// Nobody is connected yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            auth,
            events,
            accounts,
            place,
            banner,
            current,
        } = parts;
        Arc::new(Self {
            auth,
            sessions: Arc::default(),
            admission: Admission::new(),
            refusals: Refusals::new(events.clone()),
            events,
            accounts,
            place,
            own_ids: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            banner,
            current: RwLock::new(Arc::new(current)),
            left: Notify::new(),
            silent: AtomicU64::new(0),
            exchanges: Turns::default(),
            mounts: Mounts::default(),
        })
    }

    /// Settings as they are now.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Limits as they are now.
    pub fn limits(&self) -> Limits {
        self.current().limits.clone()
    }

    /// Connections that come from now on get these.
    pub fn replace(&self, current: Current) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
    }

    /// Opens the home of a session, on a thread of the blocking pool.
    ///
    /// # Errors
    /// When it cannot be opened in time, or the session has been ended.
    pub async fn mount(self: &Arc<Self>, session: &Session) -> std::result::Result<Mounted, Refused> {
        let login = &session.login;
        let opening = async {
            let account = self.accounts.account(login.home(), login.quota()).await?;
            let entry = self.mounts.enter(login.home()).await;
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
                    self.accounts.made(login.home());
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
