//! The scheduler's clock: times as numbers that fit into an atomic.

use std::time::{Duration, Instant};

/// A clock that counts microseconds from its creation.
#[derive(Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    /// Starts at 0.
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time in microseconds.
    pub(super) fn now(&self) -> u64 {
        micros(self.0.elapsed())
    }
}

/// Returns a duration in microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
