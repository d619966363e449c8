//! Waits for events that may let a change succeed after all: a new ceiling, a measurement in progress, or another
//! measurement.
//!
//! Before an account refuses growth, it is measured again, since the host's own programs truncate, move and delete
//! files in homes too. Such a measurement is *asked* for, *runs* and *ends*. There is one at a time, and after its end
//! none is asked for before max(`PAUSE`, `PAUSES` × its duration) has passed, so that a full home in a retry loop uses
//! a twentieth of a slot. (After a measurement that no refusal has asked for, such as the one at the first sign-in,
//! only the second value counts.) A refusal waits for at most [`MAX_WAIT`] after the measurement was asked for. Then it
//! is final, and the measurement continues. During the pause a refusal is final at once, except for a few that wait for
//! its end: an upload that follows another within seconds must not be refused while there is room. Their number is
//! limited (`WAITING_AT_ONCE`), only a handle's first refusal may wait, and after a measurement that finds no room none
//! may wait for [`NO_WAIT_AFTER_FAILURE`]. A measurement that had begun before the refusal may have walked past files
//! that were removed since, so after its end the refusal waits for another one in the same way. So a refusal waits for
//! at most two measurements.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Account;
use super::progress::MAX_WAIT;
use super::schedule::{Advice, NO_WAIT_AFTER_FAILURE, RetryLimits};
use super::usage::{AT_CEILING, UNKNOWN};
use crate::storage::{Error, Result, Wait};

impl Account {
    /// Runs a change that may find no room until the keeper has written to the store or until the home was measured.
    /// It is then tried again from the start, and no lock is held meanwhile. `attempt` must have no effect if it
    /// fails for want of room, of a ceiling or of a measurement. The client gets that error when the time is over.
    ///
    /// # Errors
    /// Fails as `attempt` does; returns `WouldBlock` instead of waiting unless it has [`Wait::Allowed`].
    pub fn retry_until<T>(
        &self,
        limits: impl Into<RetryLimits>,
        attempt: impl Fn() -> Result<T>,
    ) -> Result<T> {
        let limits = limits.into();
        let mut deadline = None;
        // The number of the first measurement that covers the state at the first refusal.
        let mut decisive = None;
        loop {
            // Read this before the attempt, so that no change between the two is missed.
            let seen = self.progress.seen();
            match attempt() {
                Err(reason @ (Error::NotRecorded | Error::Measuring)) => {
                    if limits.wait != Wait::Allowed {
                        return Err(Error::WouldBlock);
                    }
                    if reason == Error::Measuring {
                        self.ask_for_measure_now();
                    }
                    let end = *deadline.get_or_insert_with(|| Instant::now() + MAX_WAIT);
                    if !self.progress.wait(seen, end) {
                        return Err(reason);
                    }
                }
                Err(refusal @ (Error::OverBytes { .. } | Error::OverFiles { .. } | Error::Unmeasurable)) => {
                    let schedule = self.schedule.lock();
                    let decisive = *decisive.get_or_insert(schedule.begun + 1);
                    let decided = schedule.ended >= decisive;
                    drop(schedule);
                    if decided || !self.wait_for_measurement(limits)? {
                        return Err(refusal);
                    }
                }
                Err(error @ (Error::DiskFull | Error::DiskQuota)) => {
                    self.storage.no_space(&self.location, error);
                    return Err(error);
                }
                result => return result,
            }
        }
    }

    /// Waits for a measurement in progress, so that the reported use is exact. If that takes too long, the ceiling is
    /// reported instead, which is never below the use.
    ///
    /// # Errors
    /// Returns `WouldBlock` instead of waiting unless it has [`Wait::Allowed`].
    pub fn wait_until_measured(&self, wait: Wait) -> Result<()> {
        let limited = self.bytes.limit().is_some() || self.files.limit().is_some();
        let measured = self.retry_until(wait, || match self.accuracy.load(Ordering::Acquire) {
            UNKNOWN | AT_CEILING if limited => Err(Error::Measuring),
            _ => Ok(()),
        });
        match measured {
            Err(Error::Measuring) => Ok(()),
            measured => measured,
        }
    }

    /// Asks for a measurement if necessary, and waits for it. Returns `false` if the refusal is final.
    fn wait_for_measurement(&self, limits: RetryLimits) -> Result<bool> {
        let before = self.schedule.lock().ended;
        loop {
            let seen = self.progress.seen();
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
                    self.ask_for_measure();
                }
                Advice::Await(end) => {
                    drop(schedule);
                    self.progress.wait(seen, end);
                }
                Advice::Pause(next) => {
                    if schedule.waiting == 0 {
                        schedule.may_wait_from = Some(now + NO_WAIT_AFTER_FAILURE);
                    }
                    schedule.waiting += 1;
                    drop(schedule);
                    self.wait_for_pause(seen, next, before);
                    self.schedule.lock().waiting -= 1;
                }
            }
        }
    }

    /// Waits until `next`, or until a measurement has ended after the first `ended` ones. Other progress of the
    /// account (a recorded ceiling, a new limit) does not end the pause.
    fn wait_for_pause(&self, mut seen: u64, next: Instant, ended: u64) {
        while self.progress.wait(seen, next) {
            seen = self.progress.seen();
            if self.schedule.lock().ended != ended {
                return;
            }
        }
    }

    /// Asks for a measurement now, because a call waits for one that may be queued behind many others.
    fn ask_for_measure_now(&self) {
        let mut schedule = self.schedule.lock();
        let now = Instant::now();
        if schedule.advice(now, true) == Advice::Ask {
            schedule.asked_or_begun_at = Some(now);
            schedule.by_refusal = true;
            drop(schedule);
            self.ask_for_measure();
        }
    }

    /// Returns whether a background measurement is queued.
    pub(crate) fn is_queued(&self) -> bool {
        self.schedule.lock().queued
    }

    /// Returns whether a background measurement may be made now.
    pub(crate) fn may_be_measured(&self) -> bool {
        let schedule = self.schedule.lock();
        schedule.asked_or_begun_at.is_none()
            && schedule.may_ask_from.is_none_or(|next| next <= Instant::now())
    }

    /// Notes that a background measurement is queued. Returns `false` if one was queued already. A refusal does not
    /// wait for it, since it may be queued behind many others.
    pub(crate) fn queue_measure(&self) -> bool {
        !std::mem::replace(&mut self.schedule.lock().queued, true)
    }

    /// Notes that a measurement begins, whatever the reason for it.
    pub(crate) fn measure_begins(&self) -> Instant {
        let now = Instant::now();
        let mut schedule = self.schedule.lock();
        schedule.queued = false;
        schedule.begun += 1;
        schedule.asked_or_begun_at.get_or_insert(now);
        now
    }

    /// Lets a refusal ask for a measurement at once.
    #[cfg(test)]
    pub(crate) fn forget_last_measure(&self) {
        let mut schedule = self.schedule.lock();
        schedule.may_ask_from = None;
        schedule.may_wait_from = None;
    }

    /// Returns the number of measurements that have ended.
    #[cfg(test)]
    pub(crate) fn measures(&self) -> u64 {
        self.schedule.lock().ended
    }

    /// Returns whether a measurement was asked for or has begun, and has not ended.
    #[cfg(test)]
    pub(crate) fn is_being_measured(&self) -> bool {
        self.schedule.lock().asked_or_begun_at.is_some()
    }

    /// Makes refusals final at once from now on.
    #[cfg(test)]
    pub(crate) fn refuse_at_once(&self) {
        self.schedule.lock().never_ask = true;
    }

    /// Notes that a measurement has ended, with or without success.
    pub(crate) fn measure_ended(&self, begun: Instant, found_room: bool) {
        let now = Instant::now();
        let took = now.duration_since(begun);
        self.schedule.lock().end(now, took, found_room);
        self.notify_progress();
    }
}

#[cfg(test)]
mod tests;
