//! The metrics of the process, with the names that Prometheus's own libraries give them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::exposition::{Exposition, MetricKind};

/// What `/proc/self/stat` says of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessStat {
    /// User and system time in ticks of the clock.
    cpu_ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl ProcessStat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program, in parentheses, may contain anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<u64> = rest
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        // The first field here is the third of proc_pid_stat(5).
        let field = |number: usize| fields.get(number.checked_sub(3)?).copied();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// Writes the metrics. What the system does not say is left out.
pub(super) fn write(page: &mut Exposition, descriptors: Option<u64>, since: Timestamp) {
    use MetricKind::{Counter, Gauge};
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    if let Some(stat) = stat.as_deref().and_then(ProcessStat::parse) {
        #[allow(clippy::cast_precision_loss, reason = "it would take years to matter")]
        let seconds = stat.cpu_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        let resident = stat
            .resident_pages
            .saturating_mul(rustix::param::page_size() as u64);
        page.single(
            "process_cpu_seconds_total",
            Counter,
            "CPU time of the process in seconds.",
            seconds,
        );
        page.single("process_resident_memory_bytes", Gauge, "Memory in use.", resident);
        page.single(
            "process_virtual_memory_bytes",
            Gauge,
            "Memory that is mapped.",
            stat.virtual_bytes,
        );
        page.single("process_threads", Gauge, "Threads of the process.", stat.threads);
    }
    if let Some(descriptors) = descriptors {
        page.single("process_open_fds", Gauge, "Open file descriptors.", descriptors);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.single(
            "process_max_fds",
            Gauge,
            "The most file descriptors that may be open.",
            most,
        );
    }
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact")]
    let since = since.as_millisecond() as f64 / 1000.0;
    page.single(
        "process_start_time_seconds",
        Gauge,
        "When the server was started, in seconds since 1970.",
        since,
    );
}

/// The number of open descriptors, which is counted in the background: with kernels before 6.2, all have to be listed.
#[derive(Debug, Default)]
pub struct DescriptorCount(AtomicU64);

impl DescriptorCount {
    /// Returns the number as it was counted last; `None` if it is not known.
    pub(super) fn number(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }

    /// Counts again and again, until `quit` is cancelled.
    pub async fn watch(self: Arc<Self>, quit: CancellationToken) {
        loop {
            let counted = tokio::task::spawn_blocking(open_descriptors).await;
            self.0.store(counted.unwrap_or(0), Ordering::Relaxed);
            tokio::select! {
                () = quit.cancelled() => return,
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
        }
    }
}

/// How often descriptors are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Returns the number of open descriptors; 0 if it cannot be found out.
fn open_descriptors() -> u64 {
    let directory = "/proc/self/fd";
    match std::fs::metadata(directory).map_or(0, |meta| meta.len()) {
        0 => std::fs::read_dir(directory).map_or(0, |entries| entries.count() as u64),
        count => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_confuses_nobody() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 9 0 5 1000000 250 18446744073709551615 1 1";
        let expected = ProcessStat {
            cpu_ticks: 42,
            threads: 9,
            virtual_bytes: 1_000_000,
            resident_pages: 250,
        };
        assert_eq!(ProcessStat::parse(text), Some(expected));
        assert_eq!(ProcessStat::parse("7 (a) S 1"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }
}
