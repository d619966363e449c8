//! Answers the operator's questions about live sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::admin::control::{ControlHandler, Kick, SessionInfo};
use crate::ssh::service::Service;

/// The live sessions, for the control socket.
pub struct Control {
    service: Arc<Service>,
}

impl Control {
    /// Of this server.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

#[async_trait::async_trait]
impl ControlHandler for Control {
    async fn sessions(&self) -> Vec<SessionInfo> {
        let sessions = self.service.sessions.list();
        sessions
            .iter()
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

    async fn kick(&self, target: Kick) -> usize {
        self.service
            .sessions
            .end("disconnected by the operator", |session| match &target {
                Kick::Session(id) => session.id.0 == *id,
                Kick::User(name) => session.login.user().as_str() == name,
            })
    }
}
