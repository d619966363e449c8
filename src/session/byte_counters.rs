//! The numbers of bytes of files that all sessions have transferred since the start, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use base::sharded::Sharded;

/// Counts the bytes of files that clients have sent and received. What the server copies by itself does not count.
#[derive(Debug, Default)]
pub struct ByteCounters(Sharded<ByteCounts>);

/// The counts of one group of threads.
#[derive(Debug, Default)]
struct ByteCounts {
    up: AtomicU64,
    down: AtomicU64,
}

/// Numbers of bytes in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferredBytes {
    /// The bytes that clients have written to files.
    pub up: u64,
    /// The bytes that clients have read from files.
    pub down: u64,
}

impl ByteCounters {
    /// Counts bytes that a client has written.
    pub fn add_up(&self, count: usize) {
        if let Some(own) = self.0.own() {
            own.up.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Counts bytes that a client has read.
    pub fn add_down(&self, count: usize) {
        if let Some(own) = self.0.own() {
            own.down.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Returns the bytes that were counted so far.
    pub fn total(&self) -> TransferredBytes {
        let mut total = TransferredBytes::default();
        for counts in self.0.all() {
            total.up = total.up.wrapping_add(counts.up.load(Ordering::Relaxed));
            total.down = total.down.wrapping_add(counts.down.load(Ordering::Relaxed));
        }
        total
    }
}
