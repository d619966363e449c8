//! Who is signed in: limits per user, listing, and ending from outside.
//!
//! States of a sign-in that was accepted:
//! - *entering*: the user's record was read, and the session is not in the registry yet. It takes its place there, and
//!   then looks whether any record was changed since it was read ([`Sessions::revision`]); if so, it reads it again.
//! - *live*: in the registry, its gate open.
//! - *ending*: its gate is closed ([`Session::revoke`]), so that no call on its home begins any more, and its client is
//!   told why; it counts no more for limits. Calls that had begun go on to their ends.
//! - *ended*: the connection is gone, and with it the place in the registry.
//!
//! Whoever changes a record says so before looking through the registry ([`Sessions::changed`]): a session is then
//! either found there, or looks again by itself.

pub mod memory;
mod presence;
pub mod share;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::auth::Login;
use crate::domain::event::{Event, Events, SessionId};
use crate::domain::user::UserName;
use crate::storage::gate::Gate;

pub use presence::{Activity, Busy, FileRecord, Presence, Working};
use share::{Descriptor, Pool, Share, UsedUp};

/// The sessions of one server.
#[derive(Default)]
pub struct Sessions {
    live: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    pool: Arc<Pool>,
    last_id: AtomicU64,
    revision: AtomicU64,
    until_changed: Notify,
}

/// One signed-in connection.
pub struct Session {
    /// Never used twice.
    pub id: SessionId,
    /// Who signed in.
    pub login: Login,
    /// From where.
    pub peer: SocketAddr,
    /// The client's identification string.
    pub client: OnceLock<String>,
    /// When, for people.
    pub since: Timestamp,
    /// When, for durations.
    pub began: Instant,
    /// Channels open now.
    pub channels: AtomicUsize,
    /// Files open now, in all channels: a session that has none transfers nothing.
    pub open_files: Arc<AtomicUsize>,
    /// What all sessions of this user hold together.
    pub share: Arc<Share>,
    /// Tells the bytes received and sent so far.
    pub traffic: OnceLock<Traffic>,
    /// Ends the connection.
    pub ending: Ending,
    /// What all calls on the home pass.
    pub gate: Arc<Gate>,
    /// Milliseconds since 1970; the user or the key expires then. `i64::MAX`: never.
    until: AtomicI64,
}

impl Session {
    /// Takes everything from the session, for good: no call on the home begins any more, and the client is told why.
    /// Returns whether that is new.
    pub fn revoke(&self, reason: impl Into<String>) -> bool {
        let new = self.gate.close();
        if new {
            self.ending.end(reason);
        }
        new
    }

    /// When the user's record or the key has to be looked at again, in milliseconds since 1970.
    fn until(&self) -> i64 {
        self.until.load(Ordering::Relaxed)
    }
}

fn millisecond(until: Option<Timestamp>) -> i64 {
    until.map_or(i64::MAX, Timestamp::as_millisecond)
}

/// Bytes received and sent so far, when it is asked.
pub type Traffic = Box<dyn Fn() -> (u64, u64) + Send + Sync>;

/// The request that a connection end, with its reason.
#[derive(Debug, Default, Clone)]
pub struct Ending(Arc<EndingState>);

#[derive(Debug, Default)]
struct EndingState {
    asked: CancellationToken,
    reason: OnceLock<String>,
}

impl Ending {
    /// Asks for the end. The first reason stands.
    pub fn end(&self, reason: impl Into<String>) {
        // A second reason comes too late.
        let _ = self.0.reason.set(reason.into());
        self.0.asked.cancel();
    }

    /// Waits until the end is asked for.
    pub async fn asked(&self) {
        self.0.asked.cancelled().await;
    }

    /// Has the end been asked for, and why?
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }
}

/// Says that a session has ended, when the last one who holds it lets go: the connection, or a task that still closes
/// its files.
pub struct EndNotice {
    session: Arc<Session>,
    events: Events,
}

impl EndNotice {
    /// For a session that has begun.
    pub fn new(session: Arc<Session>, events: Events) -> Arc<Self> {
        Arc::new(Self { session, events })
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        let session = &self.session;
        self.events.emit(&Event::SessionEnded {
            session: session.id,
            user: session.login.user().clone(),
            reason: session.ending.reason().unwrap_or("the client left").to_owned(),
            duration: session.began.elapsed(),
        });
    }
}

/// Why there is no place for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// The user has as many sessions as are allowed.
    #[error("too many sessions of this user (the limit is {limit})")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The user, or all users together, have as many open files as there may be.
    #[error(transparent)]
    UsedUp(#[from] UsedUp),
}

/// A place among the sessions; given up when dropped.
pub struct Place {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    _descriptor: Descriptor,
}

impl Place {
    /// The session that has it.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.live().remove(&self.session.id);
    }
}

impl Sessions {
    fn live(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, if the user has fewer sessions than their record, or else `limit`, allows.
    pub fn enter(self: &Arc<Self>, newcomer: Newcomer, limit: usize) -> Result<Place, NoPlace> {
        let Newcomer { login, peer, ending } = newcomer;
        let limit = session_limit(login.max_sessions(), limit);
        let mut live = self.live();
        let mut of_user = live
            .values()
            .filter(|s| s.login.user() == login.user())
            .peekable();
        let share = match of_user.peek() {
            Some(other) => Arc::clone(&other.share),
            None => Share::of(&self.pool),
        };
        if of_user.filter(|session| !session.gate.is_closed()).count() >= limit {
            return Err(NoPlace::TooMany { limit });
        }
        let descriptor = share.session()?;
        let id = SessionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let session = Arc::new(Session {
            id,
            until: AtomicI64::new(millisecond(login.until())),
            gate: Arc::default(),
            login,
            peer,
            client: OnceLock::new(),
            since: Timestamp::now(),
            began: Instant::now(),
            channels: AtomicUsize::new(0),
            open_files: Arc::default(),
            share,
            traffic: OnceLock::new(),
            ending,
        });
        live.insert(id, Arc::clone(&session));
        drop(live);
        if session.until() != i64::MAX {
            self.until_changed.notify_one();
        }
        Ok(Place {
            session,
            sessions: Arc::clone(self),
            _descriptor: descriptor,
        })
    }

    /// The sessions, oldest first.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.live().values().cloned().collect()
    }

    /// Counts the changes of users' records, so that a sign-in sees whether there were any.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// A user's record was changed: sign-ins that are entering read theirs again.
    pub fn changed(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
    }

    /// The sessions of these users, oldest first.
    pub fn of_users(&self, users: &BTreeSet<UserName>) -> Vec<Arc<Session>> {
        let live = self.live();
        let theirs = live
            .values()
            .filter(|session| users.contains(session.login.user()));
        theirs.cloned().collect()
    }

    /// Sessions of this user that have not been ended.
    pub fn count(&self, user: &UserName) -> usize {
        let live = self.live();
        let open = |session: &&Arc<Session>| session.login.user() == user && !session.gate.is_closed();
        live.values().filter(open).count()
    }

    /// A session may go on until then.
    pub fn goes_on(&self, session: &Session, until: Option<Timestamp>) {
        let until = millisecond(until);
        if session.until.swap(until, Ordering::Relaxed) > until {
            self.until_changed.notify_one();
        }
    }

    /// Sessions whose users or keys have expired by now, as far as is known; and when the next one does.
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

    /// Waits until some session expires earlier than was known.
    pub async fn until_changed(&self) {
        self.until_changed.notified().await;
    }

    /// Asks the sessions for which `which` holds to end; returns how many.
    pub fn end(&self, reason: &str, which: impl Fn(&Session) -> bool) -> usize {
        let ended = self.list().into_iter().filter(|session| which(session));
        ended.map(|session| session.ending.end(reason)).count()
    }
}

/// How many sessions a user may have at once: as many as the record says, or else as many as `usual`.
pub fn session_limit(of_record: Option<u32>, usual: usize) -> usize {
    of_record.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Who is about to become a session.
pub struct Newcomer {
    /// Who signed in.
    pub login: Login,
    /// From where.
    pub peer: SocketAddr,
    /// How to end the connection.
    pub ending: Ending,
}
