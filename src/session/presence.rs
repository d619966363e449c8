//! What a channel knows of its session: whose its events are, and that it transfers something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::domain::event::queue::Credit;
use crate::domain::event::{Actor, Event, Events};
use crate::domain::path::VirtualPath;
use crate::storage::Error;
use base::error::Clause;

use super::EndNotice;
use super::share::Share;

/// Whether the server works for a connection: one that waits for its answer is not idle.
#[derive(Clone, Default)]
pub struct Activity(Arc<Mutex<Work>>);

#[derive(Default)]
struct Work {
    under_way: usize,
    ended: Option<Instant>,
}

impl Activity {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is worked on until this is dropped.
    pub fn begin(&self) -> Working {
        self.work().under_way += 1;
        Working(self.clone())
    }

    /// When something was worked on last; `None`: never.
    pub fn last(&self) -> Option<Instant> {
        let work = self.work();
        match work.under_way {
            0 => work.ended,
            _ => Some(Instant::now()),
        }
    }
}

/// See [`Activity::begin`].
pub struct Working(Activity);

impl Drop for Working {
    fn drop(&mut self) {
        let mut work = self.0.work();
        work.under_way = work.under_way.saturating_sub(1);
        work.ended = Some(Instant::now());
    }
}

/// A full disk is told this seldom, however many clients find it full.
const FULL_DISK_EVERY: Duration = Duration::from_secs(10);

/// Has no full disk been told of for a while?
fn is_first_for_a_while() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let first = last.is_none_or(|last| last.elapsed() >= FULL_DISK_EVERY);
    if first {
        *last = Some(Instant::now());
    }
    first
}

/// What a channel knows of its session. Cheap to clone.
#[derive(Clone)]
pub struct Presence {
    /// For events.
    pub actor: Actor,
    /// Where they go.
    pub events: Events,
    /// Whether there is room for more of them.
    pub credit: Arc<Credit>,
    /// Files open now, counted for the whole session.
    pub open_files: Arc<AtomicUsize>,
    /// What all sessions of the user hold together.
    pub share: Arc<Share>,
    /// Whether the server works for the connection.
    pub activity: Activity,
    /// Lets go after the files are closed.
    pub end_notice: Arc<EndNotice>,
}

impl Presence {
    /// Emits an event of this session.
    pub fn tell(&self, event: impl FnOnce(Actor) -> Event) {
        self.events.emit(&event(self.actor.clone()));
    }

    /// A call on the home was refused: tells those refusals that an operator may want to know about.
    pub fn refused(&self, error: Error, path: &VirtualPath, sentence: impl FnOnce() -> String) {
        match error {
            Error::Forbidden(operation) => {
                let path = path.clone();
                self.tell(|who| Event::Forbidden { who, operation, path });
            }
            Error::OverBytes { .. } | Error::OverFiles { .. } => {
                let (path, sentence) = (path.clone(), sentence());
                self.tell(|who| Event::OverQuota { who, path, sentence });
            }
            Error::Os(errno @ (Errno::NOSPC | Errno::DQUOT)) => {
                if is_first_for_a_while() {
                    let Actor { user, session } = &self.actor;
                    let cause = std::io::Error::from(errno);
                    let cause = Clause(&cause);
                    tracing::warn!(%user, %session, %path, %cause, "no space left on the disk of the home");
                }
            }
            Error::Os(_)
            | Error::WouldBlock
            | Error::Measuring
            | Error::Unmeasurable
            | Error::NotRecorded
            | Error::NotOwned
            | Error::Ended => {}
        }
    }

    /// Something is transferred or hashed until this is dropped: a server that drains waits for it.
    pub fn busy(&self) -> Busy {
        self.open_files.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// A file was opened; says so, and says when it is closed.
    pub fn opened(&self, path: VirtualPath, write: bool) -> FileRecord {
        self.tell(|who| Event::Opened {
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

/// See [`Presence::busy`].
pub struct Busy(Presence);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open_files.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What happened to an open file. Dropping it says that the file was closed.
pub struct FileRecord {
    /// As it was opened.
    pub path: VirtualPath,
    /// Sum of the bytes read.
    pub bytes_read: u64,
    /// Sum of the bytes written.
    pub bytes_written: u64,
    since: Instant,
    busy: Busy,
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
        busy.0.tell(|who| Event::Closed {
            who,
            path: path.clone(),
            bytes_read: *bytes_read,
            bytes_written: *bytes_written,
            duration: since.elapsed(),
        });
    }
}
