//! The measurements of one account: who has asked for one, which calls wait for it, and what the last one has found.
//!
//! Before an account refuses growth, it is measured again, since the host's own programs truncate, move and delete
//! files in homes too. Such a measurement is *asked* for, *runs* and *ends*. There is one at a time, and after its end
//! none is asked for before max(`PAUSE`, `PAUSES` × its duration) has passed, so that a full home in a retry loop uses
//! a twentieth of a slot. (After a measurement that no refusal has asked for, such as the one at the first sign-in,
//! only the second value counts.) A refusal waits for at most `MAX_WAIT` after the measurement was asked for. Then it
//! is final, and the measurement continues. During the pause a refusal is final at once, except for a few that wait for
//! its end: an upload that follows another within seconds must not be refused while there is room. Their number is
//! limited (`WAITING_AT_ONCE`), only a handle's first refusal may wait, and after a measurement that finds no room none
//! may wait for [`NO_WAIT_AFTER_FAILURE`]. A measurement that had begun before the refusal may have walked past files
//! that were removed since, so after its end the refusal waits for another one in the same way. So a refusal waits for
//! at most two measurements.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::progress::Progress;
use super::schedule::{Advice, NO_WAIT_AFTER_FAILURE, RetryLimits, Schedule};
use crate::storage::backend::Unreadable;
use crate::storage::{Error, Result, Wait};

/// What an account knows about the measurements of its home.
pub(crate) struct Measurements {
    /// Locked during a measurement, so that there is only one at a time.
    running: Mutex<()>,
    schedule: Mutex<Schedule>,
    /// Whether the outcome of a change is unknown, so that the home has to be measured again.
    invalidated: AtomicBool,
    /// Whether a change waits for a measurement that has not begun.
    asked: AtomicBool,
    measured_at: Mutex<Option<Timestamp>>,
    /// The entries that the last measurement could not read.
    unreadable: Mutex<Unreadable>,
    /// Wakes the task that starts measurements.
    measurer: Arc<Notify>,
}

impl Measurements {
    /// Creates the state of an account that was measured last at this time.
    pub(super) fn new(measured_at: Option<Timestamp>, measurer: Arc<Notify>) -> Self {
        Self {
            running: Mutex::default(),
            schedule: Mutex::default(),
            invalidated: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            measured_at: Mutex::new(measured_at),
            unreadable: Mutex::default(),
            measurer,
        }
    }

    /// Waits for a measurement in progress, and keeps others from beginning.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.running.lock()
    }

    /// Makes a measurement due.
    pub(super) fn invalidate(&self) {
        self.invalidated.store(true, Ordering::SeqCst);
    }

    /// Returns whether a measurement is due.
    pub(crate) fn is_invalidated(&self) -> bool {
        self.invalidated.load(Ordering::SeqCst)
    }

    /// Returns whether a measurement is due that was not requested yet, and clears the flag.
    pub(crate) fn take_invalidation(&self) -> bool {
        self.invalidated.swap(false, Ordering::SeqCst)
    }

    /// Returns when the home was last measured with success.
    pub(crate) fn measured_at(&self) -> Option<Timestamp> {
        *self.measured_at.lock()
    }

    pub(super) fn set_measured_at(&self, at: Timestamp) {
        *self.measured_at.lock() = Some(at);
    }

    /// Returns the entries that the last measurement could not read.
    pub(crate) fn unreadable(&self) -> Unreadable {
        self.unreadable.lock().clone()
    }

    /// Sets the entries that a measurement could not read. Returns whether they were the same before.
    pub(crate) fn set_unreadable(&self, unreadable: &Unreadable) -> bool {
        let mut known = self.unreadable.lock();
        let same = *known == *unreadable;
        known.clone_from(unreadable);
        same
    }

    /// Asks for a measurement if necessary, and waits for it. Returns `false` if the refusal is final.
    ///
    /// # Errors
    /// Returns `WouldBlock` instead of waiting unless it has [`Wait::Allowed`].
    pub(super) fn wait_for_next(&self, progress: &Progress, limits: RetryLimits) -> Result<bool> {
        let before = self.schedule.lock().ended;
        loop {
            let seen = progress.seen();
            let now = Instant::now();
            let mut schedule = self.schedule.lock();
            if schedule.ended != before {
                return Ok(true);
            }
            let advice = schedule.advice(now, limits.first);
            if limits.wait != Wait::Allowed && advice != Advice::Refuse {
                return Err(Error::WouldBlock);
            }
            match advice {
                Advice::Refuse => return Ok(false),
                Advice::Ask => {
                    schedule.asked_or_begun_at = Some(now);
                    schedule.by_refusal = true;
                    drop(schedule);
                    self.ask();
                }
                Advice::Await(end) => {
                    drop(schedule);
                    progress.wait(seen, end);
                }
                Advice::Pause(next) => {
                    if schedule.waiting == 0 {
                        schedule.may_wait_from = Some(now + NO_WAIT_AFTER_FAILURE);
                    }
                    schedule.waiting += 1;
                    drop(schedule);
                    let pause = Pause {
                        end: next,
                        ended: before,
                    };
                    self.wait_for_pause(progress, seen, pause);
                    self.schedule.lock().waiting -= 1;
                }
            }
        }
    }

    /// Waits until the end of a pause. Other progress of the account (a recorded ceiling, a new limit) does not end it.
    fn wait_for_pause(&self, progress: &Progress, mut seen: u64, pause: Pause) {
        while progress.wait(seen, pause.end) {
            seen = progress.seen();
            if self.ended() != pause.ended {
                return;
            }
        }
    }

    /// Asks for a measurement now, because a call waits for one that may be queued behind many others.
    pub(super) fn ask_now(&self) {
        let mut schedule = self.schedule.lock();
        let now = Instant::now();
        if schedule.advice(now, true) == Advice::Ask {
            schedule.asked_or_begun_at = Some(now);
            schedule.by_refusal = true;
            drop(schedule);
            self.ask();
        }
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.measurer.notify_one();
    }

    /// Returns whether a change waits for a measurement that has not begun, and clears the flag.
    pub(crate) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// Returns whether a background measurement is queued.
    pub(crate) fn is_queued(&self) -> bool {
        self.schedule.lock().queued
    }

    /// Returns whether a background measurement may be made now.
    pub(crate) fn may_begin(&self) -> bool {
        let schedule = self.schedule.lock();
        schedule.asked_or_begun_at.is_none()
            && schedule.may_ask_from.is_none_or(|next| next <= Instant::now())
    }

    /// Notes that a background measurement is queued. Returns `false` if one was queued already. A refusal does not
    /// wait for it, since it may be queued behind many others.
    pub(crate) fn queue(&self) -> bool {
        !std::mem::replace(&mut self.schedule.lock().queued, true)
    }

    /// Notes that a measurement begins, whatever the reason for it.
    pub(crate) fn begin(&self) -> Instant {
        let now = Instant::now();
        let mut schedule = self.schedule.lock();
        schedule.queued = false;
        schedule.begun += 1;
        schedule.asked_or_begun_at.get_or_insert(now);
        now
    }

    /// Notes that a measurement has ended, with or without success.
    pub(super) fn end(&self, begun: Instant, found_room: bool) {
        let now = Instant::now();
        let took = now.duration_since(begun);
        self.schedule.lock().end(now, took, found_room);
    }

    /// Returns the number of measurements that have begun.
    pub(super) fn begun(&self) -> u64 {
        self.schedule.lock().begun
    }

    /// Returns the number of measurements that have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.schedule.lock().ended
    }

    /// Lets a refusal ask for a measurement at once.
    #[cfg(test)]
    pub(crate) fn forget_last(&self) {
        let mut schedule = self.schedule.lock();
        schedule.may_ask_from = None;
        schedule.may_wait_from = None;
    }

    /// Returns whether a measurement was asked for or has begun, and has not ended.
    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        self.schedule.lock().asked_or_begun_at.is_some()
    }

    /// Makes refusals final at once from now on.
    #[cfg(test)]
    pub(crate) fn refuse_at_once(&self) {
        self.schedule.lock().never_ask = true;
    }
}

/// The time until another measurement may be asked for.
#[derive(Clone, Copy)]
struct Pause {
    end: Instant,
    /// The number of measurements that had ended before. If another one ends, the pause ends too.
    ended: u64,
}

#[cfg(test)]
mod tests;
