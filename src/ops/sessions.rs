//! Listing and disconnecting sessions of the running server.

use super::admin;
use super::running::{DisconnectTarget, RunningServer, ServerResult, SessionView};
use crate::domain::event::AdminAct;
use base::error::{Error, Result};

/// Returns all sessions, ordered by the time of the sign-in. Those that begin or end meanwhile may be missing.
///
/// # Errors
/// Returns an error if no server is running, or if it does not answer.
pub async fn list(server: &dyn RunningServer) -> ServerResult<Vec<SessionView>> {
    let mut sessions = Vec::new();
    let mut last = 0;
    loop {
        let page = server.sessions(last).await?;
        match page.iter().map(|session| session.id).max() {
            // A server whose numbers do not rise would never come to an end.
            Some(highest) if highest > last => last = highest,
            Some(_) | None => return Ok(sessions),
        }
        sessions.extend(page);
    }
}

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
    let not_found = || {
        Error::new(format!("there is no {which}"))
            .hint("homeportd sessions list")
            .not_found()
    };
    let is_target = |session: &SessionView| match &target {
        DisconnectTarget::Session(id) => session.id == *id,
        DisconnectTarget::User(name) => session.user == *name,
    };
    if !list(server).await?.iter().any(is_target) {
        return Err(not_found());
    }
    // This comes first, so that in the log the sessions end because of it, and none is ended without a record.
    let act = AdminAct {
        what: "sessions kick".to_owned(),
        name,
        before: Vec::new(),
        after: Vec::new(),
    };
    admin::record_by_server(act, server).await?;
    match server.disconnect(target).await? {
        // They have left meanwhile.
        0 => Err(not_found()),
        count => Ok(count),
    }
}
