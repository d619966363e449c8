//! The running server as use cases see it: its sessions, the use of homes, and changes of users' records.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;

use super::changes::RecordChanges;
use super::reload::Reloading;
use crate::accounts::account::Usage;
use crate::accounts::id::AccountSpec;
use crate::domain::event::{AdminRecord, Event, Operator};
use crate::domain::user::{User, UserName};
use crate::hooks::queue::HookQueue;
use crate::ops::admin::operator_of_process;
use crate::ops::context::find_user;
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection};
use crate::ops::quota::must_exist;
use crate::ops::running::{DisconnectTarget, Effect, ReloadView, RunningServer, ServerResult, SessionView};
use crate::ops::usage::{HomeUsage, Remeasurement};
use crate::session::Session;
use crate::ssh::service::Service;
use crate::store::Store;
use base::error::{Error, Result};

/// The most homes that are measured at the same time because an operator asked: transfers need the disks too.
const MEASURES_AT_ONCE: usize = 2;
/// The most homes that are measured or wait for it. More would occupy all connections of the control socket.
const MOST_MEASURES: usize = 16;

/// Returns the account that a user is charged to.
fn account_of(user: &User) -> AccountSpec {
    AccountSpec::of_home(&user.home, user.quota)
}

/// The server of this process, as the control socket and use cases see it.
pub struct LiveServer {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    listening: Vec<SocketAddr>,
    changes: Arc<RecordChanges>,
    reloading: Arc<Reloading>,
    hooks: Arc<HookQueue>,
    places: Semaphore,
    turns: Semaphore,
}

impl LiveServer {
    /// Creates the view of the server that listens on these addresses.
    pub(super) fn new(
        changes: Arc<RecordChanges>,
        reloading: Arc<Reloading>,
        hooks: Arc<HookQueue>,
        listening: Vec<SocketAddr>,
    ) -> Self {
        Self {
            service: Arc::clone(changes.service()),
            store: Arc::clone(changes.store()),
            listening,
            changes,
            reloading,
            hooks,
            places: Semaphore::new(MOST_MEASURES),
            turns: Semaphore::new(MEASURES_AT_ONCE),
        }
    }

    async fn usage_of(&self, user: &User) -> Result<HomeUsage> {
        let usage = self.service.accounts.usage(&account_of(user)).await?;
        Ok(self.with_unreadable(user, usage))
    }

    fn with_unreadable(&self, user: &User, usage: Option<Usage>) -> HomeUsage {
        HomeUsage::new(user, usage).with_unreadable(self.service.accounts.unreadable(&account_of(user).id))
    }

    async fn measure_home(&self, user: &User) -> Result<Remeasurement> {
        let _place = self.places.try_acquire().map_err(|_| {
            Error::new(format!("cannot measure the home {:?}", user.home))
                .because(format!(
                    "{MOST_MEASURES} others are being measured or wait for it"
                ))
                .hint("try again later; without a NAME, quota scan measures all homes in turn")
        })?;
        let _turn = self.turns.acquire().await;
        let before = self.usage_of(user).await?;
        // This is checked first: nothing can grow in an account whose home cannot be measured, and a missing home is
        // created at the next sign-in.
        let home = user.home.clone();
        tokio::task::spawn_blocking(move || must_exist(&home))
            .await
            .map_err(|panic| Error::new("cannot look at the home").because(panic))??;
        let sum = self.service.accounts.scan(&account_of(user)).await?;
        tracing::info!(home = ?user.home, bytes = sum.bytes, files = sum.files, "measured a home, as requested");
        let after = HomeUsage::measured(user, &sum);
        Ok(Remeasurement { before, after })
    }
}

fn view(session: &Session) -> SessionView {
    let traffic = session.traffic.get().map(|traffic| traffic());
    SessionView {
        id: session.id.0,
        user: session.login.user().clone(),
        peer: session.peer,
        client: session.client.get().cloned().unwrap_or_default(),
        since: session.since,
        channels: session.channels.load(Ordering::Relaxed),
        bytes_in: traffic.map(|traffic| traffic.received),
        bytes_out: traffic.map(|traffic| traffic.sent),
    }
}

#[async_trait::async_trait]
impl RunningServer for LiveServer {
    async fn sessions(&self) -> ServerResult<Vec<SessionView>> {
        let sessions = self.service.sessions.list();
        // A session that was ended and does nothing any more is only waiting for its client to read the reason.
        let is_live = |session: &&Arc<Session>| !session.gate.is_closed() || !session.gate.is_empty();
        Ok(sessions
            .iter()
            .filter(is_live)
            .map(|session| view(session))
            .collect())
    }

    async fn record(&self, record: AdminRecord) -> ServerResult<()> {
        self.service.events.emit(&Event::Admin(Box::new(record)));
        Ok(())
    }

    fn operator(&self) -> Operator {
        operator_of_process()
    }

    async fn listening(&self) -> ServerResult<Vec<SocketAddr>> {
        Ok(self.listening.clone())
    }

    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize> {
        let chosen = |session: &Session| match &target {
            DisconnectTarget::Session(id) => session.id.0 == *id,
            DisconnectTarget::User(name) => session.login.user() == name,
        };
        Ok(self.changes.disconnect(chosen).await.sessions_ended)
    }

    async fn apply_changes(&self, users: Vec<UserName>, record: Option<AdminRecord>) -> ServerResult<Effect> {
        // The sessions that end because of the change come behind it in the log.
        if let Some(record) = record {
            self.service.events.emit(&Event::Admin(Box::new(record)));
        }
        Ok(self.changes.apply(users).await?)
    }

    async fn usage(&self, user: Option<UserName>) -> ServerResult<Vec<HomeUsage>> {
        if let Some(name) = user {
            let user = find_user(&*self.store, &name).await?;
            return Ok(vec![self.usage_of(&user).await?]);
        }
        let users = self.store.users().await?;
        let accounts: Vec<AccountSpec> = users.iter().map(account_of).collect();
        let usages = self.service.accounts.usages(&accounts).await?;
        let both = users.iter().zip(usages);
        Ok(both
            .map(|(user, usage)| self.with_unreadable(user, usage))
            .collect())
    }

    async fn measure(&self, user: UserName) -> ServerResult<Remeasurement> {
        let user = find_user(&*self.store, &user).await?;
        Ok(self.measure_home(&user).await?)
    }

    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>> {
        Ok(self.hooks.list())
    }

    async fn change_hooks(&self, action: HookAction, selection: HookSelection) -> ServerResult<usize> {
        Ok(self.hooks.act(action, &selection)?)
    }

    async fn reload(&self) -> ServerResult<ReloadView> {
        Ok(self.reloading.run().await?)
    }
}
