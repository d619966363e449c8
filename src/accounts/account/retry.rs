//! Waiting for what may let a change through after all: a new ceiling, a measure under way, or another measure.
//!
//! An account that would refuse is measured again first, since the host's own programs cut, move and delete files in
//! homes too. Such a measure is *asked* for, *runs* and *ends*; there is one at a time, and after its end none is asked
//! for before max(`PAUSE`, `PAUSES` × its duration) has passed, so that a full home in a retry loop costs a
//! twentieth of a slot. (After a measure that no refusal has asked for, as that at the first sign-in, only the second
//! counts.) A refusal waits until [`PATIENCE`] after the measure was asked for, then it stands, and the measure goes
//! on. During the pause a refusal stands at once, but for a few that wait for its end: an upload that follows another
//! within seconds must not be refused with room to spare. Those are bounded in number (`WAITING_AT_ONCE`), only a
//! handle's first refusal is one of them, and when the measure finds nothing there are none for [`IN_VAIN`].
//! A measure that had begun before the refusal may have walked past what was removed since: after its end the refusal
//! waits for another one, in the same way. So a refusal waits for two measures at the most.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Account;
use super::progress::PATIENCE;
use super::schedule::{Advice, IN_VAIN, RetryLimits};
use super::usage::{AT_CEILING, UNKNOWN};
use crate::storage::{Error, Result, Wait};

impl Account {
    /// Does what may find no room until the keeper has written to the store, or until the home was measured: then it
    /// is tried again from the start, with nothing held meanwhile. `attempt` has no effect when it fails for want of
    /// room, of a ceiling or of a measure, which is what the client hears when the time for that is over.
    ///
    /// # Errors
    /// Those of `attempt`; with [`Wait::Never`], `WouldBlock` instead of waiting.
    pub fn retry_until<T>(
        &self,
        limits: impl Into<RetryLimits>,
        attempt: impl Fn() -> Result<T>,
    ) -> Result<T> {
        let limits = limits.into();
        let mut deadline = None;
        // The number of the first measure that has seen what was there at the first refusal.
        let mut decisive = None;
        loop {
            // Before the attempt, so that no news between the two is missed.
            let seen = self.progress.seen();
            match attempt() {
                Err(reason @ (Error::NotRecorded | Error::Measuring)) => {
                    if limits.wait == Wait::Never {
                        return Err(Error::WouldBlock);
                    }
                    if reason == Error::Measuring {
                        self.hurry();
                    }
                    let end = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                    if !self.progress.wait(seen, end) {
                        return Err(reason);
                    }
                }
                Err(refusal @ (Error::OverBytes { .. } | Error::OverFiles { .. } | Error::Unmeasurable)) => {
                    let schedule = self.schedule.lock();
                    let decisive = *decisive.get_or_insert(schedule.begun + 1);
                    let decided = schedule.ended >= decisive;
                    drop(schedule);
                    if decided || !self.measured_again(limits)? {
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

    /// Waits for a measure that is under way, so that what is told of the use is the use. If that takes long, the
    /// ceiling is told instead: it is never less.
    ///
    /// # Errors
    /// With [`Wait::Never`], `WouldBlock` instead of waiting.
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

    /// Waits for a measure, and sees to it that there is one; `false`: the refusal stands.
    fn measured_again(&self, limits: RetryLimits) -> Result<bool> {
        let before = self.schedule.lock().ended;
        loop {
            let seen = self.progress.seen();
            let now = Instant::now();
            let mut schedule = self.schedule.lock();
            if schedule.ended != before {
                return Ok(true);
            }
            let advice = schedule.advice(now, limits.first);
            if limits.wait == Wait::Never && advice != Advice::Stand {
                return Err(Error::WouldBlock);
            }
            match advice {
                Advice::Stand => return Ok(false),
                Advice::Ask => {
                    schedule.since = Some(now);
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
                        schedule.waits_from = Some(now + IN_VAIN);
                    }
                    schedule.waiting += 1;
                    drop(schedule);
                    self.wait_for_pause(seen, next, before);
                    self.schedule.lock().waiting -= 1;
                }
            }
        }
    }

    /// Waits until `next`, or until another measure than the `ended` ones has ended. Other news of the account (a
    /// ceiling that was written down, a new limit) does not end the pause.
    fn wait_for_pause(&self, mut seen: u64, next: Instant, ended: u64) {
        while self.progress.wait(seen, next) {
            seen = self.progress.seen();
            if self.schedule.lock().ended != ended {
                return;
            }
        }
    }

    /// Somebody waits for a measure that may stand behind many others.
    fn hurry(&self) {
        let mut schedule = self.schedule.lock();
        let now = Instant::now();
        if schedule.advice(now, true) == Advice::Ask {
            schedule.since = Some(now);
            schedule.by_refusal = true;
            drop(schedule);
            self.ask_for_measure();
        }
    }

    /// Is there still to be one that nobody waits for?
    pub(crate) fn is_queued(&self) -> bool {
        self.schedule.lock().queued
    }

    /// May a measure be made that nobody waits for?
    pub(crate) fn may_be_measured(&self) -> bool {
        let schedule = self.schedule.lock();
        schedule.since.is_none() && schedule.next.is_none_or(|next| next <= Instant::now())
    }

    /// A measure is to be made that nobody waits for; `false`: that is so already. A refusal does not wait for it,
    /// since it may stand behind many others.
    pub(crate) fn queue_measure(&self) -> bool {
        !std::mem::replace(&mut self.schedule.lock().queued, true)
    }

    /// A measure begins, whoever has asked for it.
    pub(crate) fn measure_begins(&self) -> Instant {
        let now = Instant::now();
        let mut schedule = self.schedule.lock();
        schedule.queued = false;
        schedule.begun += 1;
        schedule.since.get_or_insert(now);
        now
    }

    /// A refusal may ask for a measure at once.
    #[cfg(test)]
    pub(crate) fn forget_last_measure(&self) {
        let mut schedule = self.schedule.lock();
        schedule.next = None;
        schedule.waits_from = None;
    }

    /// How many measures have ended.
    #[cfg(test)]
    pub(crate) fn measures(&self) -> u64 {
        self.schedule.lock().ended
    }

    /// Has a measure begun, or been asked for, that has not ended?
    #[cfg(test)]
    pub(crate) fn is_being_measured(&self) -> bool {
        self.schedule.lock().since.is_some()
    }

    /// From now on refusals stand at once.
    #[cfg(test)]
    pub(crate) fn refuse_at_once(&self) {
        self.schedule.lock().off = true;
    }

    /// Notes that a measure has ended, well or badly.
    pub(crate) fn measure_ended(&self, begun: Instant, found_room: bool) {
        let now = Instant::now();
        let took = now.duration_since(begun);
        self.schedule.lock().end(now, took, found_room);
        self.moved();
    }
}

#[cfg(test)]
mod tests;
