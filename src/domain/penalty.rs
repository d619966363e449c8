//! A penalty in points: offences add points, and time removes them. The code is pure: the time is passed in.
//!
//! The owner of a penalty decides what a number of points means (a delay or a refusal).

use std::time::{Duration, Instant};

/// The limits by which penalties of one kind grow and decrease.
#[derive(Debug, Clone, Copy)]
pub struct PenaltyRule {
    /// The most points that a penalty can have.
    pub ceiling: f64,
    /// The time after which one point is forgiven.
    pub forgive_after: Duration,
}

/// The points of one offender at a given instant. The default has no points.
#[derive(Debug, Clone, Copy, Default)]
pub struct Penalty {
    points: f64,
    as_of: Option<Instant>,
}

impl Penalty {
    /// Returns the points that remain at `now`.
    pub fn points(self, rule: PenaltyRule, now: Instant) -> f64 {
        let passed = self
            .as_of
            .map_or(Duration::ZERO, |as_of| now.saturating_duration_since(as_of));
        (self.points - passed.as_secs_f64() / rule.forgive_after.as_secs_f64()).max(0.0)
    }

    /// Whether the penalty is at its ceiling, with a tolerance of one point for what is forgiven between an offence and
    /// the next check.
    pub fn is_at_ceiling(self, rule: PenaltyRule, now: Instant) -> bool {
        self.points(rule, now) > rule.ceiling - 1.0
    }

    /// Adds points up to the ceiling and returns the new number of points.
    pub fn add(&mut self, points: f64, rule: PenaltyRule, now: Instant) -> f64 {
        self.points = (self.points(rule, now) + points).min(rule.ceiling);
        self.as_of = Some(now);
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_add_up_to_the_ceiling_and_fade() {
        let rule = PenaltyRule {
            ceiling: 3.0,
            forgive_after: Duration::from_secs(10),
        };
        let (mut penalty, now) = (Penalty::default(), Instant::now());
        assert_eq!(penalty.points(rule, now), 0.0);
        assert_eq!(penalty.add(1.0, rule, now), 1.0);
        assert!(!penalty.is_at_ceiling(rule, now));
        assert_eq!(penalty.add(5.0, rule, now), 3.0);
        assert!(penalty.is_at_ceiling(rule, now));
        assert_eq!(penalty.points(rule, now + Duration::from_secs(5)), 2.5);
        assert_eq!(penalty.add(0.5, rule, now + Duration::from_secs(20)), 1.5);
        assert_eq!(penalty.points(rule, now + Duration::from_secs(3600)), 0.0);
    }
}
