//! An entry of the queue and its state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::ready::DueEntry;
use crate::hooks::entry::QueueEntry;
use crate::hooks::journal::{FailedAttempts, JournalRecord};
use crate::hooks::order::OrderKey;
use crate::ops::hooks::{HookEntryState, HookEntryView};

/// The pauses before the second, third, … attempt; the last one is repeated.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
    Duration::from_secs(60),
    Duration::from_secs(240),
];

/// How often the helper may end during one attempt, before that counts as a failure.
const INTERRUPTIONS: u32 = 3;

/// An entry and its state.
#[derive(Debug)]
pub(super) struct QueuedEntry {
    pub(super) entry: Arc<QueueEntry>,
    pub(super) keys: Vec<OrderKey>,
    pub(super) phase: EntryPhase,
    pub(super) attempts: u32,
    /// How often the helper has ended during the attempt.
    interruptions: u32,
    /// When the next attempt may begin.
    pub(super) due: Instant,
    pub(super) error: Option<String>,
}

/// The state of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryPhase {
    /// It is not on the disk yet.
    Unwritten,
    /// It waits for its turn, or for the next attempt.
    Waiting,
    /// Its hook is running.
    Running,
    /// All attempts were in vain.
    SetAside,
}

/// The fields of an event that a list shows.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ShownFields {
    time: String,
    path: Option<String>,
    to: Option<String>,
}

impl QueuedEntry {
    /// Creates the state of an entry that is not on the disk yet.
    pub(super) fn new(entry: QueueEntry) -> Self {
        Self {
            keys: OrderKey::all(&entry.hook, &entry.keys),
            phase: EntryPhase::Unwritten,
            attempts: 0,
            interruptions: 0,
            due: Instant::now(),
            error: None,
            entry: Arc::new(entry),
        }
    }

    /// Returns the entry as it stands among those that are ready.
    pub(super) fn due(&self) -> DueEntry {
        DueEntry {
            due: self.due,
            id: self.entry.id,
        }
    }

    /// Counts an end of the helper during the attempt. Returns whether the attempt counts as failed, because it may be what
    /// ends the helper.
    pub(super) fn is_interrupted_too_often(&mut self) -> bool {
        self.interruptions = (self.interruptions + 1) % INTERRUPTIONS;
        self.interruptions == 0
    }

    /// Returns whether an operator may change it: it is on the disk, and does not run.
    pub(super) fn can_be_changed(&self) -> bool {
        matches!(self.phase, EntryPhase::Waiting | EntryPhase::SetAside)
    }

    /// Returns what operators see of it.
    pub(super) fn view(&self) -> HookEntryView {
        let shown: ShownFields = serde_json::from_str(self.entry.line.get()).unwrap_or_default();
        HookEntryView {
            id: self.entry.id,
            hook: self.entry.label.clone(),
            event: self.entry.event.clone(),
            time: shown.time,
            user: self.entry.user.clone(),
            path: shown.path.or(shown.to),
            state: match self.phase {
                EntryPhase::Unwritten | EntryPhase::Waiting => HookEntryState::Waiting,
                EntryPhase::Running => HookEntryState::Running,
                EntryPhase::SetAside => HookEntryState::SetAside,
            },
            attempts: self.attempts,
            error: self.error.clone(),
        }
    }

    /// Returns the lines from which it can be restored.
    pub(super) fn lines(&self) -> String {
        let mut lines = JournalRecord::Add(Box::new(QueueEntry::clone(&self.entry))).line();
        let failed = FailedAttempts {
            id: self.entry.id,
            attempts: self.attempts,
            error: self.error.clone().unwrap_or_default(),
        };
        match self.phase {
            EntryPhase::SetAside => lines.push_str(&JournalRecord::SetAside(failed).line()),
            _ if self.error.is_some() => lines.push_str(&JournalRecord::Failed(failed).line()),
            _ => {}
        }
        lines
    }
}

/// Returns the pause after so many failed attempts.
pub(super) fn pause_after(attempts: u32) -> Duration {
    let nth = usize::try_from(attempts).unwrap_or(usize::MAX).saturating_sub(1);
    PAUSES.get(nth).or(PAUSES.last()).copied().unwrap_or_default()
}
