//! From a login to a registered session, for every way into the server.

use std::sync::Arc;

use super::service::Service;
use crate::auth::Review;
use crate::session::{NewSession, NotRegistered, Registration, session_limit};
use base::error::Error;

/// Why a login did not become a session.
#[derive(Debug)]
pub enum EntryRefused {
    /// The limits do not allow another session.
    NotRegistered(NotRegistered),
    /// A record has changed since the credentials were judged, and the sign-in would not be accepted any more.
    RecordChanged(String),
}

impl EntryRefused {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(&self) -> &'static str {
        match self {
            EntryRefused::NotRegistered(why) => why.code(),
            EntryRefused::RecordChanged(_) => "record_changed",
        }
    }
}

impl std::fmt::Display for EntryRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EntryRefused::NotRegistered(why) => why.fmt(f),
            EntryRefused::RecordChanged(why) => f.write_str(why),
        }
    }
}

/// Registers a session. `revision` is that of users' records when the login was judged, or an earlier one: if any record
/// was changed since, the user's is read again.
///
/// # Errors
/// Returns why there is no session.
pub async fn enter(
    service: &Service,
    newcomer: NewSession,
    revision: u64,
) -> Result<Registration, EntryRefused> {
    let limits = service.current().limits.of_one_user();
    let registration = service
        .sessions
        .enter(newcomer, limits)
        .map_err(EntryRefused::NotRegistered)?;
    if service.sessions.revision() != revision {
        review(service, &registration)
            .await
            .map_err(EntryRefused::RecordChanged)?;
    }
    Ok(registration)
}

/// Checks that the sign-in would still be accepted. The error says why it would not.
async fn review(service: &Service, registration: &Registration) -> Result<(), String> {
    let session = Arc::clone(registration.session());
    let review = service.auth.review(&session.login, session.peer.ip()).await;
    match review.map_err(|error: Error| error.to_string())? {
        Review::Ends(lost) => Err(lost.to_string()),
        Review::Continues {
            until,
            max_sessions,
            rates,
        } => {
            service.sessions.set_expiry(&session, until);
            session.budget.rates.set_rules(rates);
            // Visitors do not count for the limit of the record.
            if session.login.share().is_some() {
                return Ok(());
            }
            let limit = session_limit(max_sessions, service.current().limits.sessions_per_user);
            match service.sessions.count(session.login.user()) > limit {
                true => Err(NotRegistered::TooMany { limit }.to_string()),
                false => Ok(()),
            }
        }
    }
}
