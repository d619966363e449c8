//! The running server on behalf of a user of the web page: what use cases change is recorded with that user's name.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::domain::event::{AdminRecord, Operator};
use crate::domain::user::UserName;
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection};
use crate::ops::running::{
    DisconnectTarget, Effect, ReloadView, RunningServer, ServerResult, SessionView, StatusView,
};
use crate::ops::usage::{AccountHolder, HomeUsage, Remeasurement};

/// The running server, asked on behalf of a user of the web page.
pub struct WebOperator {
    server: Arc<dyn RunningServer>,
    user: UserName,
}

impl WebOperator {
    /// Has a server asked on behalf of this user.
    pub fn new(server: Arc<dyn RunningServer>, user: UserName) -> Self {
        Self { server, user }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait::async_trait]
impl RunningServer for WebOperator {
    async fn sessions(&self, after: u64) -> ServerResult<Vec<SessionView>> {
        self.server.sessions(after).await
    }

    async fn status(&self) -> ServerResult<StatusView> {
        self.server.status().await
    }

    async fn listening(&self) -> ServerResult<Vec<SocketAddr>> {
        self.server.listening().await
    }

    async fn disconnect(&self, target: DisconnectTarget) -> ServerResult<usize> {
        self.server.disconnect(target).await
    }

    async fn apply_changes(&self, users: Vec<UserName>, record: Option<AdminRecord>) -> ServerResult<Effect> {
        self.server.apply_changes(users, record).await
    }

    async fn usage(&self, only: Option<AccountHolder>) -> ServerResult<Vec<HomeUsage>> {
        self.server.usage(only).await
    }

    async fn record(&self, record: AdminRecord) -> ServerResult<()> {
        self.server.record(record).await
    }

    async fn record_all(&self, records: &[AdminRecord]) -> ServerResult<()> {
        self.server.record_all(records).await
    }

    fn operator(&self) -> Operator {
        Operator {
            web_user: Some(self.user.clone()),
            // Who has started the server has not made this change.
            sudo_user: None,
            ..self.server.operator()
        }
    }

    async fn measure(&self, holder: AccountHolder) -> ServerResult<Remeasurement> {
        self.server.measure(holder).await
    }

    async fn problems(&self) -> ServerResult<Vec<String>> {
        self.server.problems().await
    }

    async fn hooks(&self) -> ServerResult<Vec<HookEntryView>> {
        self.server.hooks().await
    }

    async fn change_hooks(&self, action: HookAction, selection: HookSelection) -> ServerResult<usize> {
        self.server.change_hooks(action, selection).await
    }

    async fn reload(&self) -> ServerResult<ReloadView> {
        self.server.reload().await
    }
}
