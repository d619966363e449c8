//! Counts the operations of the load, and prints the results.
#![allow(
    clippy::panic,
    reason = "a tool for oneself; the number of digits is a constant"
)]

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::plan::Kind;

/// The counters that all connections of one work share.
pub struct Totals {
    kind: Kind,
    counted: Mutex<Counted>,
}

struct Counted {
    bytes: u64,
    failed: u64,
    /// The latency of operations, in microseconds.
    latency: Histogram<u64>,
    /// The counters of the current period, if periods are reported.
    current: Option<Current>,
    periods: Vec<Period>,
}

struct Current {
    latency: Histogram<u64>,
    bytes: u64,
}

impl Current {
    fn new() -> Self {
        Self {
            latency: empty_histogram(),
            bytes: 0,
        }
    }
}

/// Returns an empty histogram of microseconds, which covers up to ten minutes.
fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3)
        .unwrap_or_else(|error| panic!("three digits are possible: {error}"))
}

/// Returns a quantile of a histogram of microseconds, in milliseconds.
fn millis(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1000.0
}

impl Totals {
    /// Creates counters that also count each period, if `by_period` is true.
    pub fn new(kind: Kind, by_period: bool) -> Arc<Self> {
        Arc::new(Self {
            kind,
            counted: Mutex::new(Counted {
                bytes: 0,
                failed: 0,
                latency: empty_histogram(),
                current: by_period.then(Current::new),
                periods: Vec::new(),
            }),
        })
    }

    /// Counts an operation that succeeded.
    pub fn done(&self, took: Duration, bytes: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut counted = self.counted.lock();
        counted.bytes += bytes;
        counted.latency.saturating_record(micros);
        if let Some(current) = &mut counted.current {
            current.latency.saturating_record(micros);
            current.bytes += bytes;
        }
    }

    /// Ends the current period, which has taken this long, and returns its results.
    pub fn end_period(&self, took: Duration) -> Period {
        let mut counted = self.counted.lock();
        let ended = counted
            .current
            .replace(Current::new())
            .unwrap_or_else(Current::new);
        let end_secs = counted.periods.last().map_or(0.0, |last| last.end_secs) + took.as_secs_f64();
        let period = Period {
            work: self.kind.name(),
            end_secs,
            per_sec: ended.latency.len() as f64 / took.as_secs_f64(),
            mib_per_sec: ended.bytes as f64 / f64::from(1 << 20) / took.as_secs_f64(),
            p50_ms: millis(&ended.latency, 0.5),
            p99_ms: millis(&ended.latency, 0.99),
            max_ms: ended.latency.max() as f64 / 1000.0,
        };
        counted.periods.push(period);
        period
    }

    /// Counts an operation that failed.
    pub fn failed(&self) {
        self.counted.lock().failed += 1;
    }

    pub fn report(&self, took: Duration) -> Report {
        let counted = self.counted.lock();
        let secs = took.as_secs_f64();
        Report {
            work: self.kind.name(),
            operations: counted.latency.len(),
            failed: counted.failed,
            per_sec: counted.latency.len() as f64 / secs,
            mib_per_sec: counted.bytes as f64 / f64::from(1 << 20) / secs,
            p50_ms: millis(&counted.latency, 0.5),
            p90_ms: millis(&counted.latency, 0.9),
            p99_ms: millis(&counted.latency, 0.99),
            max_ms: counted.latency.max() as f64 / 1000.0,
            periods: counted.periods.clone(),
        }
    }
}

/// The results of one kind of work in one period.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Period {
    #[serde(skip)]
    work: &'static str,
    /// The end of the period, from the start of the work.
    end_secs: f64,
    per_sec: f64,
    mib_per_sec: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Period {
    pub fn print(&self) {
        println!(
            "{:>5} s  {:7}{:>11.1} per s{:>9.1} MiB/s  p50 {:>8.3} ms  p99 {:>8.3} ms  max {:>8.3} ms",
            self.end_secs, self.work, self.per_sec, self.mib_per_sec, self.p50_ms, self.p99_ms, self.max_ms
        );
    }
}

/// One line of the result table.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    work: &'static str,
    operations: u64,
    pub failed: u64,
    per_sec: f64,
    mib_per_sec: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    periods: Vec<Period>,
}

pub fn print(reports: &[Report], json: bool) {
    if json {
        println!("{}", serde_json::to_string(reports).unwrap_or_default());
        return;
    }
    println!(
        "{:7}{:>11}{:>8}{:>11}{:>9}{:>10}{:>10}{:>10}{:>10}",
        "work", "operations", "failed", "per s", "MiB/s", "p50 ms", "p90 ms", "p99 ms", "max ms"
    );
    for r in reports {
        println!(
            "{:7}{:>11}{:>8}{:>11.1}{:>9.1}{:>10.3}{:>10.3}{:>10.3}{:>10.3}",
            r.work, r.operations, r.failed, r.per_sec, r.mib_per_sec, r.p50_ms, r.p90_ms, r.p99_ms, r.max_ms
        );
    }
}
