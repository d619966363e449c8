//! Takes changes of users' records in: puts limits in force, and ends the sessions that have lost something.
//!
//! A command commits to the store and then names the users here, through the control socket ([`RecordChanges::apply`]); what
//! it waits for is in force when it returns:
//! 1. Sign-ins that have read a record before look again (see [`crate::session`]).
//! 2. Quotas are those of the store, and nothing is written any more that only an earlier one allowed.
//! 3. Sessions that have lost something are closed to further calls, and the calls that had begun are over. A disk that
//!    hangs is not waited for longer than [`PATIENCE`]; the command hears how many sessions have a call there.
//!
//! [`watch`] is the safety net: it finds what was changed by hand, and ends sessions that have expired. Both read only
//! the records that have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::accounts::account::Account;
use crate::accounts::id::AccountId;
use crate::auth::{Login, Review};
use crate::domain::user::UserName;
use crate::ops::running::Effect;
use crate::session::Session;
use crate::ssh::service::Service;
use crate::store::{HomeNews, Store};
use base::error::{Error, Result};

/// How long calls that had begun are waited for. The command itself waits for 5 s in all.
const PATIENCE: Duration = Duration::from_secs(3);
/// What was changed by hand reaches sessions within twice this: the first look leaves it to the command that has
/// made the change, so that it can say how many sessions have ended.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Threads that wait for the disk of a home whose quota was changed; they stay where a disk hangs.
const WAITING_AT_ONCE: usize = 8;

/// Takes changes of users' records in, as the module's documentation says.
pub struct RecordChanges {
    store: Arc<dyn Store>,
    service: Arc<Service>,
    /// The revision that is in force. The lock is held while changes are put in force, so that no command hears too early
    /// that its change is.
    seen: Mutex<i64>,
    waiting: Arc<Semaphore>,
}

impl RecordChanges {
    /// Begins at the store's revision of now: nobody has signed in yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(store: Arc<dyn Store>, service: Arc<Service>) -> Result<Arc<Self>> {
        let seen = Mutex::new(store.version().await?);
        Ok(Arc::new(Self {
            store,
            service,
            seen,
            waiting: Arc::new(Semaphore::new(WAITING_AT_ONCE)),
        }))
    }

    /// The service that the server's connections share.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The store that the changes are in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Takes in what has changed since the last time, and looks at the sessions of `users` in any case. See the
    /// module's documentation for what holds when it returns.
    ///
    /// # Errors
    /// When the store, or a record in it, cannot be read: then it is not known what holds. What could be read is in
    /// force.
    pub async fn apply(&self, users: impl IntoIterator<Item = UserName>) -> Result<Effect> {
        let end = Instant::now() + PATIENCE;
        let mut users: BTreeSet<UserName> = users.into_iter().collect();
        let (sessions_ended, changed) = self.take_in(&mut users).await?;
        let busy_sessions = self.wait_for_calls(&users, end).await;
        let busy_homes = self.wait_for_growth(changed, end).await;
        Ok(Effect {
            sessions_ended,
            still_busy: busy_sessions + busy_homes,
        })
    }

    /// Does what [`RecordChanges::apply`] does without waiting for calls that had begun. Adds the users whose records have
    /// changed to `users`; returns how many sessions were ended, and the accounts that have another limit now.
    async fn take_in(&self, users: &mut BTreeSet<UserName>) -> Result<(usize, Vec<Arc<Account>>)> {
        let mut seen = self.seen.lock().await;
        let news = self.store.news(*seen).await?;
        self.service.sessions.changed();
        for user in news.users {
            if !user.exists {
                self.service.auth.history().forget(&user.name);
            }
            users.insert(user.name);
        }
        let mut changed = Vec::new();
        // A record that cannot be read must not keep those of others from being in force.
        let mut failed = None;
        for HomeNews { home, quota } in news.homes {
            match quota {
                Ok(Some(quota)) => {
                    changed.extend(self.service.accounts.set_quota(&AccountId::of_home(&home), quota))
                }
                Ok(None) => self.service.accounts.forget(&AccountId::of_home(&home)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let ended = self.review(users, &mut failed).await;
        if let Some(error) = failed {
            return Err(error);
        }
        *seen = news.number;
        Ok((ended, changed))
    }

    /// Ends the sessions of these users that have lost something; returns how many. The first user who cannot be looked
    /// up is in `failed` afterwards.
    async fn review(&self, users: &BTreeSet<UserName>, failed: &mut Option<Error>) -> usize {
        let mut sessions: BTreeMap<UserName, Vec<Arc<Session>>> = BTreeMap::new();
        for session in self.service.sessions.of_users(users) {
            sessions
                .entry(session.login.user().clone())
                .or_default()
                .push(session);
        }
        let mut ended = 0;
        // A user without a session has nothing to lose.
        for (name, sessions) in sessions {
            let user = match self.store.user(&name).await {
                Ok(user) => user,
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            for session in sessions {
                let review = session
                    .login
                    .review(user.as_ref(), session.peer.ip(), Timestamp::now());
                match review {
                    Ok(until) => self.service.sessions.goes_on(&session, until),
                    Err(lost) => ended += usize::from(session.revoke(lost.to_string())),
                }
            }
        }
        ended
    }

    /// Looks a session's user up again; returns whether the session was ended by that.
    async fn look_at(&self, session: &Session) -> Result<bool> {
        let login: &Login = &session.login;
        match self.service.auth.review(login, session.peer.ip()).await? {
            Review::Ends(lost) => Ok(session.revoke(lost.to_string())),
            Review::GoesOn { until, .. } => {
                self.service.sessions.goes_on(session, until);
                Ok(false)
            }
        }
    }

    /// Waits for the calls of ended sessions that had begun; returns how many sessions still have some.
    async fn wait_for_calls(&self, users: &BTreeSet<UserName>, end: Instant) -> usize {
        let mut busy = 0;
        for session in self.service.sessions.of_users(users) {
            if session.gate.is_closed() && timeout_at(end, session.gate.emptied()).await.is_err() {
                busy += 1;
            }
        }
        busy
    }

    /// Waits for what earlier quotas have allowed to be written; returns for how many homes that did not end.
    async fn wait_for_growth(&self, accounts: Vec<Arc<Account>>, end: Instant) -> usize {
        let mut busy = 0;
        for account in accounts {
            let waiting = Arc::clone(&self.waiting);
            let growth = async move {
                let place = waiting.acquire_owned().await;
                let waited = tokio::task::spawn_blocking(move || {
                    account.wait_for_growth();
                    drop(place);
                });
                waited.await.is_ok()
            };
            if timeout_at(end, growth).await != Ok(true) {
                busy += 1;
            }
        }
        busy
    }

    /// Closes sessions to further calls because an operator wants it, and waits for the calls that had begun.
    pub async fn disconnect(&self, which: impl Fn(&Session) -> bool) -> Effect {
        let end = Instant::now() + PATIENCE;
        let chosen: Vec<_> = self
            .service
            .sessions
            .list()
            .into_iter()
            .filter(|s| which(s))
            .collect();
        let revoked = chosen
            .iter()
            .filter(|session| session.revoke("disconnected by the operator"));
        let sessions_ended = revoked.count();
        let mut still_busy = 0;
        for session in chosen {
            if timeout_at(end, session.gate.emptied()).await.is_err() {
                still_busy += 1;
            }
        }
        Effect {
            sessions_ended,
            still_busy,
        }
    }

    /// Whether a change has not been put in force since the last call. `behind` is the revision that was in force then, if
    /// the store had a later one.
    async fn overlooked(&self, behind: &mut Option<i64>) -> Result<bool> {
        let seen = *self.seen.lock().await;
        let more = self.store.version().await? != seen;
        let overlooked = more && *behind == Some(seen);
        *behind = more.then_some(seen);
        Ok(overlooked)
    }

    /// Looks at the sessions that have expired, as far as is known; returns when the next one does.
    async fn end_expired(&self) -> Option<Timestamp> {
        let (expired, next) = self.service.sessions.expired(Timestamp::now());
        for session in expired {
            // A store that is busy must not end every session: it is asked again.
            if let Err(error) = self.look_at(&session).await {
                tracing::warn!(session = %session.id, %error, "cannot look up the user of a session");
            }
        }
        next
    }
}

/// Finds changes that no command has announced, and ends sessions when their users or keys expire.
pub async fn watch(changes: Arc<RecordChanges>, quit: CancellationToken) {
    let mut behind = None;
    let mut next_look = Instant::now() + WATCH_EVERY;
    loop {
        let next_end = changes.end_expired().await;
        let until_end = next_end.map_or(WATCH_EVERY, |end| {
            let left = Timestamp::now().duration_until(end);
            Duration::try_from(left).unwrap_or_default()
        });
        tokio::select! {
            () = quit.cancelled() => return,
            () = tokio::time::sleep_until(next_look.min(Instant::now() + until_end)) => {}
            () = changes.service.sessions.until_changed() => {}
        }
        if Instant::now() < next_look {
            continue;
        }
        next_look = Instant::now() + WATCH_EVERY;
        let overlooked = changes.overlooked(&mut behind).await;
        let applied = match overlooked {
            Ok(true) => changes.take_in(&mut BTreeSet::new()).await.map(drop),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = applied {
            tracing::warn!(%error, "cannot look for changed users");
        }
    }
}

#[cfg(test)]
mod tests;
