//! What the server did in the last hour, day and week, for the graphs of administrators: rates, sessions, and how full the
//! fullest disk is.
//!
//! The counters of the server are looked at every 10 s (`sampler.rs`), and kept in memory alone: a restart loses them. Older samples
//! are thinner: each point of a day has the samples of a minute, and each of a week those of ten minutes.

mod svg;

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::ops::running::StatusView;

pub use svg::{GraphKind, draw, top_of};

/// The time that a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphPeriod {
    /// The last hour, a point for every 10 s.
    Hour,
    /// The last day, a point for every minute.
    Day,
    /// The last week, a point for every 10 minutes.
    Week,
}

impl GraphPeriod {
    /// All periods, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Returns the word in addresses, which is also the one for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Returns the number of samples of a point.
    fn samples_per_point(self) -> u32 {
        match self {
            Self::Hour => 1,
            Self::Day => 6,
            Self::Week => 60,
        }
    }

    /// Returns the number of points: less than 2,000 for each.
    pub fn points(self) -> usize {
        match self {
            Self::Hour => 360,
            Self::Day => 1440,
            Self::Week => 1008,
        }
    }
}

/// Parses the word in an address.
impl FromStr for GraphPeriod {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|period| period.name() == text)
            .ok_or(())
    }
}

/// What a graph has of one moment, or the means and maxima of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GraphPoint {
    /// The bytes per second that clients have uploaded.
    pub up: u64,
    /// The bytes per second that clients have downloaded.
    pub down: u64,
    /// The number of sessions; of several samples, the most.
    pub sessions: u64,
    /// How full the fullest disk is, in thousandths.
    pub fullest: u64,
}

/// What is kept of the last week.
#[derive(Default)]
pub struct Graphs(Mutex<GraphHistory>);

/// The points of each period, and the counters of the last sample.
#[derive(Default)]
struct GraphHistory {
    hour: PointSeries,
    day: PointSeries,
    week: PointSeries,
    last: Option<LastCounters>,
}

/// The counters at the last sample, from which the next one has its rates.
struct LastCounters {
    at: Instant,
    up: u64,
    down: u64,
}

/// The points of one period, oldest first, and the sum of the samples of the next one.
#[derive(Default)]
struct PointSeries {
    points: VecDeque<GraphPoint>,
    sum: GraphPoint,
    summed: u32,
}

impl PointSeries {
    fn add(&mut self, period: GraphPeriod, sample: GraphPoint) {
        self.sum.up = self.sum.up.saturating_add(sample.up);
        self.sum.down = self.sum.down.saturating_add(sample.down);
        self.sum.sessions = self.sum.sessions.max(sample.sessions);
        self.sum.fullest = sample.fullest;
        self.summed += 1;
        if self.summed < period.samples_per_point() {
            return;
        }
        let count = u64::from(self.summed);
        self.points.push_back(GraphPoint {
            up: self.sum.up / count,
            down: self.sum.down / count,
            ..self.sum
        });
        (self.sum, self.summed) = (GraphPoint::default(), 0);
        while self.points.len() > period.points() {
            self.points.pop_front();
        }
    }
}

impl Graphs {
    /// Adds a sample of the server. The first one has no rates yet, and is only compared with.
    pub fn add(&self, status: &StatusView, at: Instant) {
        let mut history = self.0.lock();
        let counters = LastCounters {
            at,
            up: status.bytes_up,
            down: status.bytes_down,
        };
        let Some(last) = history.last.replace(counters) else {
            return;
        };
        let millis = u64::try_from(at.saturating_duration_since(last.at).as_millis()).unwrap_or(u64::MAX);
        let rate = |now: u64, before: u64| {
            let bytes = now.saturating_sub(before);
            bytes.saturating_mul(1000) / millis.max(1)
        };
        let sample = GraphPoint {
            up: rate(status.bytes_up, last.up),
            down: rate(status.bytes_down, last.down),
            sessions: u64::try_from(status.sessions).unwrap_or(u64::MAX),
            fullest: fullest(status),
        };
        let GraphHistory { hour, day, week, .. } = &mut *history;
        hour.add(GraphPeriod::Hour, sample);
        day.add(GraphPeriod::Day, sample);
        week.add(GraphPeriod::Week, sample);
    }

    /// Returns the points of a period, oldest first.
    pub fn points(&self, period: GraphPeriod) -> Vec<GraphPoint> {
        let history = self.0.lock();
        let series = match period {
            GraphPeriod::Hour => &history.hour,
            GraphPeriod::Day => &history.day,
            GraphPeriod::Week => &history.week,
        };
        series.points.iter().copied().collect()
    }
}

/// Returns how full the fullest disk is, in thousandths.
fn fullest(status: &StatusView) -> u64 {
    let parts = status.places.iter().map(|place| {
        let used = place.total_bytes.saturating_sub(place.free_bytes);
        let thousandths = u128::from(used) * 1000 / u128::from(place.total_bytes.max(1));
        u64::try_from(thousandths).unwrap_or_default()
    });
    parts.max().unwrap_or_default()
}

/// Returns the time at which a graph begins that ends now.
pub fn begin_of(period: GraphPeriod, now: Timestamp) -> Timestamp {
    let hours = match period {
        GraphPeriod::Hour => 1,
        GraphPeriod::Day => 24,
        GraphPeriod::Week => 7 * 24,
    };
    now.saturating_sub(jiff::SignedDuration::from_hours(hours))
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ops::running::PlaceSpace;

    fn status(bytes: u64, sessions: usize) -> StatusView {
        let place = |free_bytes| PlaceSpace {
            path: "/srv".into(),
            free_bytes,
            total_bytes: 1000,
        };
        StatusView {
            version: String::new(),
            since: Timestamp::UNIX_EPOCH,
            is_stopping: false,
            sessions,
            unauthenticated: 0,
            bytes_up: bytes,
            bytes_down: bytes * 2,
            file_systems: Vec::new(),
            places: vec![place(900), place(250), place(500)],
        }
    }

    #[test]
    fn rates_are_those_between_two_samples() {
        let (graphs, start) = (Graphs::default(), Instant::now());
        graphs.add(&status(500, 1), start);
        assert!(graphs.points(GraphPeriod::Hour).is_empty());
        graphs.add(&status(1500, 3), start + Duration::from_secs(10));
        let expected = GraphPoint {
            up: 100,
            down: 200,
            sessions: 3,
            fullest: 750,
        };
        assert_eq!(graphs.points(GraphPeriod::Hour), [expected]);
        // A counter that has begun again makes no rate, and never a wrong one.
        graphs.add(&status(0, 0), start + Duration::from_secs(20));
        assert_eq!(graphs.points(GraphPeriod::Hour)[1].up, 0);
    }

    #[test]
    fn a_week_of_samples_is_thinned_and_has_a_limit() {
        let (graphs, start) = (Graphs::default(), Instant::now());
        for number in 0..=70_000_u64 {
            let sessions = usize::from(number % 60 == 7) * 9;
            graphs.add(
                &status(number * 1000, sessions),
                start + Duration::from_secs(number * 10),
            );
        }
        for period in GraphPeriod::ALL {
            let points = graphs.points(period);
            assert_eq!(points.len(), period.points(), "{period:?}");
            assert!(points.len() <= 2000);
            assert!(points.iter().all(|point| point.up == 100), "{period:?}");
        }
        let week = graphs.points(GraphPeriod::Week);
        assert!(
            week.iter().all(|point| point.sessions == 9),
            "the most sessions stay"
        );
    }

    #[test]
    fn periods_are_known_by_their_words() {
        for period in GraphPeriod::ALL {
            assert_eq!(period.name().parse(), Ok(period));
        }
        assert_eq!("year".parse::<GraphPeriod>(), Err(()));
    }
}
