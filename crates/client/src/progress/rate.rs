//! The rate of the last seconds, and how long the rest will take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time over which a rate is measured: long enough to be readable, short enough to follow a link that changes.
const WINDOW: Duration = Duration::from_secs(10);
/// The shortest time over which a rate means something.
const SHORTEST: Duration = Duration::from_millis(300);

/// Measures a rate from samples. Bytes that existed before the transfer do not count.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Records how many bytes have been transferred by now. It is called at most ten times a second, which bounds what
    /// is kept.
    pub fn sample(&mut self, now: Instant, moved: u64) {
        self.0.push_back((now, moved));
        while self
            .0
            .get(1)
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// The rate in bytes per second. `None`: it is not known yet.
    pub fn value(&self) -> Option<u64> {
        let ((began, before), (now, moved)) = (self.0.front()?, self.0.back()?);
        let span = now.saturating_duration_since(*began);
        (span >= SHORTEST).then(|| per_second(moved.saturating_sub(*before), span))?
    }
}

/// Bytes per second. `None`: no time has passed.
pub(super) fn per_second(bytes: u64, time: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 1_000_000).checked_div(time.as_micros())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// The time that this many bytes take, or `None` at a rate of zero.
pub(super) fn left(bytes: u64, rate: u64) -> Option<Duration> {
    // Rounded up: the last second is not `0:00`.
    (rate > 0).then(|| Duration::from_secs(bytes.div_ceil(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_count() {
        let begin = Instant::now();
        let at = |tenths: u64| begin + Duration::from_millis(100 * tenths);
        let mut rate = Rate::default();
        assert_eq!(rate.value(), None);
        rate.sample(at(0), 1000);
        rate.sample(at(1), 2000);
        assert_eq!(rate.value(), None, "too short");
        // Ten seconds at 1000 bytes a second, then at 10.
        let mut moved = 0;
        let mut rate = Rate::default();
        for tenths in 0..=100 {
            rate.sample(at(tenths), moved);
            moved += 100;
        }
        assert_eq!(rate.value(), Some(1000));
        for tenths in 101..=201 {
            rate.sample(at(tenths), moved);
            moved += 1;
        }
        assert_eq!(rate.value(), Some(10));
        assert!(rate.0.len() <= 102, "{}", rate.0.len());
        // After a pause of a minute, two samples remain, and the rate from before the pause is forgotten.
        rate.sample(at(800), moved);
        rate.sample(at(910), moved);
        assert_eq!(rate.value(), Some(0));
    }

    #[test]
    fn the_remaining_time_is_rounded_up() {
        assert_eq!(left(1000, 0), None);
        assert_eq!(left(1001, 100), Some(Duration::from_secs(11)));
        assert_eq!(left(0, 100), Some(Duration::ZERO));
        assert_eq!(per_second(10, Duration::ZERO), None);
        assert_eq!(per_second(u64::MAX, Duration::from_micros(1)), Some(u64::MAX));
    }
}
