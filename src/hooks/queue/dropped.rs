//! Events that were not put into the queue, or could not be written: counted until they are reported.

use std::collections::HashMap;

/// Why an event was not put into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The queue has as much as it may have.
    Full,
    /// The user's events, or those without a user, take half of the queue.
    UserShare,
    /// The event is larger than what a hook is told.
    TooLarge,
    /// The file of the queue cannot be written.
    NotWritten,
}

impl DropReason {
    /// Returns the sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            DropReason::Full => "the queue of hooks is full",
            DropReason::UserShare => {
                "the events of one user, or those without a user, take half of the queue of hooks"
            }
            DropReason::TooLarge => "the event is too large for a hook",
            DropReason::NotWritten => "the queue of hooks cannot be written",
        }
    }
}

/// Events that were dropped since this was asked for last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedEvents {
    /// The name of the hook for people.
    pub label: String,
    /// The name of the event.
    pub event: String,
    /// Why they were dropped.
    pub reason: DropReason,
    /// How many were dropped.
    pub count: u64,
}

/// What events that were dropped have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DroppedKind {
    pub(super) label: String,
    pub(super) event: String,
    pub(super) reason: DropReason,
}

/// The events that were dropped.
#[derive(Debug, Default)]
pub(super) struct DropCounter {
    unreported: HashMap<DroppedKind, u64>,
    in_all: u64,
}

impl DropCounter {
    /// Counts one event.
    pub(super) fn add(&mut self, kind: DroppedKind) {
        *self.unreported.entry(kind).or_default() += 1;
        self.in_all += 1;
    }

    /// Returns how many were dropped since the start.
    pub(super) fn in_all(&self) -> u64 {
        self.in_all
    }

    /// Returns those that were not reported yet, and forgets them.
    pub(super) fn take(&mut self) -> Vec<DroppedEvents> {
        let unreported = std::mem::take(&mut self.unreported).into_iter();
        unreported
            .map(|(kind, count)| DroppedEvents {
                label: kind.label,
                event: kind.event,
                reason: kind.reason,
                count,
            })
            .collect()
    }
}
