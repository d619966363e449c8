//! Answers the operator's questions about live sessions and about what homes hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;

use crate::accounts::account::Usage;
use crate::admin::usage::{HomeUsage, Scanned, must_exist};
use crate::control::{Applied, ControlHandler, Kick, SessionInfo};
use crate::domain::user::{User, UserName};
use crate::session::Session;
use crate::ssh::service::Service;
use crate::store::{Store, no_such_user};
use base::error::{Error, Result};

use super::changes::Changes;

/// Homes that are measured at once because somebody asked: transfers need the disks too.
const SCANS: usize = 2;
/// Those and the ones that wait for their turn; more would take all places of the control socket.
const MOST_SCANS: usize = 16;

/// The live sessions and the accounts, for the control socket.
pub struct Control {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    listening: Vec<SocketAddr>,
    changes: Arc<Changes>,
    places: Semaphore,
    scans: Semaphore,
}

impl Control {
    /// Answers for this server, which listens on these addresses.
    pub fn new(changes: Arc<Changes>, listening: Vec<SocketAddr>) -> Self {
        Self {
            service: Arc::clone(changes.service()),
            store: Arc::clone(changes.store()),
            listening,
            changes,
            places: Semaphore::new(MOST_SCANS),
            scans: Semaphore::new(SCANS),
        }
    }

    async fn find(&self, name: &str) -> Result<User> {
        let name = UserName::stored(name)?;
        let user = self.store.user(&name).await?;
        user.ok_or_else(|| no_such_user(&name))
    }

    async fn usage_of(&self, user: &User) -> Result<HomeUsage> {
        let usage = self.service.accounts.usage(&user.home, user.quota).await?;
        Ok(self.with_unreadable(user, usage))
    }

    fn with_unreadable(&self, user: &User, usage: Option<Usage>) -> HomeUsage {
        HomeUsage::new(user, usage).except(&self.service.accounts.unreadable(&user.home))
    }
}

#[async_trait::async_trait]
impl ControlHandler for Control {
    async fn sessions(&self) -> Vec<SessionInfo> {
        let sessions = self.service.sessions.list();
        sessions
            .iter()
            // One that was ended and does nothing any more is only being told so.
            .filter(|session| !session.gate.is_closed() || !session.gate.is_empty())
            .map(|session| {
                let traffic = session.traffic.get().map(|traffic| traffic());
                SessionInfo {
                    id: session.id.0,
                    user: session.login.user().to_string(),
                    peer: session.peer.to_string(),
                    client: session.client.get().cloned().unwrap_or_default(),
                    since: session.since.to_string(),
                    channels: session.channels.load(Ordering::Relaxed),
                    bytes_in: traffic.map(|t| t.0),
                    bytes_out: traffic.map(|t| t.1),
                }
            })
            .collect()
    }

    fn listening(&self) -> Vec<SocketAddr> {
        self.listening.clone()
    }

    async fn kick(&self, target: Kick) -> usize {
        let chosen = |session: &Session| match &target {
            Kick::Session(id) => session.id.0 == *id,
            Kick::User(name) => session.login.user().as_str() == name,
        };
        self.changes.disconnect(chosen).await.sessions_ended
    }

    async fn changed(&self, users: Vec<String>) -> Result<Applied> {
        // A name that none can have has no sessions.
        let users = users.iter().filter_map(|name| UserName::stored(name).ok());
        self.changes.apply(users).await
    }

    async fn usage(&self, user: Option<String>) -> Result<Vec<HomeUsage>> {
        if let Some(name) = user {
            let user = self.find(&name).await?;
            return Ok(vec![self.usage_of(&user).await?]);
        }
        let users = self.store.users().await?;
        let homes: Vec<_> = users
            .iter()
            .map(|user| (user.home.as_path(), user.quota))
            .collect();
        let usages = self.service.accounts.usages(&homes).await?;
        let both = users.iter().zip(usages);
        Ok(both
            .map(|(user, usage)| self.with_unreadable(user, usage))
            .collect())
    }

    async fn scan(&self, user: String) -> Result<Scanned> {
        let user = self.find(&user).await?;
        let _place = self.places.try_acquire().map_err(|_| {
            Error::new(format!("cannot measure the home {:?}", user.home))
                .because(format!("{MOST_SCANS} others are being measured or wait for it"))
                .hint("try again later; without a NAME, quota scan measures all homes in turn")
        })?;
        let _turn = self.scans.acquire().await;
        let before = self.usage_of(&user).await?;
        // Looked at first: an account whose home cannot be measured lets nothing grow, and a home that is missing
        // is made at the next sign-in.
        let home = user.home.clone();
        tokio::task::spawn_blocking(move || must_exist(&home))
            .await
            .map_err(|panic| Error::new("cannot look at the home").because(panic))??;
        let sum = self.service.accounts.scan(&user.home, user.quota).await?;
        tracing::info!(home = ?user.home, bytes = sum.bytes, files = sum.files, "measured a home, as was asked");
        let after = HomeUsage::measured(&user, &sum);
        Ok(Scanned { before, after })
    }
}
