//! What the queue has in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dropped::{DropCounter, DropReason, DroppedEvents, DroppedKind};
use super::queued_entry::{EntryPhase, QueuedEntry, pause_after};
use super::ready::ReadyEntries;
use super::shares::QueueShares;
use super::types::{HookJob, HookStats, QueueLimits};
use crate::hooks::entry::{EntryDraft, QueueEntry};
use crate::hooks::journal::{FailedAttempts, JournalRecord};
use crate::hooks::order::{EntryOrder, OrderKey};
use crate::ops::hooks::{HookEntryView, HookSelection};
use crate::session::events::UnsavedEvent;

/// The largest event in bytes that a hook is told, since it is one message to the helper.
const LARGEST_EVENT: usize = 64 * 1024;
/// The most bytes that are kept of an error.
const LONGEST_ERROR: usize = 512;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct UnwrittenChanges {
    pub(super) records: Vec<JournalRecord>,
    /// The entries that are new.
    pub(super) added: Vec<u64>,
    pub(super) unsaved: Vec<UnsavedEvent>,
}

/// What the queue has in memory.
#[derive(Debug)]
pub(super) struct QueueState {
    limits: QueueLimits,
    entries: BTreeMap<u64, QueuedEntry>,
    order: EntryOrder,
    ready: ReadyEntries,
    shares: QueueShares,
    next: u64,
    unwritten: UnwrittenChanges,
    dropped: DropCounter,
    set_aside: usize,
    pub(super) closed: bool,
}

impl QueueState {
    /// Restores the queue from the records of its file.
    pub(super) fn replay(records: Vec<JournalRecord>, limits: QueueLimits) -> Self {
        let mut state = Self {
            limits,
            entries: BTreeMap::new(),
            order: EntryOrder::default(),
            ready: ReadyEntries::default(),
            shares: QueueShares::default(),
            next: 1,
            unwritten: UnwrittenChanges::default(),
            dropped: DropCounter::default(),
            set_aside: 0,
            closed: false,
        };
        for record in records {
            match record {
                JournalRecord::Next(next) => state.next = state.next.max(next),
                JournalRecord::Add(entry) => {
                    let id = entry.id;
                    state.next = state.next.max(id + 1);
                    state.insert(*entry);
                    state.on_disk(&[id]);
                }
                JournalRecord::Gone(id) => state.remove(id),
                JournalRecord::Failed(failed) => state.note_failure(&failed),
                JournalRecord::SetAside(failed) => {
                    state.note_failure(&failed);
                    state.leave_order(failed.id);
                }
                JournalRecord::Retry(id) => state.start_over(id),
            }
        }
        state
    }

    /// Adds an entry that is to be written; returns `false` if it was dropped.
    pub(super) fn push(&mut self, draft: EntryDraft, unsaved: Option<UnsavedEvent>) -> bool {
        let kind = |reason| DroppedKind {
            label: draft.label.clone(),
            event: draft.event.to_owned(),
            reason,
        };
        let refused = match draft.line.len() > LARGEST_EVENT {
            true => Some(DropReason::TooLarge),
            false => self.shares.refuse(draft.user.as_deref(), self.limits),
        };
        if let Some(reason) = refused {
            let kind = kind(reason);
            self.dropped.add(kind);
            return false;
        }
        let too_large = kind(DropReason::TooLarge);
        // The audit log writes nothing but JSON.
        let Ok(entry) = QueueEntry::new(self.next, draft) else {
            self.dropped.add(too_large);
            return false;
        };
        let id = entry.id;
        self.next += 1;
        self.unwritten
            .records
            .push(JournalRecord::Add(Box::new(entry.clone())));
        self.unwritten.added.push(id);
        self.unwritten.unsaved.extend(unsaved);
        self.insert(entry);
        true
    }

    fn insert(&mut self, entry: QueueEntry) {
        self.shares.add(&entry);
        let queued = QueuedEntry::new(entry);
        self.entries.insert(queued.entry.id, queued);
    }

    /// Puts entries into their order, because they are on the disk now.
    pub(super) fn on_disk(&mut self, added: &[u64]) {
        for id in added {
            let Some(queued) = self.entries.get_mut(id) else {
                continue;
            };
            queued.phase = EntryPhase::Waiting;
            self.order.add(*id, &queued.keys);
            self.make_ready(*id);
        }
    }

    /// Drops entries that could not be written.
    pub(super) fn not_written(&mut self, added: &[u64]) {
        for id in added {
            if let Some(queued) = self.entries.get(id) {
                let kind = DroppedKind {
                    label: queued.entry.label.clone(),
                    event: queued.entry.event.clone(),
                    reason: DropReason::NotWritten,
                };
                self.remove(*id);
                self.dropped.add(kind);
            }
        }
    }

    /// Makes an entry ready if it is first in its order.
    fn make_ready(&mut self, id: u64) {
        let Some(queued) = self.entries.get(&id) else {
            return;
        };
        if queued.phase == EntryPhase::Waiting && self.order.is_first(id, &queued.keys) {
            self.ready.add(&queued.entry.hook, queued.due());
        }
    }

    fn make_unready(&mut self, id: u64) {
        if let Some(queued) = self.entries.get(&id) {
            self.ready.remove(&queued.entry.hook, queued.due());
        }
    }

    /// Takes an entry out of its order, so that those behind it go on.
    fn leave_order(&mut self, id: u64) {
        self.make_unready(id);
        let Some(queued) = self.entries.get_mut(&id) else {
            return;
        };
        if queued.phase != EntryPhase::SetAside {
            queued.phase = EntryPhase::SetAside;
            self.set_aside += 1;
            for next in self.order.remove(id, &queued.keys) {
                self.make_ready(next);
            }
        }
    }

    fn remove(&mut self, id: u64) {
        self.leave_order(id);
        let Some(queued) = self.entries.remove(&id) else {
            return;
        };
        self.set_aside -= 1;
        self.shares.remove(&queued.entry);
    }

    fn note_failure(&mut self, failed: &FailedAttempts) {
        if let Some(queued) = self.entries.get_mut(&failed.id) {
            queued.attempts = failed.attempts;
            queued.error = Some(failed.error.clone());
        }
    }

    fn start_over(&mut self, id: u64) {
        self.make_unready(id);
        let Some(queued) = self.entries.get_mut(&id) else {
            return;
        };
        queued.attempts = 0;
        queued.due = Instant::now();
        if queued.phase == EntryPhase::SetAside {
            self.set_aside -= 1;
            queued.phase = EntryPhase::Waiting;
            self.order.add(id, &queued.keys);
        }
        self.make_ready(id);
    }

    /// Takes the first entry that may run.
    pub(super) fn take(&mut self, now: Instant, may_run: impl Fn(&str) -> bool) -> Option<HookJob> {
        let id = self.ready.first(now, may_run)?;
        self.make_unready(id);
        let queued = self.entries.get_mut(&id)?;
        queued.phase = EntryPhase::Running;
        Some(HookJob {
            entry: Arc::clone(&queued.entry),
            attempt: queued.attempts + 1,
        })
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.ready.next_due(Instant::now())
    }

    /// Ends the pause of an entry.
    #[cfg(test)]
    pub(super) fn start_at_once(&mut self, id: u64) {
        self.make_unready(id);
        if let Some(queued) = self.entries.get_mut(&id) {
            queued.due = Instant::now();
        }
        self.make_ready(id);
    }

    pub(super) fn give_back(&mut self, id: u64, pause: Duration) {
        if let Some(queued) = self.entries.get_mut(&id)
            && queued.phase == EntryPhase::Running
        {
            queued.phase = EntryPhase::Waiting;
            queued.due = Instant::now() + pause;
            self.make_ready(id);
        }
    }

    pub(super) fn interrupt(&mut self, id: u64, retries: u32) {
        match self
            .entries
            .get_mut(&id)
            .map(QueuedEntry::is_interrupted_too_often)
        {
            Some(true) => self.fail(
                id,
                "the helper has ended each time while the command ran",
                retries,
            ),
            Some(false) | None => self.give_back(id, Duration::ZERO),
        }
    }

    pub(super) fn finish(&mut self, id: u64) {
        if self.entries.contains_key(&id) {
            self.remove(id);
            self.unwritten.records.push(JournalRecord::Gone(id));
        }
    }

    /// Returns the entry with the next upload of the file that this entry is about, for the same hook, if it waits.
    pub(super) fn next_upload(&self, id: u64) -> Option<u64> {
        let entry = &self.entries.get(&id)?.entry;
        let key = OrderKey::of(&entry.hook, &entry.file.as_ref()?.order_key());
        let is_next = |next: &u64| {
            let next = self.entries.get(next).filter(|next| next.entry.id > id);
            next.is_some_and(|next| next.entry.is_about_file_of(entry))
        };
        self.order.with_key(key).find(is_next)
    }

    /// Finishes an entry whose file was published. Those about the same file that were set aside are finished, too: what
    /// they are about is published, or was written over.
    pub(super) fn finish_published(&mut self, id: u64) {
        if let Some(published) = self.entries.get(&id).filter(|_| self.set_aside > 0) {
            let aside = self.entries.iter().filter(|(_, other)| {
                other.phase == EntryPhase::SetAside && other.entry.is_about_file_of(&published.entry)
            });
            for other in aside.map(|(other, _)| *other).collect::<Vec<u64>>() {
                self.finish(other);
            }
        }
        self.finish(id);
    }

    pub(super) fn fail(&mut self, id: u64, error: &str, retries: u32) {
        let Some(queued) = self.entries.get(&id) else {
            return;
        };
        let attempts = queued.attempts.saturating_add(1);
        if attempts > retries {
            self.put_aside(id, attempts, error);
            return;
        }
        let failed = failed(id, attempts, error);
        self.note_failure(&failed);
        self.unwritten.records.push(JournalRecord::Failed(failed));
        self.give_back(id, pause_after(attempts));
    }

    pub(super) fn set_aside(&mut self, id: u64, error: &str) {
        if let Some(queued) = self.entries.get(&id) {
            let attempts = queued.attempts;
            self.put_aside(id, attempts, error);
        }
    }

    fn put_aside(&mut self, id: u64, attempts: u32, error: &str) {
        let failed = failed(id, attempts, error);
        self.note_failure(&failed);
        self.leave_order(id);
        self.unwritten.records.push(JournalRecord::SetAside(failed));
    }

    pub(super) fn retry(&mut self, id: u64) {
        self.start_over(id);
        self.unwritten.records.push(JournalRecord::Retry(id));
    }

    /// Returns the entries that are selected and do not run; the error is the number of one that is not there.
    pub(super) fn select(&self, selection: &HookSelection) -> std::result::Result<Vec<u64>, u64> {
        match selection {
            HookSelection::AllSetAside => {
                let aside = self.entries.iter();
                let aside = aside.filter(|(_, queued)| queued.phase == EntryPhase::SetAside);
                Ok(aside.map(|(id, _)| *id).collect())
            }
            HookSelection::Entries(ids) => match ids
                .iter()
                .find(|id| !self.entries.get(id).is_some_and(QueuedEntry::can_be_changed))
            {
                Some(missing) => Err(*missing),
                None => Ok(ids.clone()),
            },
        }
    }

    pub(super) fn list(&self) -> Vec<HookEntryView> {
        self.entries.values().map(QueuedEntry::view).collect()
    }

    pub(super) fn stats(&self) -> HookStats {
        HookStats {
            failures: 0,
            dropped: self.dropped.in_all(),
            waiting: self.entries.len() - self.set_aside,
            set_aside: self.set_aside,
        }
    }

    pub(super) fn take_dropped(&mut self) -> Vec<DroppedEvents> {
        self.dropped.take()
    }

    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.records.is_empty()
    }

    pub(super) fn take_unwritten(&mut self) -> UnwrittenChanges {
        std::mem::take(&mut self.unwritten)
    }

    pub(super) fn bytes(&self) -> usize {
        self.shares.bytes()
    }

    /// Returns lines from which the queue can be restored, without what is not written yet.
    pub(super) fn snapshot(&self) -> String {
        let mut lines = JournalRecord::Next(self.next).line();
        let written = self.entries.values();
        for queued in written.filter(|queued| queued.phase != EntryPhase::Unwritten) {
            lines.push_str(&queued.lines());
        }
        lines
    }
}

fn failed(id: u64, attempts: u32, error: &str) -> FailedAttempts {
    let end = error.floor_char_boundary(LONGEST_ERROR);
    FailedAttempts {
        id,
        attempts,
        error: error.get(..end).unwrap_or_default().to_owned(),
    }
}
