//! Applies changes of users' records: puts limits in force, and ends the sessions that have lost something.
//!
//! A command commits to the store and then names the users through the control socket ([`RecordChanges::apply`]). When
//! it gets the answer, this holds:
//! 1. Sign-ins that have read an older record read it again (see [`crate::session`]).
//! 2. Quotas are those of the store, and no write is in progress that only an earlier quota allowed.
//! 3. Sessions that have lost something accept no further calls, and the calls that had begun have ended. For a disk
//!    that hangs this waits no longer than [`CALLS_TIMEOUT`]; the answer says how many sessions still have a call
//!    there.
//!
//! [`watch`] is the safety net: it finds changes that were made by hand, and ends sessions that have expired. Both read
//! only the records that have changed.

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
use crate::store::{Store, TouchedHome};
use base::error::{Error, Result};

/// How long to wait for calls that had begun. The command itself waits for 5 s in total.
const CALLS_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the store is checked for changes by hand. They reach sessions within twice this time: the first check
/// leaves a change to the command that made it, so that the command can report how many sessions have ended.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The most threads that wait for the disk of a home whose quota was changed; they stay if the disk hangs.
const WAITING_AT_ONCE: usize = 8;

/// Applies changes of users' records, as the module's documentation says.
pub struct RecordChanges {
    store: Arc<dyn Store>,
    service: Arc<Service>,
    /// The revision that is in force. The lock is held while changes are applied, so that no command is told too early
    /// that its change is in force.
    seen: Mutex<i64>,
    waiting: Arc<Semaphore>,
}

impl RecordChanges {
    /// Begins at the current revision of the store, since no user has signed in yet.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn new(store: Arc<dyn Store>, service: Arc<Service>) -> Result<Arc<Self>> {
        let seen = Mutex::new(store.version().await?);
        Ok(Arc::new(Self {
            store,
            service,
            seen,
            waiting: Arc::new(Semaphore::new(WAITING_AT_ONCE)),
        }))
    }

    /// Returns the state that the server's connections share.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Returns the store that contains the changes.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Applies what has changed since the last time, and reviews the sessions of `users` in any case. The module's
    /// documentation says what holds when it returns.
    ///
    /// # Errors
    /// Returns an error if the store, or a record in it, cannot be read, since it is then not known what holds. What
    /// could be read is in force.
    pub async fn apply(&self, users: impl IntoIterator<Item = UserName>) -> Result<Effect> {
        let end = Instant::now() + CALLS_TIMEOUT;
        let mut users: BTreeSet<UserName> = users.into_iter().collect();
        let (sessions_ended, changed) = self.apply_without_waiting(&mut users).await?;
        let busy_sessions = self.wait_for_calls(&users, end).await;
        let busy_homes = self.wait_for_growth(changed, end).await;
        Ok(Effect {
            sessions_ended,
            still_busy: busy_sessions + busy_homes,
        })
    }

    /// Puts the limits of all homes in force, because the quota of users without one has changed. When it returns, no write
    /// that an earlier limit has allowed is in progress, except on a disk that hangs.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn apply_quotas(&self) -> Result<()> {
        let end = Instant::now() + CALLS_TIMEOUT;
        // Changes of records wait, since they could be in force before older records are.
        let seen = self.seen.lock().await;
        let accounts = &self.service.accounts;
        let users = self.store.users().await?;
        let changed = users
            .iter()
            .filter_map(|user| accounts.set_quota(&AccountId::of_home(&user.home), user.quota()));
        let changed: Vec<Arc<Account>> = changed.collect();
        drop(seen);
        self.wait_for_growth(changed, end).await;
        Ok(())
    }

    /// Does what [`RecordChanges::apply`] does, but does not wait for calls that had begun. Adds the users whose
    /// records have changed to `users`; returns how many sessions were ended, and the accounts whose limits have
    /// changed.
    async fn apply_without_waiting(
        &self,
        users: &mut BTreeSet<UserName>,
    ) -> Result<(usize, Vec<Arc<Account>>)> {
        let mut seen = self.seen.lock().await;
        let touched = self.store.changes_since(*seen).await?;
        self.service.sessions.changed();
        for user in touched.users {
            if !user.exists {
                self.service.auth.history().forget(&user.name);
            }
            users.insert(user.name);
        }
        // A new hash may take longer than all others, and failures must be answered as late from now on.
        self.service.auth.cover_hashes(*seen).await?;
        let mut changed = Vec::new();
        // A record that cannot be read must not delay those of others.
        let mut failed = None;
        for TouchedHome { home, quota } in touched.homes {
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
        *seen = touched.number;
        Ok((ended, changed))
    }

    /// Ends the sessions of these users that have lost something; returns how many. `failed` is set to the first error
    /// of looking up a user.
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
                if let Some(user) = &user {
                    session.budget.rates.set_rules(user.rates());
                }
                let auth = &self.service.auth;
                match auth
                    .review_record(&session.login, user.as_ref(), session.peer.ip())
                    .await
                {
                    Ok(Ok(until)) => self.service.sessions.set_expiry(&session, until),
                    Ok(Err(lost)) => ended += usize::from(session.revoke(lost.to_string())),
                    Err(error) => {
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        ended
    }

    /// Reviews a session with its user's current record; returns whether that has ended the session.
    async fn review_session(&self, session: &Session) -> Result<bool> {
        let login: &Login = &session.login;
        match self.service.auth.review(login, session.peer.ip()).await? {
            Review::Ends(lost) => Ok(session.revoke(lost.to_string())),
            Review::Continues { until, rates, .. } => {
                self.service.sessions.set_expiry(session, until);
                session.budget.rates.set_rules(rates);
                Ok(false)
            }
        }
    }

    /// Waits for the calls of ended sessions that had begun; returns how many sessions still have one.
    async fn wait_for_calls(&self, users: &BTreeSet<UserName>, end: Instant) -> usize {
        let mut busy = 0;
        for session in self.service.sessions.of_users(users) {
            if session.gate.is_closed() && timeout_at(end, session.gate.emptied()).await.is_err() {
                busy += 1;
            }
        }
        busy
    }

    /// Waits for the writes that earlier quotas have allowed; returns for how many homes they did not end.
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

    /// Ends sessions because an operator asked for it, and waits for the calls that had begun.
    pub async fn disconnect(&self, which: impl Fn(&Session) -> bool) -> Effect {
        let end = Instant::now() + CALLS_TIMEOUT;
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

    /// Returns whether a change was already missing at the last call and still is. `behind` is the revision that was in
    /// force then, if the store had a later one.
    async fn has_unannounced_change(&self, behind: &mut Option<i64>) -> Result<bool> {
        let seen = *self.seen.lock().await;
        let more = self.store.version().await? != seen;
        let unannounced = more && *behind == Some(seen);
        *behind = more.then_some(seen);
        Ok(unannounced)
    }

    /// Reviews the sessions that have expired, as far as is known; returns when the next one expires.
    async fn end_expired(&self) -> Option<Timestamp> {
        let (expired, next) = self.service.sessions.expired(Timestamp::now());
        for session in expired {
            // A busy store must not end every session: they are reviewed again later.
            if let Err(error) = self.review_session(&session).await {
                tracing::warn!(session = %session.id, %error, "cannot look up the user of a session");
            }
        }
        next
    }
}

/// Applies changes that no command has announced, and ends sessions when their users or keys expire.
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
        let unannounced = changes.has_unannounced_change(&mut behind).await;
        let applied = match unannounced {
            Ok(true) => changes
                .apply_without_waiting(&mut BTreeSet::new())
                .await
                .map(drop),
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
