//! The queue between the code that emits events and a subscriber that may be slow, such as the audit log's disk.
//!
//! The queue is bounded in events and in bytes, and adding an event never waits. Each event has an *owner*: a user, or
//! one common owner for all peers who have not signed in. An owner may hold half of what the others leave free, so that
//! an owner that floods the queue loses its own events, and the others still find room. Events that say how something
//! ended have additional room ([`Event::is_closing`]). A user whose part is nearly full is slowed down: see
//! [`EventBackpressure`].
//!
//! If the same refusal is repeated, one event a second is queued, with the number of refusals: see [`Repeated`].

mod repeated;

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::event::Event;
use crate::domain::user::UserName;
use crate::session::events::EventBackpressure;

use repeated::Repeated;

/// The time within which refusals of one kind in one session are combined into one event.
const SUM_FOR: Duration = Duration::from_secs(1);
/// The interval at which losses are reported during a flood.
const REPORT_LOSSES_EVERY: Duration = Duration::from_secs(1);
/// The most kinds of refusals that are combined at the same time: some for each possible session.
const MAX_SUMS: usize = 16_384;
/// If there are more users than this, users without queued events are forgotten.
const REMEMBERED: usize = 1024;

/// The limits of a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueCapacity {
    /// The most events in the queue.
    pub events: usize,
    /// The most bytes of memory that the events may use.
    pub bytes: usize,
}

impl QueueCapacity {
    /// Returns the limits including the additional room for events that say how something ended.
    fn with_reserve(self) -> Self {
        Self {
            events: self.events + self.events / 4,
            bytes: self.bytes + self.bytes / 4,
        }
    }
}

/// An event in the queue, with its time and its count.
#[derive(Debug)]
pub struct QueuedEvent {
    /// The time of the event. If the entry stands for several, it is the time of the last one.
    pub time: Timestamp,
    /// The event, with texts cut to what will be written.
    pub event: Event,
    /// The number of occurrences that the entry stands for.
    pub count: u64,
    bytes: usize,
}

/// The events that a subscriber takes at once.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// The events, in the order in which they happened.
    pub entries: Vec<QueuedEvent>,
    /// The number of events that were lost since the last batch.
    pub lost: u64,
    /// Whether the queue is closed and empty.
    pub ended: bool,
}

/// A bounded queue of events: see the module.
#[derive(Debug)]
pub struct EventQueue {
    capacity: QueueCapacity,
    state: Mutex<EventQueueState>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct EventQueueState {
    entries: VecDeque<QueuedEvent>,
    used: Amount,
    owners: HashMap<EventOwner, OwnerRoom>,
    sums: HashMap<Repeated, RepeatSummary>,
    /// The time at which the first of the summaries is to be reported.
    sums_due: Option<Instant>,
    lost: u64,
    /// The number of events that were lost since the start.
    lost_in_all: u64,
    /// The time at which the losses are to be reported, if the queue is not empty before.
    lost_due: Option<Instant>,
    /// Whether backpressure may be applied to any user.
    applied: bool,
    woken: bool,
    closed: bool,
    /// Whether the subscriber is sleeping.
    sleeping: bool,
}

/// The user who owns events, or `None` for all peers who have not signed in.
type EventOwner = Option<UserName>;

#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    events: usize,
    bytes: usize,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Returns the most that an owner who holds this amount may hold, when all owners together hold `all`.
    fn most(self, all: Amount, capacity: QueueCapacity) -> Amount {
        let half =
            |capacity: usize, all: usize, own: usize| capacity.saturating_sub(all.saturating_sub(own)) / 2;
        Amount {
            events: half(capacity.events, all.events, self.events),
            bytes: half(capacity.bytes, all.bytes, self.bytes),
        }
    }

    /// Whether the amount is at least this many fourths of `of`.
    fn is_at_least(self, fourths: usize, of: Amount) -> bool {
        self.events * 4 >= of.events * fourths || self.bytes * 4 >= of.bytes * fourths
    }
}

#[derive(Debug, Default)]
struct OwnerRoom {
    held: Amount,
    backpressure: Arc<EventBackpressure>,
}

/// The refusals of one kind since the last one that was added to the queue.
#[derive(Debug)]
struct RepeatSummary {
    since: Instant,
    count: u64,
    last: Option<(Timestamp, Event)>,
}

impl EventQueue {
    /// Creates an empty queue with these limits.
    pub fn new(capacity: QueueCapacity) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            ready: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, EventQueueState> {
        self.state.lock()
    }

    /// Adds an event. Returns whether it is the first one that was lost since an event was taken.
    pub fn push(&self, time: Timestamp, event: &Event) -> bool {
        self.push_at(Instant::now(), time, event)
    }

    fn push_at(&self, now: Instant, time: Timestamp, event: &Event) -> bool {
        let mut state = self.state();
        if let Some(kind) = Repeated::of(event)
            && state.sum_up(kind, now, time, event)
        {
            return false;
        }
        let first_lost = state.put(self.capacity, time, event.for_later(), event.count());
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        first_lost
    }

    /// Returns the backpressure on a user, for which the user's sessions wait.
    pub fn backpressure(&self, user: &UserName) -> Arc<EventBackpressure> {
        let mut state = self.state();
        if state.owners.len() > REMEMBERED {
            state
                .owners
                .retain(|_, account| account.held.events > 0 || Arc::strong_count(&account.backpressure) > 1);
        }
        let account = state.owners.entry(Some(user.clone())).or_default();
        Arc::clone(&account.backpressure)
    }

    /// Waits for something to do and takes what is there, at most `most` events at once.
    pub fn take(&self, most: usize) -> EventBatch {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            state.put_sums(self.capacity, now);
            if !state.entries.is_empty() || state.woken || state.closed || state.losses_are_due(now) {
                break;
            }
            state.sleeping = true;
            let due = state.sums_due.into_iter().chain(state.lost_due).min();
            match due {
                Some(due) => {
                    self.ready
                        .wait_for(&mut state, due.saturating_duration_since(now));
                }
                None => self.ready.wait(&mut state),
            }
        }
        state.sleeping = false;
        state.woken = false;
        let mut batch = EventBatch::default();
        while batch.entries.len() < most
            && let Some(entry) = state.pop(self.capacity)
        {
            batch.entries.push(entry);
        }
        let drained = !batch.entries.is_empty() && state.entries.is_empty();
        if drained || state.closed || state.losses_are_due(Instant::now()) {
            batch.lost = std::mem::take(&mut state.lost);
            state.lost_due = None;
        }
        batch.ended = state.closed && state.entries.is_empty();
        batch
    }

    /// Counts events that could not be written as lost, and reports again later what could not be reported as lost.
    pub fn not_written(&self, events: u64, lost_before: u64) {
        let mut state = self.state();
        state.lost_in_all += events;
        state.report_lost(events + lost_before);
    }

    /// Returns the number of events that were lost since the start.
    pub fn lost_in_all(&self) -> u64 {
        self.state().lost_in_all
    }

    /// Wakes the subscriber, which has other work to do.
    pub fn wake(&self) {
        self.state().woken = true;
        self.ready.notify_one();
    }

    /// Closes the queue: no more events are accepted, and the summaries are reported at once.
    pub fn close(&self) {
        self.state().closed = true;
        self.ready.notify_one();
    }
}

impl EventQueueState {
    /// Adds the event to its summary. Returns `false` if it is the first of its kind.
    fn sum_up(&mut self, kind: Repeated, now: Instant, time: Timestamp, event: &Event) -> bool {
        if let Some(sum) = self.sums.get_mut(&kind) {
            sum.count += 1;
            sum.last = Some((time, event.for_later()));
            return true;
        }
        if self.sums.len() < MAX_SUMS {
            self.sums_due.get_or_insert(now + SUM_FOR);
            let sum = RepeatSummary {
                since: now,
                count: 0,
                last: None,
            };
            self.sums.insert(kind, sum);
        }
        false
    }

    /// Queues the summaries whose time is over, or all summaries if the queue is closed.
    fn put_sums(&mut self, capacity: QueueCapacity, now: Instant) {
        if !self.closed && self.sums_due.is_none_or(|due| due > now) {
            return;
        }
        let mut over = Vec::new();
        let closed = self.closed;
        self.sums.retain(|_, sum| {
            if !closed && sum.since + SUM_FOR > now {
                return true;
            }
            over.extend(sum.last.take().map(|(time, event)| (time, event, sum.count)));
            // A refusal that is still repeated continues to be combined.
            let continues = sum.count > 0 && !closed;
            (sum.since, sum.count) = (now, 0);
            continues
        });
        self.sums_due = self.sums.values().map(|sum| sum.since + SUM_FOR).min();
        over.sort_by_key(|(time, ..)| *time);
        for (time, event, count) in over {
            self.put(capacity, time, event, count);
        }
    }

    fn put(&mut self, capacity: QueueCapacity, time: Timestamp, event: Event, count: u64) -> bool {
        let bytes = size_of::<QueuedEvent>() + event.heap_bytes();
        let capacity = if event.is_closing() {
            capacity.with_reserve()
        } else {
            capacity
        };
        let all = self.used;
        let account = self.owners.entry(event.user().cloned()).or_default();
        let most = account.held.most(all, capacity);
        if account.held.events >= most.events || account.held.bytes + bytes > most.bytes {
            account.backpressure.apply();
            self.applied = true;
            self.lost_in_all += count;
            return self.report_lost(count);
        }
        account.held.add(bytes);
        if account.held.is_at_least(3, most) {
            account.backpressure.apply();
            self.applied = true;
        }
        self.used.add(bytes);
        self.entries.push_back(QueuedEvent {
            time,
            event,
            count,
            bytes,
        });
        false
    }

    /// Has lost events reported later, and returns whether they are the first ones.
    fn report_lost(&mut self, count: u64) -> bool {
        self.lost += count;
        self.lost_due
            .get_or_insert_with(|| Instant::now() + REPORT_LOSSES_EVERY);
        self.lost == count
    }

    fn losses_are_due(&self, now: Instant) -> bool {
        self.lost_due.is_some_and(|due| due <= now)
    }

    fn emptied(&mut self) {
        // A flood may have made the queue's allocation large.
        if self.entries.capacity() > 1024 {
            self.entries.shrink_to(256);
        }
        // This also serves owners who found no room although they held no events.
        if std::mem::take(&mut self.applied) {
            self.owners
                .values()
                .for_each(|account| account.backpressure.lift());
        }
    }

    fn pop(&mut self, capacity: QueueCapacity) -> Option<QueuedEvent> {
        let entry = self.entries.pop_front()?;
        self.used.take(entry.bytes);
        let all = self.used;
        if let Some(account) = self.owners.get_mut(&entry.event.user().cloned()) {
            account.held.take(entry.bytes);
            if !account.held.is_at_least(2, account.held.most(all, capacity)) {
                account.backpressure.lift();
            }
        }
        if self.entries.is_empty() {
            self.emptied();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
