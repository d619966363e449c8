//! What a channel knows of its session: the actor of its events, its budget, and whether it transfers something. The
//! session itself is in [`super::registry`].

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::domain::event::{Actor, ChangedAttributes, Event, SizeChange};
use crate::domain::path::VirtualPath;
use crate::storage::{DirStream, Error, FileKind, Links, SetAttrs, Storage};
use base::error::Clause;
use base::report_interval::ReportInterval;

use super::budget::UserBudget;
use super::byte_counters::ByteCounters;
use super::events::{EventBackpressure, Events, UnsavedEvent, UnsavedEvents};
use super::registry::EndReport;
use super::uploads::RenamedUpload;
use super::work::WorkTable;

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

/// Limits the log lines about full disks, however many clients run into them.
static FULL_DISK_REPORTS: ReportInterval = ReportInterval::new(Duration::from_secs(10));

/// The most names among which a file is looked for in a directory that was renamed.
const MOST_NAMES_EXAMINED: usize = 256;

/// Returns whether a directory has a file in it or below. If that cannot be found out soon, it has.
fn has_files(storage: &dyn Storage, directory: &VirtualPath) -> bool {
    let mut directories = vec![directory.absolute()];
    let mut examined = 0;
    while let Some(directory) = directories.pop() {
        let Ok(path) = VirtualPath::parse(&directory) else {
            continue;
        };
        let Ok(mut stream) = storage.open_dir(&path) else {
            return true;
        };
        while let Ok(Some(entry)) = DirStream::next(&mut *stream) {
            examined += 1;
            if entry.meta.kind == FileKind::File || examined > MOST_NAMES_EXAMINED {
                return true;
            }
            if entry.meta.kind == FileKind::Directory && entry.name != b"." && entry.name != b".." {
                directories.push([&directory[..], b"/", &entry.name[..]].concat());
            }
        }
    }
    false
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
    /// The events of the channel that hooks wait for and that are not on the disk yet. Replies wait for them.
    pub unsaved: Arc<UnsavedEvents>,
    /// The number of open files and of hashes being computed, in all channels of the session. A server that drains
    /// waits until it is 0.
    pub busy_count: Arc<AtomicUsize>,
    /// The budget that all sessions of the user share.
    pub budget: Arc<UserBudget>,
    /// The files that the session works on, for operators.
    pub work: Arc<WorkTable>,
    /// The bytes that all sessions transfer, for the metrics.
    pub bytes: Arc<ByteCounters>,
    /// Whether the server is working for the connection.
    pub activity: Activity,
    /// Reports the end of the session when its last holder drops it, which is after its files are closed.
    pub end_report: Arc<EndReport>,
}

impl SessionContext {
    /// Emits an event of this session.
    pub fn emit(&self, event: impl FnOnce(Actor) -> Event) {
        self.events
            .emit_of_channel(&event(self.actor.clone()), &self.unsaved);
    }

    /// Counts an upload whose event is still to come as unsaved, if a subscriber saves uploads.
    pub fn expect_upload(&self) -> Option<UnsavedEvent> {
        self.events.saves_uploads().then(|| self.unsaved.add())
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
            Error::DiskFull | Error::DiskQuota => {
                if FULL_DISK_REPORTS.is_due() {
                    let Actor { user, session, .. } = &self.actor;
                    let cause = Clause(&error);
                    let place = match self.actor.folder_of(path) {
                        Some(folder) => format!("folder {folder}"),
                        None => "home".to_owned(),
                    };
                    tracing::warn!(%user, %session, %path, %cause, "no space left on the disk of the {place}");
                }
                let (path, sentence) = (path.clone(), sentence());
                self.emit(|who| Event::NoSpace { who, path, sentence });
            }
            // Every other refusal concerns the client alone.
            _ => {}
        }
    }

    /// Emits the event that an upload is complete, if a rename has completed it.
    pub fn renamed(&self, storage: &dyn Storage, from: &VirtualPath, to: &VirtualPath) {
        let uploads = self.events.uploads();
        let completes = uploads.completes(from, to);
        if !completes && !uploads.is_tracking() {
            return;
        }
        let meta = storage.stat(to, Links::NoFollow).ok();
        let is_complete = match meta.map(|meta| (meta.kind, meta.inode)) {
            Some((FileKind::File, inode)) => {
                let is_complete = uploads.renamed(inode, to) == RenamedUpload::Complete && completes;
                if is_complete {
                    uploads.completed(inode);
                }
                is_complete
            }
            Some((FileKind::Directory, _)) => completes && has_files(storage, to),
            Some((FileKind::Symlink | FileKind::Special, _)) => false,
            None => completes,
        };
        if !is_complete {
            return;
        }
        let file = meta.filter(|meta| meta.kind == FileKind::File);
        let (context, from, path) = (self.clone(), from.clone(), to.clone());
        let unsaved = self.expect_upload();
        let uploaded = move |digest| {
            context.emit(|who| Event::Uploaded {
                who,
                path,
                size: file.map(|meta| meta.size),
                file: file.map(|meta| meta.inode.into()),
                from: Some(from),
                digest,
            });
            drop(unsaved);
        };
        match file {
            Some(meta) => uploads.digest_of_renamed(meta.inode, uploaded),
            None => uploaded(None),
        }
    }

    /// Counts a transfer or a hash until the guard is dropped.
    pub fn busy(&self) -> BusyGuard {
        self.busy_count.fetch_add(1, Ordering::Relaxed);
        BusyGuard(self.clone())
    }

    /// Emits the event that attributes of a file or directory were changed; `sizes` if its size was.
    pub fn attributes_changed(&self, path: &VirtualPath, changes: &SetAttrs, sizes: Option<SizeChange>) {
        let changed = ChangedAttributes {
            size: sizes,
            permissions: changes.permissions,
            times: changes.times.is_some(),
            owner: changes.owner.is_some(),
        };
        if changed != ChangedAttributes::default() {
            let path = path.clone();
            self.emit(|who| Event::Attributes { who, path, changed });
        }
    }
}

/// Counts as one transfer or hash of the session until it is dropped: see [`SessionContext::busy`].
pub struct BusyGuard(SessionContext);

impl BusyGuard {
    /// Returns the session that is busy.
    pub fn context(&self) -> &SessionContext {
        &self.0
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.busy_count.fetch_sub(1, Ordering::Relaxed);
    }
}
