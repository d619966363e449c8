//! The queue of all hooks: what waits, in which order, and what is on the disk.
//!
//! Adding an entry never waits. A thread of the queue ([`HookQueue::start`]) writes what was added or has changed; an
//! entry is ready only when it is on the disk.

mod dropped;
mod queued_entry;
mod ready;
mod shares;
mod state;
mod types;

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub use self::dropped::{DropReason, DroppedEvents};
use self::state::{QueueState, UnwrittenChanges};
pub use self::types::{HookJob, HookStats, QueueLimits};
use super::entry::EntryDraft;
use super::journal::{Journal, JournalRecord};
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection};
use crate::session::events::UnsavedEvent;
use base::error::{Clause, Error, Result};
use base::report_interval::ReportInterval;

/// The name of the queue's file in the data directory.
pub const FILE_NAME: &str = "hooks.queue";

/// The shortest interval at which the log reports a queue that cannot be written.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The queue of all hooks.
#[derive(Debug)]
pub struct HookQueue {
    state: Mutex<QueueState>,
    journal: Mutex<Journal>,
    /// Wakes the thread that writes.
    to_write: Condvar,
    /// Wakes the task that runs hooks.
    changed: Notify,
    failures: AtomicU64,
    failure_reports: ReportInterval,
    /// Whether a failure was reported, and nothing was written since.
    is_reported: AtomicBool,
    problem: Mutex<Option<&'static str>>,
}

impl HookQueue {
    /// Opens the queue of a data directory. Entries that waited are ready at once. The caller holds the lock of the data
    /// directory.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or written.
    pub fn open(data_dir: &Path, limits: QueueLimits) -> Result<Self> {
        let (journal, records) = Journal::open(&data_dir.join(FILE_NAME))?;
        Ok(Self {
            state: Mutex::new(QueueState::replay(records, limits)),
            journal: Mutex::new(journal),
            to_write: Condvar::new(),
            changed: Notify::new(),
            failures: AtomicU64::new(0),
            failure_reports: ReportInterval::new(REPORT_EVERY),
            is_reported: AtomicBool::new(false),
            problem: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock()
    }

    /// Adds an entry. `unsaved` is dropped when the entry is on the disk, or was dropped itself.
    pub fn push(&self, draft: EntryDraft, unsaved: Option<UnsavedEvent>) {
        if self.state().push(draft, unsaved) {
            self.to_write.notify_one();
        } else {
            self.changed.notify_one();
        }
    }

    /// Takes an entry whose hook may run now. `may_run` says whether the hook with this id may run once more.
    pub fn take(&self, may_run: impl Fn(&str) -> bool) -> Option<HookJob> {
        self.state().take(Instant::now(), may_run)
    }

    /// Returns when the next entry is ready that is not ready yet; `None` if none is.
    pub fn next_due(&self) -> Option<Instant> {
        self.state().next_due()
    }

    /// Waits until something may be ready.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn update(&self, change: impl FnOnce(&mut QueueState)) {
        change(&mut self.state());
        self.to_write.notify_one();
        self.changed.notify_one();
    }

    /// Records that nothing is left to do for an entry.
    pub fn finish(&self, id: u64) {
        self.update(|state| state.finish(id));
    }

    /// Returns the entry with the next upload of the file that this entry is about, for the same hook, if it waits.
    pub fn next_upload(&self, id: u64) -> Option<u64> {
        self.state().next_upload(id)
    }

    /// Records that the file of an entry was published. Nothing is left to do for it, nor for entries about the same file
    /// that were set aside.
    pub fn finish_published(&self, id: u64) {
        self.update(|state| state.finish_published(id));
    }

    /// Records that an attempt has failed. The entry is tried again after a pause, or set aside after `retries`.
    pub fn fail(&self, id: u64, error: &str, retries: u32) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.update(|state| state.fail(id, error, retries));
    }

    /// Sets an entry aside without counting an attempt, because no attempt can help.
    pub fn set_aside(&self, id: u64, error: &str) {
        self.update(|state| state.set_aside(id, error));
    }

    /// Gives back an entry whose attempt has no end, because the helper has ended. After several times, the attempt counts
    /// as failed.
    pub fn interrupt(&self, id: u64, retries: u32) {
        self.update(|state| state.interrupt(id, retries));
    }

    /// Counts an end of the helper, or of its supervisor, and keeps what an operator must do something about.
    pub fn helper_failed(&self, problem: Option<&'static str>) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.problem.lock() = problem;
    }

    /// Returns what an operator must do something about, so that commands can be run.
    pub fn problem(&self) -> Option<&'static str> {
        *self.problem.lock()
    }

    /// Returns all entries, in their order.
    pub fn list(&self) -> Vec<HookEntryView> {
        self.state().list()
    }

    /// Does this with the entries that are selected, and returns how many. Those that are running are left alone.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if one of them is not in the queue.
    pub fn act(&self, action: HookAction, selection: &HookSelection) -> Result<usize> {
        let mut state = self.state();
        let ids = state.select(selection).map_err(|id| {
            Error::new(format!("there is no entry {id} that waits in the queue of hooks"))
                .hint("homeportd hooks list")
                .not_found()
        })?;
        for id in &ids {
            match action {
                HookAction::Retry => state.retry(*id),
                HookAction::Drop => state.finish(*id),
            }
        }
        drop(state);
        self.to_write.notify_one();
        self.changed.notify_one();
        Ok(ids.len())
    }

    /// Returns what was counted.
    pub fn stats(&self) -> HookStats {
        let counted = self.state().stats();
        HookStats {
            failures: self.failures.load(Ordering::Relaxed),
            ..counted
        }
    }

    /// Returns the events that were dropped since this was called last.
    pub fn take_dropped(&self) -> Vec<DroppedEvents> {
        self.state().take_dropped()
    }

    /// Starts the thread that writes. It ends after [`HookQueue::close`].
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub fn start(self: &Arc<Self>) -> Result<()> {
        let queue = Arc::clone(self);
        let thread = std::thread::Builder::new().name("hooks".into());
        let started = thread.spawn(move || {
            while queue.wait_for_work() {
                queue.write();
            }
        });
        started
            .map_err(|error| Error::new("cannot start the thread of the queue of hooks").because(error))?;
        Ok(())
    }

    /// Writes what is left, and ends the thread. It blocks on the disk.
    pub fn close(&self) {
        self.state().closed = true;
        self.to_write.notify_all();
        self.write();
    }

    /// Waits until there is something to write; returns `false` if the queue is closed and nothing is left.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state();
        while !state.has_unwritten() {
            if state.closed {
                return false;
            }
            self.to_write.wait(&mut state);
        }
        true
    }

    /// Writes what was added or has changed so far, and wakes whoever waits for it.
    pub fn write(&self) {
        let mut journal = self.journal.lock();
        let UnwrittenChanges {
            records,
            added,
            unsaved,
        } = self.state().take_unwritten();
        let lines: String = records.iter().map(JournalRecord::line).collect();
        // What is lost of changes only has a hook run once more.
        let result = journal.append(&lines, !added.is_empty());
        let mut state = self.state();
        match &result {
            Ok(()) => state.on_disk(&added),
            Err(_) => state.not_written(&added),
        }
        if result.is_err() && records.len() > added.len() {
            // The former entries are written again, as soon as the disk allows it.
            journal.fall_behind();
        }
        let replacement = journal
            .should_be_replaced(state.bytes())
            .then(|| state.snapshot());
        drop(state);
        drop(unsaved);
        self.changed.notify_one();
        if let Some(lines) = replacement
            && let Err(error) = journal.replace(&lines)
        {
            tracing::debug!(%error, "the queue of hooks cannot be made smaller now");
        }
        self.report(result);
    }

    fn report(&self, result: std::io::Result<()>) {
        match result {
            Ok(()) if self.is_reported.swap(false, Ordering::Relaxed) => {
                tracing::info!("the queue of hooks can be written again");
            }
            Err(error) if self.failure_reports.is_due() => {
                tracing::error!(
                    cause = %Clause(&error),
                    "the queue of hooks cannot be written: events are dropped, uploads go on (hint: make room on the disk of \
                     the data directory)"
                );
                self.is_reported.store(true, Ordering::Relaxed);
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
