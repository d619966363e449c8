//! The least time after which the failure of a password is answered, so that it does not show which scheme a user's
//! hash has, nor that there is such a user.
//!
//! As long as all hashes in the store cost what the dummy for unknown users costs, nothing is needed. With a hash of
//! another cost, every failure is answered at a fixed time after the attempt, which is longer than the slowest of the
//! verifications takes. If a verification ends later than that, because others were before it in the queue, the answer
//! waits for the next multiple of that time. A success is never held back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::password;
use crate::domain::user::PasswordHash;

/// How many times the estimated cost of the slowest verification the fixed time is. The estimates are for a slow
/// processor; half of that is left for a busy one.
const MARGIN: u32 = 2;

/// The time that covers the slowest hash that was found. It is zero as long as all cost the same.
#[derive(Debug, Default)]
pub(super) struct FailureFloor {
    millis: AtomicU64,
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

    /// Returns how long after its attempt a failure is answered, for which the throttle has chosen `delay`, and which
    /// is known after `elapsed`.
    pub(super) fn answer_after(&self, elapsed: Duration, delay: Duration) -> Duration {
        let floor = Duration::from_millis(self.millis.load(Ordering::Relaxed));
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
