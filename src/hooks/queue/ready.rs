//! The entries that may be tried now, or after a pause: those that are first in their order.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// When an entry that is first in its order may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DueEntry {
    pub(super) due: Instant,
    pub(super) id: u64,
}

/// The entries of each hook that are first in their order.
#[derive(Debug, Default)]
pub(super) struct ReadyEntries(HashMap<String, BTreeSet<DueEntry>>);

impl ReadyEntries {
    pub(super) fn add(&mut self, hook: &str, entry: DueEntry) {
        match self.0.get_mut(hook) {
            Some(ready) => {
                ready.insert(entry);
            }
            None => {
                self.0.insert(hook.to_owned(), BTreeSet::from([entry]));
            }
        }
    }

    pub(super) fn remove(&mut self, hook: &str, entry: DueEntry) {
        if let Some(ready) = self.0.get_mut(hook) {
            ready.remove(&entry);
            if ready.is_empty() {
                self.0.remove(hook);
            }
        }
    }

    /// Returns the entry that is due for the longest time, of the hooks that may run.
    pub(super) fn first(&self, now: Instant, may_run: impl Fn(&str) -> bool) -> Option<u64> {
        let first = |(hook, ready): (&String, &BTreeSet<DueEntry>)| {
            let first = ready.first().copied()?;
            (first.due <= now && may_run(hook)).then_some(first)
        };
        Some(self.0.iter().filter_map(first).min()?.id)
    }

    /// Returns when the next entry is due that is not due yet.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let firsts = self.0.values().filter_map(BTreeSet::first);
        firsts.map(|first| first.due).filter(|due| *due > now).min()
    }
}
