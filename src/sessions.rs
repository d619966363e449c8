//! Who is signed in: limits per user, listing, and ending from outside.

pub mod memory;
mod presence;
pub mod share;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::auth::Login;
use crate::event::{Event, Events, SessionId};

pub use presence::{Activity, Busy, FileRecord, Presence, Working};
use share::{Descriptor, Pool, Share, UsedUp};

/// The sessions of one server.
#[derive(Default)]
pub struct Sessions {
    live: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    pool: Arc<Pool>,
    last_id: AtomicU64,
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
        let own = login
            .max_sessions()
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let limit = own.unwrap_or(limit);
        let mut live = self.live();
        let mut of_user = live
            .values()
            .filter(|s| s.login.user() == login.user())
            .peekable();
        let share = match of_user.peek() {
            Some(other) => Arc::clone(&other.share),
            None => Share::of(&self.pool),
        };
        if of_user.count() >= limit {
            return Err(NoPlace::TooMany { limit });
        }
        let descriptor = share.session()?;
        let id = SessionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let session = Arc::new(Session {
            id,
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

    /// Asks the sessions for which `which` holds to end; returns how many.
    pub fn end(&self, reason: &str, which: impl Fn(&Session) -> bool) -> usize {
        let ended = self.list().into_iter().filter(|session| which(session));
        ended.map(|session| session.ending.end(reason)).count()
    }
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
