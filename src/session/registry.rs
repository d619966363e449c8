//! The registry of sessions: it limits them per user, lists them, and ends them from outside.
//!
//! States of a sign-in that was accepted:
//! - *entering*: the user's record was read, and the session is not in the registry yet. It registers, and then checks
//!   whether any record was changed since its own was read ([`Sessions::revision`]); if so, it reads its record again.
//! - *live*: in the registry, its gate open.
//! - *ending*: its gate is closed ([`Session::revoke`]), so that no further call on its home begins, and its client is
//!   told why; it does not count for limits any more. Calls that had begun are completed.
//! - *ended*: the connection is closed, and the session is out of the registry.
//!
//! Code that changes a record calls [`Sessions::changed`] before it looks through the registry: a session is then
//! either found there, or reviews its record by itself.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::auth::Login;
use crate::domain::event::{Actor, Event, FileEnd, FolderPlace, Protocol, SessionId};
use crate::domain::user::UserName;
use crate::storage::gate::Gate;

use super::budget::{Descriptor, ServerBudget, UserBudget};
use super::end_request::EndRequest;
use super::events::Events;
use super::limits::{NotRegistered, SessionClass, UserLimits};
use super::rate::Rates;
use super::work::WorkTable;

/// The registry of the sessions of one server.
#[derive(Default)]
pub struct Sessions {
    live: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    server_budget: Arc<ServerBudget>,
    last_id: AtomicU64,
    revision: AtomicU64,
    until_changed: Notify,
}

/// The session of a connection whose user has signed in.
pub struct Session {
    /// The session's id, which is never used again.
    pub id: SessionId,
    /// The proof that the user has signed in.
    pub login: Login,
    /// The address and port that the client comes from.
    pub peer: SocketAddr,
    /// The protocol that the client speaks.
    pub protocol: Protocol,
    /// The identification string that the client's software has sent.
    pub client: OnceLock<String>,
    /// The time of the sign-in, as it is shown to people.
    pub since: Timestamp,
    /// The time of the sign-in, for measuring how long the session lasts.
    pub began: Instant,
    /// The number of channels that are open now.
    pub channels: AtomicUsize,
    /// The number of open files and of hashes being computed, in all channels. A session transfers nothing if it is 0.
    pub busy_count: Arc<AtomicUsize>,
    /// The files that the session works on.
    pub work: Arc<WorkTable>,
    /// The budget that all sessions of this user share.
    pub budget: Arc<UserBudget>,
    /// Reads how many bytes have been received and sent so far.
    pub traffic: OnceLock<TrafficMeter>,
    /// Asks the connection to end.
    pub ending: EndRequest,
    /// The gate that all calls on the home pass.
    pub gate: Arc<Gate>,
    /// When the user or the key expires, in milliseconds since 1970; `i64::MAX` if never.
    until: AtomicI64,
}

impl Session {
    /// Closes the gate of the session for good: no further call on the home begins, and the client is told why. Returns
    /// whether the gate was open.
    pub fn revoke(&self, reason: impl Into<String>) -> bool {
        let new = self.gate.close();
        if new {
            self.ending.end(reason);
        }
        new
    }

    /// Returns the session and its user as events name them.
    pub fn actor(&self) -> Actor {
        Actor {
            session: self.id,
            user: self.login.user().clone(),
            peer: self.peer,
            home: self.login.home().into(),
            folders: self
                .login
                .folders()
                .iter()
                .map(|(folder, _)| FolderPlace::of(folder))
                .collect(),
            protocol: self.protocol,
            share: self.login.share(),
        }
    }

    /// Returns when the user's record or the key has to be reviewed, in milliseconds since 1970.
    fn until(&self) -> i64 {
        self.until.load(Ordering::Relaxed)
    }
}

fn millisecond(until: Option<Timestamp>) -> i64 {
    until.map_or(i64::MAX, Timestamp::as_millisecond)
}

/// The bytes that went over a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The bytes received from the client.
    pub received: u64,
    /// The bytes sent to the client.
    pub sent: u64,
}

/// Reads a connection's [`Traffic`] when it is called.
pub type TrafficMeter = Box<dyn Fn() -> Traffic + Send + Sync>;

/// Emits the event that a session has ended, when its last holder drops it: the connection, or a task that still closes
/// files.
pub struct EndReport {
    session: Arc<Session>,
    events: Events,
}

impl EndReport {
    /// Creates the report for a session that has begun.
    pub fn new(session: Arc<Session>, events: Events) -> Arc<Self> {
        Arc::new(Self { session, events })
    }

    /// Returns the session whose end is reported.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let session = &self.session;
        self.events.emit(&Event::SessionEnded {
            who: session.actor(),
            reason: session.ending.reason().unwrap_or("the client left").to_owned(),
            duration: session.began.elapsed(),
        });
    }
}

/// The place of a session in the registry. Dropping it removes the session.
pub struct Registration {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    _descriptor: Descriptor,
}

impl Registration {
    /// Returns the session that is registered.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.live().remove(&self.session.id);
    }
}

impl Sessions {
    /// Creates the registry of a server whose users share this budget.
    pub fn new(budget: ServerBudget) -> Self {
        Self {
            server_budget: Arc::new(budget),
            ..Self::default()
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Session>>> {
        self.live.lock()
    }

    /// Registers a session, if the user has fewer sessions than the record allows, or than `usual` does if the record
    /// has no limit. The rates hold from then on for all sessions of the user. Visitors of a share have limits and a budget
    /// of their own.
    pub fn enter(
        self: &Arc<Self>,
        newcomer: NewSession,
        usual: UserLimits,
    ) -> Result<Registration, NotRegistered> {
        let NewSession {
            login,
            peer,
            protocol,
            ending,
        } = newcomer;
        let class = SessionClass::of(&login);
        let mut live = self.live();
        let budget = match live.values().find(|session| class.has(&session.login)) {
            Some(other) => Arc::clone(&other.budget),
            None => UserBudget::of(&self.server_budget),
        };
        let open = live.values().filter(|session| !session.gate.is_closed());
        class.check(
            open.map(|session| &session.login),
            login.max_sessions(),
            usual.sessions,
        )?;
        let descriptor = budget.session()?;
        budget.rates.set_usual(usual.rates);
        budget.rates.set_rules(login.rates());
        let id = SessionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let session = Arc::new(Session {
            id,
            until: AtomicI64::new(millisecond(login.until())),
            gate: Arc::default(),
            login,
            peer,
            protocol,
            client: OnceLock::new(),
            since: Timestamp::now(),
            began: Instant::now(),
            channels: AtomicUsize::new(0),
            busy_count: Arc::default(),
            work: Arc::default(),
            budget,
            traffic: OnceLock::new(),
            ending,
        });
        live.insert(id, Arc::clone(&session));
        drop(live);
        if session.until() != i64::MAX {
            self.until_changed.notify_one();
        }
        Ok(Registration {
            session,
            sessions: Arc::clone(self),
            _descriptor: descriptor,
        })
    }

    /// Puts rates in force for the sessions of users whose records have none.
    pub fn set_rates(&self, usual: Rates) {
        for session in self.live().values() {
            session.budget.rates.set_usual(usual);
        }
    }

    /// Returns all sessions, oldest first.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.live().values().cloned().collect()
    }

    /// Returns the sessions with higher numbers than this one, oldest first, at most `most`.
    pub fn list_after(&self, id: SessionId, most: usize) -> Vec<Arc<Session>> {
        let later = (Bound::Excluded(id), Bound::Unbounded);
        self.live()
            .range(later)
            .take(most)
            .map(|(_, session)| Arc::clone(session))
            .collect()
    }

    /// Returns the number of sessions.
    pub fn number(&self) -> usize {
        self.live().len()
    }

    /// Returns the number of changes to users' records so far, by which a sign-in sees whether there was one in
    /// between.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// Records that a user's record was changed: sign-ins that are about to register read theirs again.
    pub fn changed(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the sessions of these users, oldest first.
    pub fn of_users(&self, users: &BTreeSet<UserName>) -> Vec<Arc<Session>> {
        let live = self.live();
        let theirs = live
            .values()
            .filter(|session| users.contains(session.login.user()));
        theirs.cloned().collect()
    }

    /// Returns the number of this user's sessions that have not been revoked, without those of visitors.
    pub fn count(&self, user: &UserName) -> usize {
        let live = self.live();
        let class = SessionClass::of_user(user);
        let open = |session: &&Arc<Session>| class.has(&session.login) && !session.gate.is_closed();
        live.values().filter(open).count()
    }

    /// Sets the time at which the session has to be reviewed; `None` if it does not expire.
    pub fn set_expiry(&self, session: &Session, until: Option<Timestamp>) {
        let until = millisecond(until);
        if session.until.swap(until, Ordering::Relaxed) > until {
            self.until_changed.notify_one();
        }
    }

    /// Returns the sessions whose users or keys have expired by now, as far as is known, and when the next one expires.
    pub fn expired(&self, now: Timestamp) -> (Vec<Arc<Session>>, Option<Timestamp>) {
        let now = now.as_millisecond();
        let (mut expired, mut next) = (Vec::new(), i64::MAX);
        for session in self.live().values().filter(|session| !session.gate.is_closed()) {
            match session.until() {
                until if until <= now => expired.push(Arc::clone(session)),
                until => next = next.min(until),
            }
        }
        (expired, Timestamp::from_millisecond(next).ok())
    }

    /// Waits until a session is known to expire earlier than was known before.
    pub async fn until_changed(&self) {
        self.until_changed.notified().await;
    }

    /// Asks the sessions for which `which` returns `true` to end, because the server stops; returns how many.
    pub fn end(&self, reason: &str, which: impl Fn(&Session) -> bool) -> usize {
        let ended = self.list().into_iter().filter(|session| which(session));
        ended
            .map(|session| session.ending.end_files(FileEnd::Stopping, reason))
            .count()
    }
}

/// A sign-in that is about to become a session.
pub struct NewSession {
    /// The proof that the user has signed in.
    pub login: Login,
    /// The address and port that the client comes from.
    pub peer: SocketAddr,
    /// The protocol that the client speaks.
    pub protocol: Protocol,
    /// Asks the connection to end.
    pub ending: EndRequest,
}
