//! Disconnecting sessions of the running server.

use super::admin;
use super::running::{DisconnectTarget, RunningServer};
use crate::domain::event::AdminAct;
use base::error::{Error, Result};

/// Disconnects sessions; returns how many, at least one.
///
/// # Errors
/// Returns an error if no server is running, if it does not answer, or if there is no such session.
pub async fn disconnect(target: DisconnectTarget, server: &dyn RunningServer) -> Result<usize> {
    let which = match &target {
        DisconnectTarget::Session(id) => format!("session {id}"),
        DisconnectTarget::User(name) => format!("session of {name}"),
    };
    let name = match &target {
        DisconnectTarget::Session(id) => format!("session {id}"),
        DisconnectTarget::User(name) => name.to_string(),
    };
    match server.disconnect(target).await? {
        0 => Err(Error::new(format!("there is no {which}"))
            .hint("homeportd sessions list")
            .not_found()),
        count => {
            let act = AdminAct {
                what: "sessions kick".to_owned(),
                name,
                before: Vec::new(),
                after: Vec::new(),
            };
            admin::record_by_server(act, server).await?;
            Ok(count)
        }
    }
}
