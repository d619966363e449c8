//! When an account is measured again: how often, and which refusals wait for it. Pure but for its lock.

use parking_lot::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::storage::Wait;

use super::progress::PATIENCE;

/// At least this passes after a measure that a refusal has asked for.
const PAUSE: Duration = Duration::from_secs(5);
/// And so many times the duration of the last one.
const PAUSES: u32 = 20;
/// Refusals of one account that wait for the end of the pause; each holds a thread.
pub(super) const WAITING_AT_ONCE: usize = 4;
/// After a measure that found nothing, no refusal waits for the end of a pause for so long.
pub(super) const IN_VAIN: Duration = Duration::from_secs(30);

/// When an account is measured again.
#[derive(Default)]
pub(super) struct MeasureSchedule(Mutex<Schedule>);

#[derive(Default)]
pub(super) struct Schedule {
    /// When the measure that is under way was asked for.
    pub(super) since: Option<Instant>,
    /// A refusal has asked for it.
    pub(super) by_refusal: bool,
    /// One that nobody waits for has not begun yet.
    pub(super) queued: bool,
    /// When the next one may be asked for.
    pub(super) next: Option<Instant>,
    /// Counts measures that have begun; there is one at a time.
    pub(super) begun: u64,
    /// Counts measures that have ended.
    pub(super) ended: u64,
    /// Refusals that wait for `next`.
    pub(super) waiting: usize,
    /// Before then no refusal begins to wait for `next`.
    pub(super) waits_from: Option<Instant>,
    /// No refusal asks for anything: for tests of what is counted.
    pub(super) off: bool,
}

/// What a refusal has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// The refusal stands.
    Stand,
    /// A measure may be asked for now.
    Ask,
    /// A measure is under way; it is waited for until then.
    Await(Instant),
    /// At that time one may be asked for.
    Pause(Instant),
}

impl Schedule {
    /// Returns what a refusal has to do now. `first` says that nobody has told the client before that there is no room.
    pub(super) fn advice(&self, now: Instant, first: bool) -> Advice {
        if self.off {
            return Advice::Stand;
        }
        if let Some(since) = self.since {
            let end = since + PATIENCE;
            return if now < end {
                Advice::Await(end)
            } else {
                Advice::Stand
            };
        }
        match self.next {
            Some(next) if now < next => {
                let joins = self.waiting > 0 || self.waits_from.is_none_or(|from| from <= now);
                let soon = next.duration_since(now) <= PATIENCE;
                match first && joins && soon && self.waiting < WAITING_AT_ONCE {
                    true => Advice::Pause(next),
                    false => Advice::Stand,
                }
            }
            _ => Advice::Ask,
        }
    }

    pub(super) fn end(&mut self, now: Instant, took: Duration, found_room: bool) {
        self.since = None;
        let least = match std::mem::take(&mut self.by_refusal) {
            true => PAUSE,
            false => Duration::ZERO,
        };
        self.next = Some(now + least.max(took.saturating_mul(PAUSES)));
        self.ended += 1;
        if found_room {
            self.waits_from = None;
        }
    }
}

impl MeasureSchedule {
    pub(super) fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.0.lock()
    }
}

/// How long a change may wait.
#[derive(Debug, Clone, Copy)]
pub struct RetryLimits {
    /// May it wait at all?
    pub wait: Wait,
    /// Has it not been refused before, on the same handle?
    pub first: bool,
}

impl From<Wait> for RetryLimits {
    fn from(wait: Wait) -> Self {
        Self { wait, first: true }
    }
}
