//! What a channel knows of its session: the actor of its events, its budget, and whether it transfers something. The
//! session itself is in [`super::registry`].

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::domain::event::{Actor, Event};
use crate::domain::path::VirtualPath;
use crate::storage::Error;
use base::error::Clause;

use super::budget::UserBudget;
use super::events::{EventBackpressure, Events};
use super::registry::EndReport;

/// Tracks whether the server is working for a connection: a connection that waits for its reply is not idle.
#[derive(Clone, Default)]
pub struct Activity(Arc<Mutex<ActivityState>>);

#[derive(Default)]
struct ActivityState {
    under_way: usize,
    ended: Option<Instant>,
}

impl Activity {
    fn work(&self) -> MutexGuard<'_, ActivityState> {
        self.0.lock()
    }

    /// Counts as work for the connection until the guard is dropped.
    pub fn begin(&self) -> ActivityGuard {
        self.work().under_way += 1;
        ActivityGuard(self.clone())
    }

    /// Returns when the server last worked for the connection, or `None` if it never has.
    pub fn last(&self) -> Option<Instant> {
        let work = self.work();
        match work.under_way {
            0 => work.ended,
            _ => Some(Instant::now()),
        }
    }
}

/// Counts as work for a connection until it is dropped: see [`Activity::begin`].
pub struct ActivityGuard(Activity);

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let mut work = self.0.work();
        work.under_way = work.under_way.saturating_sub(1);
        work.ended = Some(Instant::now());
    }
}

/// The shortest time between two log lines about a full disk, however many clients run into it.
const FULL_DISK_EVERY: Duration = Duration::from_secs(10);

/// Returns whether a full disk may be logged now, and if so, records that it was.
fn is_first_for_a_while() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock();
    let first = last.is_none_or(|last| last.elapsed() >= FULL_DISK_EVERY);
    if first {
        *last = Some(Instant::now());
    }
    first
}

/// What a channel knows of its session. It is cheap to clone.
#[derive(Clone)]
pub struct SessionContext {
    /// The session and its user, as events name them.
    pub actor: Actor,
    /// The emitter of the session's events.
    pub events: Events,
    /// Slows the session down when the audit log cannot keep up with the user's events.
    pub event_backpressure: Arc<EventBackpressure>,
    /// The number of open files and of hashes being computed, in all channels of the session. A server that drains
    /// waits until it is 0.
    pub busy_count: Arc<AtomicUsize>,
    /// The budget that all sessions of the user share.
    pub budget: Arc<UserBudget>,
    /// Whether the server is working for the connection.
    pub activity: Activity,
    /// Reports the end of the session when its last holder drops it, which is after its files are closed.
    pub end_report: Arc<EndReport>,
}

impl SessionContext {
    /// Emits an event of this session.
    pub fn emit(&self, event: impl FnOnce(Actor) -> Event) {
        self.events.emit(&event(self.actor.clone()));
    }

    /// Reports a refused call on the home, if an operator may want to know about it.
    pub fn refused(&self, error: Error, path: &VirtualPath, sentence: impl FnOnce() -> String) {
        match error {
            Error::Forbidden(operation) => {
                let path = path.clone();
                self.emit(|who| Event::Forbidden { who, operation, path });
            }
            Error::OverBytes { .. } | Error::OverFiles { .. } => {
                let (path, sentence) = (path.clone(), sentence());
                self.emit(|who| Event::OverQuota { who, path, sentence });
            }
            Error::DiskFull | Error::DiskQuota if is_first_for_a_while() => {
                let Actor { user, session } = &self.actor;
                let cause = Clause(&error);
                tracing::warn!(%user, %session, %path, %cause, "no space left on the disk of the home");
            }
            // Every other refusal concerns the client alone.
            _ => {}
        }
    }

    /// Counts a transfer or a hash until the guard is dropped.
    pub fn busy(&self) -> BusyGuard {
        self.busy_count.fetch_add(1, Ordering::Relaxed);
        BusyGuard(self.clone())
    }

    /// Emits the event that a file was opened. When the returned record is dropped, it emits that the file was closed.
    pub fn opened(&self, path: VirtualPath, write: bool) -> FileRecord {
        self.emit(|who| Event::Opened {
            who,
            path: path.clone(),
            write,
        });
        FileRecord {
            path,
            bytes_read: 0,
            bytes_written: 0,
            since: Instant::now(),
            busy: self.busy(),
        }
    }
}

/// Counts as one transfer or hash of the session until it is dropped: see [`SessionContext::busy`].
pub struct BusyGuard(SessionContext);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.busy_count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was done with an open file. When it is dropped, it emits the event that the file was closed.
pub struct FileRecord {
    /// The path by which the file was opened.
    pub path: VirtualPath,
    /// The number of bytes read so far.
    pub bytes_read: u64,
    /// The number of bytes written so far.
    pub bytes_written: u64,
    since: Instant,
    busy: BusyGuard,
}

impl Drop for FileRecord {
    fn drop(&mut self) {
        let Self {
            path,
            bytes_read,
            bytes_written,
            since,
            busy,
        } = self;
        busy.0.emit(|who| Event::Closed {
            who,
            path: path.clone(),
            bytes_read: *bytes_read,
            bytes_written: *bytes_written,
            duration: since.elapsed(),
        });
    }
}
