//! When another connection is tried after failures that may pass.

use std::time::{Duration, Instant};

/// The pauses after each of several failures in a row to make a connection that may pass. After one more, none is tried
/// any more.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(8),
    Duration::from_secs(30),
];

/// The failures in a row to make a connection.
#[derive(Debug, Default)]
pub(super) struct PassingFailures {
    count: usize,
    /// When the next connection may be tried.
    pub again_at: Option<Instant>,
}

impl PassingFailures {
    /// Whether a connection may be tried now.
    pub fn may_try(&self, now: Instant) -> bool {
        self.again_at.is_none_or(|at| at <= now)
    }

    /// Counts a failure, and returns whether another connection may be tried after a pause. Failures of connections that
    /// were tried at the same time count as one.
    pub fn failed(&mut self, now: Instant) -> bool {
        if !self.may_try(now) {
            return true;
        }
        let pause = PAUSES.get(self.count);
        self.count += 1;
        self.again_at = pause.map(|pause| now + *pause);
        pause.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_may_pass_end_nothing_at_once() {
        let mut failures = PassingFailures::default();
        let mut now = Instant::now();
        assert!(failures.may_try(now));
        for pause in PAUSES {
            assert!(failures.failed(now), "{pause:?}");
            // Others that were tried at the same time.
            assert!(failures.failed(now) && failures.failed(now));
            assert!(!failures.may_try(now));
            now += pause;
            assert!(failures.may_try(now));
        }
        assert!(!failures.failed(now));
    }
}
