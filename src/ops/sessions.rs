//! Disconnecting sessions of the running server.

use super::running::{DisconnectTarget, RunningServer};
use base::error::{Error, Result};

/// Disconnects sessions; returns how many, which is at least one.
///
/// # Errors
/// When no server is running, it does not answer, or there is no such session.
pub async fn disconnect(target: DisconnectTarget, server: &dyn RunningServer) -> Result<usize> {
    let which = match &target {
        DisconnectTarget::Session(id) => format!("session {id}"),
        DisconnectTarget::User(name) => format!("session of {name}"),
    };
    match server.disconnect(target).await? {
        0 => Err(Error::new(format!("there is no {which}"))
            .hint("homeportd sessions list")
            .not_found()),
        count => Ok(count),
    }
}
