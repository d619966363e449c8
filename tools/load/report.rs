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
}

impl Totals {
    pub fn new(kind: Kind) -> Arc<Self> {
        // The histogram covers up to ten minutes.
        let latency = Histogram::new_with_bounds(1, 600_000_000, 3)
            .unwrap_or_else(|error| panic!("three digits are possible: {error}"));
        Arc::new(Self {
            kind,
            counted: Mutex::new(Counted {
                bytes: 0,
                failed: 0,
                latency,
            }),
        })
    }

    /// Counts an operation that succeeded.
    pub fn done(&self, took: Duration, bytes: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut counted = self.counted.lock();
        counted.bytes += bytes;
        counted.latency.saturating_record(micros);
    }

    /// Counts an operation that failed.
    pub fn failed(&self) {
        self.counted.lock().failed += 1;
    }

    pub fn report(&self, took: Duration) -> Report {
        let counted = self.counted.lock();
        let millis = |quantile: f64| counted.latency.value_at_quantile(quantile) as f64 / 1000.0;
        let secs = took.as_secs_f64();
        Report {
            work: self.kind.name(),
            operations: counted.latency.len(),
            failed: counted.failed,
            per_sec: counted.latency.len() as f64 / secs,
            mib_per_sec: counted.bytes as f64 / f64::from(1 << 20) / secs,
            p50_ms: millis(0.5),
            p90_ms: millis(0.9),
            p99_ms: millis(0.99),
            max_ms: counted.latency.max() as f64 / 1000.0,
        }
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
