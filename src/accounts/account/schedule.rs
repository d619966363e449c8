//! Decides when an account is measured again: how often, and which refusals wait for it. It is pure.

use std::time::{Duration, Instant};

use crate::storage::Wait;

use super::progress::MAX_WAIT;

/// The shortest pause after a measurement that a refusal has asked for.
const PAUSE: Duration = Duration::from_secs(5);
/// The pause is also at least this many times the duration of the last measurement.
const PAUSES: u32 = 20;
/// The number of refusals of one account that may wait for the end of the pause; each holds a thread.
pub(super) const WAITING_AT_ONCE: usize = 4;
/// After a measurement that found no room, no refusal waits for the end of a pause during this time.
pub(super) const NO_WAIT_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// When an account is measured again.
#[derive(Default)]
pub(super) struct Schedule {
    /// When the measurement in progress was asked for, or when it began if nothing has asked for it.
    pub(super) asked_or_begun_at: Option<Instant>,
    /// Whether a refusal has asked for it.
    pub(super) by_refusal: bool,
    /// Whether a background measurement is queued that has not begun yet.
    pub(super) queued: bool,
    /// The earliest time at which the next measurement may be asked for.
    pub(super) may_ask_from: Option<Instant>,
    /// The number of measurements that have begun; there is one at a time.
    pub(super) begun: u64,
    /// The number of measurements that have ended.
    pub(super) ended: u64,
    /// The number of refusals that wait for `may_ask_from`.
    pub(super) waiting: usize,
    /// The earliest time at which a refusal may begin to wait for `may_ask_from`.
    pub(super) may_wait_from: Option<Instant>,
    /// Whether refusals never ask for a measurement, for tests of the counting itself.
    #[cfg(test)]
    pub(super) never_ask: bool,
}

/// What a refusal has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// The call is refused without a measurement.
    Refuse,
    /// The refusal asks for a measurement now.
    Ask,
    /// The refusal waits for the measurement in progress, until this time at most.
    Await(Instant),
    /// The refusal waits until this time, when a measurement may be asked for.
    Pause(Instant),
}

impl Schedule {
    /// Returns what a refusal has to do now. `first` means that the client did not get this error before.
    pub(super) fn advice(&self, now: Instant, first: bool) -> Advice {
        #[cfg(test)]
        if self.never_ask {
            return Advice::Refuse;
        }
        if let Some(since) = self.asked_or_begun_at {
            let end = since + MAX_WAIT;
            return if now < end {
                Advice::Await(end)
            } else {
                Advice::Refuse
            };
        }
        match self.may_ask_from {
            Some(next) if now < next => {
                let joins = self.waiting > 0 || self.may_wait_from.is_none_or(|from| from <= now);
                let soon = next.duration_since(now) <= MAX_WAIT;
                match first && joins && soon && self.waiting < WAITING_AT_ONCE {
                    true => Advice::Pause(next),
                    false => Advice::Refuse,
                }
            }
            _ => Advice::Ask,
        }
    }

    pub(super) fn end(&mut self, now: Instant, took: Duration, found_room: bool) {
        self.asked_or_begun_at = None;
        let least = match std::mem::take(&mut self.by_refusal) {
            true => PAUSE,
            false => Duration::ZERO,
        };
        self.may_ask_from = Some(now + least.max(took.saturating_mul(PAUSES)));
        self.ended += 1;
        if found_room {
            self.may_wait_from = None;
        }
    }
}

/// Whether and for how long a change may wait.
#[derive(Debug, Clone, Copy)]
pub struct RetryLimits {
    /// Whether it may wait at all.
    pub wait: Wait,
    /// Whether this handle has had no refusal before.
    pub first: bool,
}

impl From<Wait> for RetryLimits {
    fn from(wait: Wait) -> Self {
        Self { wait, first: true }
    }
}
