//! Limits how often something that happens again and again is reported.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets the first report pass, and then at most one in each interval.
#[derive(Debug)]
pub struct ReportInterval {
    shortest: Duration,
    last: Mutex<Option<Instant>>,
}

impl ReportInterval {
    /// Creates the limit with the shortest time between two reports.
    pub const fn new(shortest: Duration) -> Self {
        Self {
            shortest,
            last: Mutex::new(None),
        }
    }

    /// Returns whether a report may be made now. If so, it counts as made.
    pub fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut last = self.last.lock();
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= self.shortest);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_passes_in_each_interval() {
        let interval = ReportInterval::new(Duration::from_secs(10));
        let start = Instant::now();
        let is_due = [0, 5, 9, 10, 11, 25].map(|secs| interval.is_due_at(start + Duration::from_secs(secs)));
        assert_eq!(is_due, [true, false, false, true, false, true]);
    }
}
