//! The running server as use cases see it: its sessions, the use of homes, and changes of users' records.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::changes::RecordChanges;
use super::places::Places;
use super::reload::Reloading;
use crate::accounts::account::Usage;
use crate::accounts::id::{AccountId, AccountSpec};
use crate::domain::event::{AdminRecord, Event, Operator, SessionId};
use crate::domain::user::UserName;
use crate::hooks::queue::HookQueue;
use crate::ops::admin::operator_of_process;
use crate::ops::context::{find_folder, find_user};
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection};
use crate::ops::quota::must_exist;
use crate::ops::running::{
    DisconnectTarget, Effect, FolderFilling, HomeFilling, ReloadView, RunningServer, ServerResult,
    SessionView, StatusView, WorkView,
};
use crate::ops::usage::{AccountHolder, HasAccount, HomeUsage, Remeasurement};
use crate::session::Session;
use crate::session::work::WorkSnapshot;
use crate::ssh::service::Service;
use crate::store::Store;
use base::error::{Error, Result};
use base::visible;

/// The most homes that are measured at the same time because an operator asked: transfers need the disks too.
const MEASURES_AT_ONCE: usize = 2;
/// The most homes that are measured or wait for it. More would occupy all connections of the control socket.
const MOST_MEASURES: usize = 16;

/// The most sessions of one page: with the longest paths, a page is less than 3 MiB.
const SESSIONS_AT_ONCE: usize = 128;
/// The most folders of one session that are shown. With the longest names, they are 2 KiB.
const FOLDERS_SHOWN: usize = 8;
/// The most files of one session that are shown.
const FILES_SHOWN: usize = 4;
/// The most characters of a path that are shown: its end, which tells most.
const LONGEST_PATH: usize = 1000;

/// Returns the account of a user's home, or of a folder.
fn account_of(record: &(impl HasAccount + ?Sized)) -> AccountSpec {
    let (directory, quota) = (record.directory(), record.account_quota());
    match record.holder() {
        AccountHolder::User(_) => AccountSpec::of_home(directory, quota),
        AccountHolder::Folder(_) => AccountSpec::of_folder(directory, quota),
    }
}

/// The server of this process, as the control socket and use cases see it.
pub struct LiveServer {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    context: LiveContext,
    changes: Arc<RecordChanges>,
    reloading: Arc<Reloading>,
    measure_places: Semaphore,
    turns: Semaphore,
}

/// What the view of the server needs besides its parts.
pub(super) struct LiveContext {
    /// The addresses that are listened on, for clients, for metrics and for the web page.
    pub(super) listening: Vec<SocketAddr>,
    /// The time of the start.
    pub(super) since: Timestamp,
    /// The free space where homes and the store lie.
    pub(super) places: Arc<Places>,
    /// Cancelled when no connection is accepted any more.
    pub(super) stopping: CancellationToken,
    /// What waits for hooks.
    pub(super) hooks: Arc<HookQueue>,
}

impl LiveServer {
    /// Creates the view of a server.
    pub(super) fn new(changes: Arc<RecordChanges>, reloading: Arc<Reloading>, context: LiveContext) -> Self {
        Self {
            service: Arc::clone(changes.service()),
            store: Arc::clone(changes.store()),
            context,
            changes,
            reloading,
            measure_places: Semaphore::new(MOST_MEASURES),
            turns: Semaphore::new(MEASURES_AT_ONCE),
        }
    }

    /// Returns the record of a user or a folder.
    async fn record_of(&self, holder: &AccountHolder) -> Result<Box<dyn HasAccount>> {
        match holder {
            AccountHolder::User(name) => Ok(Box::new(find_user(&*self.store, name).await?)),
            AccountHolder::Folder(name) => Ok(Box::new(find_folder(&*self.store, name).await?)),
        }
    }

    async fn usage_of(&self, record: &dyn HasAccount) -> Result<HomeUsage> {
        let usage = self.service.accounts.usage(&account_of(record)).await?;
        Ok(self.with_unreadable(record, usage))
    }

    /// Returns the use of all these, in the same order.
    async fn usages_of<T: HasAccount>(&self, records: &[T]) -> Result<Vec<HomeUsage>> {
        let accounts: Vec<AccountSpec> = records.iter().map(account_of).collect();
        let usages = self.service.accounts.usages(&accounts).await?;
        let both = records.iter().zip(usages);
        Ok(both
            .map(|(record, usage)| self.with_unreadable(record, usage))
            .collect())
    }

    fn with_unreadable(&self, record: &(impl HasAccount + ?Sized), usage: Option<Usage>) -> HomeUsage {
        let unreadable = self.service.accounts.unreadable(&account_of(record).id);
        HomeUsage::new(record, usage).with_unreadable(unreadable)
    }

    async fn measure_record(&self, record: &dyn HasAccount) -> Result<Remeasurement> {
        let (kind, directory) = (record.holder().place(), record.directory().to_owned());
        let _place = self.measure_places.try_acquire().map_err(|_| {
            Error::new(format!("cannot measure the {kind} {directory:?}"))
                .because(format!(
                    "{MOST_MEASURES} others are being measured or wait for it"
                ))
                .hint("try again later; without a NAME, quota scan measures all homes and folders in turn")
        })?;
        let _turn = self.turns.acquire().await;
        let before = self.usage_of(record).await?;
        // This is checked first: nothing can grow in an account whose home cannot be measured, and a missing home is
        // created at the next sign-in.
        let looked_at = directory.clone();
        tokio::task::spawn_blocking(move || must_exist(kind, &looked_at))
            .await
            .map_err(|panic| Error::new(format!("cannot look at the {kind}")).because(panic))??;
        let sum = self.service.accounts.scan(&account_of(record)).await?;
        tracing::info!(
            home = ?directory,
            bytes = sum.bytes,
            files = sum.files,
            "measured a {kind}, as requested"
        );
        let after = HomeUsage::measured(record, &sum);
        Ok(Remeasurement { before, after })
    }

    fn view(&self, session: &Session) -> SessionView {
        let traffic = session.traffic.get().map(|traffic| traffic());
        let filling = |place: &Path| {
            let usage = self
                .service
                .accounts
                .usage_in_memory(&AccountId::of_home(place))?;
            Some(HomeFilling {
                used_bytes: usage.bytes,
                quota_bytes: usage.quota.bytes,
            })
        };
        let folders = session.login.folders().iter().filter_map(|(folder, _)| {
            Some(FolderFilling {
                name: folder.name.clone(),
                filling: filling(&folder.path)?,
            })
        });
        let (open_files, work) = session.work.look(FILES_SHOWN);
        SessionView {
            id: session.id.0,
            user: session.login.user().clone(),
            share: session.login.share(),
            peer: session.peer,
            client: session.client.get().cloned().unwrap_or_default(),
            protocol: session.protocol,
            since: session.since,
            channels: session.channels.load(Ordering::Relaxed),
            bytes_in: traffic.map(|traffic| traffic.received),
            bytes_out: traffic.map(|traffic| traffic.sent),
            home: filling(session.login.home()),
            folders: folders.take(FOLDERS_SHOWN).collect(),
            open_files,
            work: work.into_iter().map(work_view).collect(),
        }
    }
}

fn work_view(work: WorkSnapshot) -> WorkView {
    let path = visible::bytes(&work.path.absolute());
    let cut = path
        .char_indices()
        .rev()
        .nth(LONGEST_PATH - 1)
        .map(|(at, _)| at)
        .filter(|at| *at > 0);
    WorkView {
        kind: work.kind.name().to_owned(),
        path: match cut {
            Some(at) => format!("…{}", path.get(at..).unwrap_or_default()),
            None => path,
        },
        bytes: work.bytes,
        position: work.position,
        size: work.size,
        duration: work.duration,
    }
}

#[async_trait::async_trait]
impl RunningServer for LiveServer {
    async fn sessions(&self, after: u64) -> ServerResult<Vec<SessionView>> {
        let mut after = SessionId(after);
        loop {
            let page = self.service.sessions.list_after(after, SESSIONS_AT_ONCE);
            let Some(last) = page.last() else {
                return Ok(Vec::new());
            };
            after = last.id;
            // A session that was ended and does nothing any more is only waiting for its client to read the reason.
            let is_live = |session: &&Arc<Session>| !session.gate.is_closed() || !session.gate.is_empty();
            let live = page.iter().filter(is_live);
            let views: Vec<SessionView> = live.map(|session| self.view(session)).collect();
            // An empty page would be the end of the list.
            if !views.is_empty() {
                return Ok(views);
            }
        }
    }

    async fn status(&self) -> ServerResult<StatusView> {
        let (service, context) = (&self.service, &self.context);
        let bytes = service.bytes.total();
        Ok(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: context.since,
            is_stopping: context.stopping.is_cancelled(),
            sessions: service.sessions.number(),
            unauthenticated: service.admission.unauthenticated(),
            bytes_up: bytes.up,
            bytes_down: bytes.down,
            file_systems: service.mount_context.scheduler.file_systems(),
            places: context.places.space(),
        })
    }

    async fn record(&self, record: AdminRecord) -> ServerResult<()> {
        self.service.events.emit(&Event::Admin(Box::new(record)));
        Ok(())
    }

    async fn record_all(&self, records: &[AdminRecord]) -> ServerResult<()> {
        for record in records {
            self.service.events.emit(&Event::Admin(Box::new(record.clone())));
        }
        Ok(())
    }

    fn operator(&self) -> Operator {
        operator_of_process()
    }

    async fn listening(&self) -> ServerResult<Vec<SocketAddr>> {
        Ok(self.context.listening.clone())
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

    async fn usage(&self, only: Option<AccountHolder>) -> ServerResult<Vec<HomeUsage>> {
        if let Some(holder) = only {
            let record = self.record_of(&holder).await?;
            return Ok(vec![self.usage_of(&*record).await?]);
        }
        let mut usages = self.usages_of(&self.store.users().await?).await?;
        usages.extend(self.usages_of(&self.store.folders().await?).await?);
        Ok(usages)
    }

    async fn measure(&self, holder: AccountHolder) -> ServerResult<Remeasurement> {
        let record = self.record_of(&holder).await?;
        Ok(self.measure_record(&*record).await?)
    }

    async fn problems(&self) -> ServerResult<Vec<String>> {
        Ok(self
            .context
            .hooks
            .problem()
            .map(str::to_owned)
            .into_iter()
            .collect())
    }

    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>> {
        Ok(self.context.hooks.list())
    }

    async fn change_hooks(&self, action: HookAction, selection: HookSelection) -> ServerResult<usize> {
        Ok(self.context.hooks.act(action, &selection)?)
    }

    async fn reload(&self) -> ServerResult<ReloadView> {
        Ok(self.reloading.run().await?)
    }
}
