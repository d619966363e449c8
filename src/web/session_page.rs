//! The sessions of the server in pages, as administrators see them.

use super::app::WebApp;
use super::error::WebError;
use crate::ops::running::SessionView;

/// Some of the sessions, in the order of the sign-ins.
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// The number behind which the next page begins, if there is one.
    pub next: Option<u64>,
}

/// Returns the sessions with higher numbers than `after`, at most 128.
///
/// # Errors
/// Returns an error if the server does not answer.
pub async fn page(app: &WebApp, after: u64) -> Result<SessionPage, WebError> {
    let sessions = app.running.sessions(after).await?;
    let last = sessions.iter().map(|session| session.id).max();
    let next = match last {
        Some(last) => {
            let rest = app.running.sessions(last).await?;
            (!rest.is_empty()).then_some(last)
        }
        None => None,
    };
    Ok(SessionPage { sessions, next })
}
