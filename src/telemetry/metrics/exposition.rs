//! Writes metrics in Prometheus's text format, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::time::Duration;

/// The content type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows, from 0 at the start of the process.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// The numbers of observations in buckets, and their sum.
    Histogram,
}

impl MetricKind {
    fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// One histogram of durations.
#[derive(Debug, Clone, Copy)]
pub struct DurationBuckets<'a> {
    /// The upper bounds, in ascending order.
    pub bounds: &'a [Duration],
    /// The number of observations in each bucket alone; the last one, beyond the bounds, has those above all bounds.
    pub counts: &'a [u64],
    /// The sum of all observations.
    pub sum: Duration,
}

impl Exposition {
    /// Begins a metric. Its samples follow.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    }

    /// Writes one sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    /// Writes a metric that has one sample without labels.
    pub fn single(&mut self, name: &str, kind: MetricKind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Writes one histogram, in seconds.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], buckets: DurationBuckets<'_>) {
        let mut sum = 0_u64;
        for (at, count) in buckets.counts.iter().enumerate() {
            sum = sum.saturating_add(*count);
            let bound = buckets
                .bounds
                .get(at)
                .map(|bound| bound.as_secs_f64().to_string());
            let bound = bound.as_deref().unwrap_or("+Inf");
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(("le", bound)));
            let _ = writeln!(self.0, " {sum}");
        }
        self.sample(&format!("{name}_sum"), labels, buckets.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), labels, sum);
    }

    /// Appends metrics that were written before.
    pub fn append(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Returns the page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn labels(&mut self, labels: &[(&str, &str)], more: Option<(&str, &str)>) {
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(more) {
            self.0.push(separator);
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escape(value);
            self.0.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.0.push('}');
        }
    }

    fn escape(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_laid_out_as_prometheus_reads_them() {
        let mut page = Exposition::default();
        page.single("a", MetricKind::Gauge, "What it is.", 7);
        page.family("b_total", MetricKind::Counter, "More.");
        page.sample("b_total", &[("x", "1"), ("y", "a\\b\"c\nd")], 0.5);
        let expected = "# HELP a What it is.\n# TYPE a gauge\na 7\n# HELP b_total More.\n# TYPE b_total counter\n\
                        b_total{x=\"1\",y=\"a\\\\b\\\"c\\nd\"} 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_bucket_counts_what_earlier_ones_have_too() {
        let mut page = Exposition::default();
        let buckets = DurationBuckets {
            bounds: &[Duration::from_micros(50), Duration::from_secs(1)],
            counts: &[3, 0, 2],
            sum: Duration::from_millis(2500),
        };
        page.histogram("h", &[("kind", "read")], buckets);
        let expected = "h_bucket{kind=\"read\",le=\"0.00005\"} 3\nh_bucket{kind=\"read\",le=\"1\"} 3\n\
                        h_bucket{kind=\"read\",le=\"+Inf\"} 5\nh_sum{kind=\"read\"} 2.5\nh_count{kind=\"read\"} 5\n";
        assert_eq!(page.into_text(), expected);
    }
}
