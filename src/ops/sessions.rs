//! Disconnecting sessions of the running server.

use super::running::{DisconnectTarget, RunningServer};
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
    match server.disconnect(target).await? {
        0 => Err(Error::new(format!("there is no {which}"))
            .hint("homeportd sessions list")
            .not_found()),
        count => Ok(count),
    }
}
