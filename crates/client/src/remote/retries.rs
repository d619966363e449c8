//! How long a connection is made again: the pause before each attempt, and the time that an attempt has.
//!
//! Without `--retry-for` the number of attempts decides. With it the time alone decides: it runs from the first break
//! after the last progress, through all pauses and attempts, and an attempt that is under way at its end is given up.

use std::time::{Duration, Instant};

/// The number of attempts to make a lost connection again without `--retry-for`.
pub(super) const ATTEMPTS: usize = 5;
/// The pauses before these attempts: half a minute in all. With `--retry-for` the last one is repeated.
pub(super) const PAUSES: [Duration; ATTEMPTS] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// The least time that is worth an attempt. With less of it left, none is begun.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);

/// What decides how long a lost connection is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryRule {
    /// The number of attempts to connect, and of breaks in a row without progress. The first connection gets one
    /// attempt.
    Count,
    /// The time since the first break after the last progress, or since the start for the first connection.
    For(Duration),
}

impl RetryRule {
    /// The rule that `--retry-for` sets.
    pub fn of_option(retry_for: Option<Duration>) -> Self {
        retry_for.map_or(Self::Count, Self::For)
    }

    /// The time that is left at `now` of an outage that began at `since`. `None`: time does not decide.
    pub fn left(self, since: Instant, now: Instant) -> Option<Duration> {
        match self {
            Self::Count => None,
            Self::For(time) => Some(time.saturating_sub(now.saturating_duration_since(since))),
        }
    }
}

/// The breaks of a connection since the last progress, as far as whoever uses the connection knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the first of them was noticed.
    pub since: Instant,
    /// How many of them came before the last one.
    pub earlier: usize,
}

impl Outage {
    /// An outage that begins with a break that is noticed now.
    pub fn new(since: Instant) -> Self {
        Self { since, earlier: 0 }
    }
}

/// The pause before the next attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NextAttempt {
    pub(super) pause: Duration,
    /// Which attempt it is, for messages.
    pub(super) which: String,
}

impl NextAttempt {
    /// The pause in seconds for messages, with one decimal place at most.
    pub(super) fn seconds(&self) -> f32 {
        (self.pause.as_secs_f32() * 10.0).round() / 10.0
    }
}

/// The attempts to make a connection again.
pub(super) struct Attempts {
    rule: RetryRule,
    pauses: [Duration; ATTEMPTS],
    outage: Outage,
    /// How many attempts were begun.
    number: usize,
}

impl Attempts {
    pub(super) fn new(rule: RetryRule, pauses: [Duration; ATTEMPTS], outage: Outage) -> Self {
        Self {
            rule,
            pauses,
            outage,
            number: 0,
        }
    }

    /// The next attempt. `None`: there are no more.
    pub(super) fn next(&mut self, now: Instant) -> Option<NextAttempt> {
        let number = self.number + 1;
        let next = match self.rule.left(self.outage.since, now) {
            None => NextAttempt {
                pause: *self.pauses.get(self.number)?,
                which: format!("{number} of {ATTEMPTS}"),
            },
            Some(left) if left < SHORTEST_ATTEMPT => return None,
            Some(left) => {
                // Breaks without progress between them are one long outage.
                let place = self.outage.earlier.saturating_add(self.number);
                let pause = self.pauses.get(place).or(self.pauses.last())?;
                NextAttempt {
                    // The attempt behind the pause needs time, too.
                    pause: (*pause).min(left / 2),
                    which: format!("attempt {number}, for {} s more", left.as_secs()),
                }
            }
        };
        self.number = number;
        Some(next)
    }

    /// The time that an attempt has that begins now. `None`: it only has limits of its own.
    pub(super) fn limit(&self, now: Instant) -> Option<Duration> {
        let left = self.rule.left(self.outage.since, now)?;
        Some(left.max(SHORTEST_ATTEMPT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of attempts that each take this long, in milliseconds, and the time that passes until the last ends.
    fn attempts(rule: RetryRule, earlier: usize, takes: Duration) -> (Vec<u128>, Duration) {
        let since = Instant::now();
        let mut attempts = Attempts::new(rule, PAUSES, Outage { since, earlier });
        let (mut now, mut pauses) = (since, Vec::new());
        while let Some(next) = attempts.next(now) {
            pauses.push(next.pause.as_millis());
            now += next.pause;
            now += takes.min(attempts.limit(now).unwrap_or(takes));
        }
        (pauses, now - since)
    }

    #[test]
    fn five_attempts_are_made_unless_a_time_is_given() {
        let takes = Duration::from_secs(30);
        for earlier in [0, 3] {
            let (pauses, _) = attempts(RetryRule::Count, earlier, takes);
            assert_eq!(pauses, [500, 2000, 4000, 8000, 16000], "{earlier}");
        }
    }

    /// The time given is used up, and not exceeded, however long an attempt takes.
    #[test]
    fn attempts_end_when_the_time_given_is_over() {
        for seconds in [1, 2, 10, 31, 60, 600] {
            let time = Duration::from_secs(seconds);
            for takes in [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(120)] {
                let (pauses, passed) = attempts(RetryRule::For(time), 0, takes);
                assert!(passed <= time, "{time:?}, {takes:?}: {passed:?}");
                assert!(
                    passed + SHORTEST_ATTEMPT >= time,
                    "{time:?}, {takes:?}: {passed:?}"
                );
                assert_eq!(pauses.first(), Some(&500), "{time:?}, {takes:?}");
            }
        }
        // More time means more attempts, and not only five.
        let (pauses, _) = attempts(RetryRule::For(Duration::from_secs(600)), 0, Duration::ZERO);
        assert!(pauses.len() > 35, "{pauses:?}");
    }

    /// A connection that comes up and breaks again and again is not made again twice a second for ten minutes.
    #[test]
    fn breaks_without_progress_make_the_pauses_longer() {
        let rule = RetryRule::For(Duration::from_secs(600));
        for (earlier, first) in [(0, 500), (1, 2000), (3, 8000), (4, 16000), (1000, 16000)] {
            let (pauses, _) = attempts(rule, earlier, Duration::ZERO);
            assert_eq!(pauses.first(), Some(&first), "{earlier}");
        }
    }

    #[test]
    fn an_attempt_has_the_time_that_is_left() {
        let since = Instant::now();
        let limit = |rule, after| {
            let attempts = Attempts::new(rule, PAUSES, Outage::new(since));
            attempts.limit(since + Duration::from_millis(after))
        };
        let rule = RetryRule::For(Duration::from_secs(2));
        assert_eq!(limit(rule, 0), Some(Duration::from_secs(2)));
        assert_eq!(limit(rule, 1500), Some(Duration::from_millis(500)));
        assert_eq!(limit(rule, 60_000), Some(SHORTEST_ATTEMPT));
        assert_eq!(limit(RetryRule::Count, 1500), None);
    }

    #[test]
    fn a_message_says_which_attempt_comes_next() {
        let since = Instant::now();
        let which = |rule| {
            let mut attempts = Attempts::new(rule, PAUSES, Outage::new(since));
            let next = attempts.next(since).unwrap();
            (next.seconds().to_string(), next.which)
        };
        let expected = |which: &str| ("0.5".to_owned(), which.to_owned());
        assert_eq!(which(RetryRule::Count), expected("1 of 5"));
        assert_eq!(
            which(RetryRule::For(Duration::from_secs(600))),
            expected("attempt 1, for 600 s more")
        );
        let odd = NextAttempt {
            pause: Duration::from_micros(749_321),
            which: String::new(),
        };
        assert_eq!(odd.seconds().to_string(), "0.7");
    }
}
