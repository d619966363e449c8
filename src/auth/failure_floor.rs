//! The least time after which the failure of a password is answered, so that it does not show which scheme a user's
//! hash has, nor that there is such a user.
//!
//! As long as all hashes in the store cost what the dummy for unknown users costs, nothing is needed. With a hash of
//! another cost, every failure is answered at a fixed time after the attempt, which is longer than the slowest of the
//! verifications takes. If a verification ends later than that, because others were before it in the queue, the answer
//! waits for the next multiple of that time. A success is never held back.
//!
//! An outside source of users takes a time of its own, which changes. The fixed time covers the slowest of its latest
//! answers, so that a failure does not show whether it was asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::password;
use crate::domain::user::PasswordHash;

/// How many times the estimated cost of the slowest verification the fixed time is. The estimates are for a slow
/// processor; half of that is left for a busy one.
const MARGIN: u32 = 2;
/// The least fixed time with an outside source, before its answers are known.
const LEAST_WITH_SOURCE: Duration = Duration::from_secs(1);
/// How long the slowest answer of an outside source counts, at least; at most twice as long.
const ANSWER_COUNTS: Duration = Duration::from_secs(300);

/// The time that covers the slowest hash that was found. It is zero as long as all cost the same.
#[derive(Debug, Default)]
pub(super) struct FailureFloor {
    millis: AtomicU64,
    /// `None` until an outside source was asked.
    answers: Mutex<Option<LatestAnswers>>,
}

/// How long the latest answers of an outside source have taken.
#[derive(Debug)]
struct LatestAnswers {
    slowest: Duration,
    /// The slowest of the time before.
    slowest_before: Duration,
    since: Instant,
}

impl LatestAnswers {
    fn new(now: Instant) -> Self {
        Self {
            slowest: Duration::ZERO,
            slowest_before: Duration::ZERO,
            since: now,
        }
    }

    /// Returns the slowest answer that counts.
    fn slowest(&mut self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.since);
        if age >= ANSWER_COUNTS {
            let lately = age < ANSWER_COUNTS.saturating_mul(2);
            self.slowest_before = if lately { self.slowest } else { Duration::ZERO };
            self.slowest = Duration::ZERO;
            self.since = now;
        }
        self.slowest.max(self.slowest_before)
    }
}

impl FailureFloor {
    /// Takes hashes into account that do not have the parameters of new ones. The time never becomes shorter.
    pub(super) fn cover(&self, unusual: &[PasswordHash]) {
        let slowest = unusual.iter().map(password::cost).max();
        if let Some(slowest) = slowest {
            let floor = slowest.max(password::usual_cost()).saturating_mul(MARGIN);
            let millis = u64::try_from(floor.as_millis()).unwrap_or(u64::MAX);
            self.millis.fetch_max(millis, Ordering::Relaxed);
        }
    }

    /// Takes into account that an outside source may be asked, and how long its answer has taken; zero before the first
    /// one.
    pub(super) fn cover_answer(&self, took: Duration, now: Instant) {
        let mut answers = self.answers.lock();
        let answers = answers.get_or_insert_with(|| LatestAnswers::new(now));
        answers.slowest(now);
        answers.slowest = answers.slowest.max(took);
    }

    /// Takes into account that no outside source is asked any more.
    pub(super) fn forget_answers(&self) {
        *self.answers.lock() = None;
    }

    fn fixed_time(&self, now: Instant) -> Duration {
        let of_hashes = Duration::from_millis(self.millis.load(Ordering::Relaxed));
        let of_source = self.answers.lock().as_mut().map_or(Duration::ZERO, |answers| {
            LEAST_WITH_SOURCE.max(answers.slowest(now).saturating_mul(MARGIN))
        });
        of_hashes.max(of_source)
    }

    /// Returns how long after its attempt a failure is answered, for which the throttle has chosen `delay`, and which
    /// is known after `elapsed`.
    pub(super) fn answer_after(&self, elapsed: Duration, delay: Duration) -> Duration {
        let floor = self.fixed_time(Instant::now());
        let due = delay.max(floor);
        if floor.is_zero() || elapsed <= due {
            return due;
        }
        let multiples = elapsed.as_nanos().div_ceil(floor.as_nanos());
        floor.saturating_mul(u32::try_from(multiples).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1";
    const BCRYPT: &str = "$2y$14$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    #[test]
    fn the_latest_answers_of_a_source_are_covered() {
        let floor = FailureFloor::default();
        let start = Instant::now();
        let after = |secs: u64| start + Duration::from_secs(secs);
        assert_eq!(floor.fixed_time(start), Duration::ZERO);
        floor.cover_answer(Duration::ZERO, start);
        assert_eq!(floor.fixed_time(start), LEAST_WITH_SOURCE);
        floor.cover_answer(Duration::from_secs(3), after(1));
        floor.cover_answer(Duration::from_millis(20), after(2));
        assert_eq!(floor.fixed_time(after(3)), Duration::from_secs(6));
        // It is forgotten after a while, with answers and without.
        floor.cover_answer(Duration::from_secs(1), after(301));
        assert_eq!(floor.fixed_time(after(599)), Duration::from_secs(6));
        assert_eq!(floor.fixed_time(after(602)), Duration::from_secs(2));
        assert_eq!(floor.fixed_time(after(5000)), LEAST_WITH_SOURCE);
        floor.forget_answers();
        assert_eq!(floor.fixed_time(after(5001)), Duration::ZERO);
    }

    #[test]
    fn failures_are_answered_at_fixed_times() {
        let floor = FailureFloor::default();
        let check = |elapsed: u64, delay: u64, expected: u64| {
            let after = floor.answer_after(Duration::from_millis(elapsed), Duration::from_millis(delay));
            assert_eq!(after, Duration::from_millis(expected), "{elapsed} {delay}");
        };
        // All hashes cost the same: the throttle alone decides.
        check(30, 500, 500);
        check(700, 500, 500);
        check(3, 0, 0);
        let hashes = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| PasswordHash::new((*text).to_owned()))
                .collect::<Vec<_>>()
        };
        floor.cover(&[]);
        check(3, 0, 0);
        floor.cover(&hashes(&[MD5]));
        let usual = u64::try_from(password::usual_cost().as_millis()).unwrap();
        // A hash that is faster than the dummy must not be answered sooner.
        let least = floor.answer_after(Duration::ZERO, Duration::ZERO);
        assert!(
            (usual * 2..=usual * 2 + 1).contains(&u64::try_from(least.as_millis()).unwrap()),
            "{least:?}"
        );
        floor.cover(&hashes(&[MD5, BCRYPT, "$nonsense"]));
        let slowest = password::cost(&PasswordHash::new(BCRYPT.to_owned()));
        let least = floor.answer_after(Duration::ZERO, Duration::ZERO);
        assert!(least >= slowest * 2 - Duration::from_millis(1), "{least:?}");
        let least = u64::try_from(least.as_millis()).unwrap();
        // The dummy, the fast hash and the slow one: the same moment.
        check(3, 500, least);
        check(40, 500, least);
        check(least, 500, least);
        check(40, 10_000, 10_000);
        // After a wait in the queue: the next multiple.
        check(least + 1, 500, 2 * least);
        check(2 * least, 500, 2 * least);
        check(2 * least + 40, 500, 3 * least);
        floor.cover(&hashes(&[MD5]));
        check(3, 500, least);
    }
}
