//! How long requests take, as a histogram for each kind: from the moment that a request's turn comes until its reply is
//! ready. The time in which a request waits for its client to read earlier replies does not count.
//!
//! Counting costs a look at the clock before and after, and two additions in memory that few threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::sharded::Sharded;
use sftp_wire::PacketType;

/// The upper bounds of the histogram's buckets. A request from the page cache takes about 10 µs; one that takes longer
/// than the last bound waits for a disk that hangs.
pub const BOUNDS: [Duration; 16] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_micros(1000),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(2500),
    Duration::from_millis(10_000),
];

/// The number of kinds of requests that are timed. It is a plain number, because an optimizing compiler finds a circle when
/// the type of [`RequestTimings`] depends on a table whose entries are made by a function.
const KIND_COUNT: usize = 19;

/// The requests that are timed, with the names that the histograms have.
const KINDS: [RequestKind; KIND_COUNT] = [
    RequestKind::new(PacketType::Open, "open"),
    RequestKind::new(PacketType::Close, "close"),
    RequestKind::new(PacketType::Read, "read"),
    RequestKind::new(PacketType::Write, "write"),
    RequestKind::new(PacketType::Lstat, "lstat"),
    RequestKind::new(PacketType::Fstat, "fstat"),
    RequestKind::new(PacketType::Setstat, "setstat"),
    RequestKind::new(PacketType::Fsetstat, "fsetstat"),
    RequestKind::new(PacketType::Opendir, "opendir"),
    RequestKind::new(PacketType::Readdir, "readdir"),
    RequestKind::new(PacketType::Remove, "remove"),
    RequestKind::new(PacketType::Mkdir, "mkdir"),
    RequestKind::new(PacketType::Rmdir, "rmdir"),
    RequestKind::new(PacketType::Realpath, "realpath"),
    RequestKind::new(PacketType::Stat, "stat"),
    RequestKind::new(PacketType::Rename, "rename"),
    RequestKind::new(PacketType::Readlink, "readlink"),
    RequestKind::new(PacketType::Symlink, "symlink"),
    RequestKind::new(PacketType::Extended, "extended"),
];

/// A kind of requests and its name.
struct RequestKind {
    packet: PacketType,
    name: &'static str,
}

impl RequestKind {
    const fn new(packet: PacketType, name: &'static str) -> Self {
        Self { packet, name }
    }
}

/// The histograms of all kinds of requests.
#[derive(Debug, Default)]
pub struct RequestTimings(Sharded<[TimeCounts; KIND_COUNT]>);

/// The counts of one kind, in one group of threads. The last bucket is for what exceeds all bounds.
#[derive(Debug, Default)]
struct TimeCounts {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// The histogram of one kind of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeHistogram {
    /// The name of the kind.
    pub kind: &'static str,
    /// The number of requests in each bucket of [`BOUNDS`], without those in earlier ones; the last number is that of
    /// requests above all bounds.
    pub counts: [u64; BOUNDS.len() + 1],
    /// The sum of all times.
    pub sum: Duration,
}

impl RequestTimings {
    /// Counts a request. A packet that is not a request does not count.
    pub fn note(&self, packet: PacketType, duration: Duration) {
        let kind = KINDS.iter().position(|kind| kind.packet == packet);
        let counts = kind.and_then(|kind| self.0.own()?.get(kind));
        let Some(counts) = counts else { return };
        let bucket = BOUNDS.iter().position(|bound| duration <= *bound);
        if let Some(bucket) = counts.buckets.get(bucket.unwrap_or(BOUNDS.len())) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        counts.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the histograms, in a fixed order.
    pub fn histograms(&self) -> Vec<TimeHistogram> {
        let histogram = |(at, kind): (usize, &RequestKind)| {
            let mut counts = [0; BOUNDS.len() + 1];
            let mut nanoseconds = 0_u64;
            for shard in self.0.all().filter_map(|shard| shard.get(at)) {
                for (sum, bucket) in counts.iter_mut().zip(&shard.buckets) {
                    *sum += bucket.load(Ordering::Relaxed);
                }
                nanoseconds = nanoseconds.wrapping_add(shard.nanoseconds.load(Ordering::Relaxed));
            }
            TimeHistogram {
                kind: kind.name,
                counts,
                sum: Duration::from_nanos(nanoseconds),
            }
        };
        KINDS.iter().enumerate().map(histogram).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_holds_it() {
        let check = |duration: Duration, bucket: usize| {
            let timings = RequestTimings::default();
            timings.note(PacketType::Write, duration);
            for histogram in timings.histograms() {
                let expected = u64::from(histogram.kind == "write");
                assert_eq!(histogram.counts.iter().sum::<u64>(), expected);
                if expected > 0 {
                    assert_eq!((histogram.counts[bucket], histogram.sum), (1, duration));
                }
            }
        };
        check(Duration::ZERO, 0);
        check(Duration::from_micros(50), 0);
        check(Duration::from_nanos(50_001), 1);
        check(Duration::from_secs(10), 15);
        check(Duration::from_secs(3600), 16);
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn packets_that_only_servers_send_are_no_requests() {
        let timings = RequestTimings::default();
        timings.note(PacketType::Data, Duration::ZERO);
        timings.note(PacketType::Init, Duration::ZERO);
        assert!(
            timings
                .histograms()
                .iter()
                .all(|histogram| histogram.counts == [0; 17])
        );
    }
}
