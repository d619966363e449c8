//! What the queue is given and returns.

use std::sync::Arc;

use crate::hooks::entry::QueueEntry;

/// The limits of the queue, for all hooks together. One user's events may take half of each, and so may those
/// without a user.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// The most entries, those that were set aside included.
    pub entries: usize,
    /// The most bytes that they may take, in memory and about as many on the disk.
    pub bytes: usize,
}

impl Default for QueueLimits {
    /// An hour of 25 events a second, with some hundred bytes each.
    fn default() -> Self {
        Self {
            entries: 100_000,
            bytes: 128 << 20,
        }
    }
}

/// What the queue has counted, for monitoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HookStats {
    /// The attempts that have failed since the start.
    pub failures: u64,
    /// The events that were dropped since the start, because the queue was full or could not be written.
    pub dropped: u64,
    /// The entries that wait or run now.
    pub waiting: usize,
    /// The entries that are set aside now.
    pub set_aside: usize,
}

/// An entry whose hook is to run now.
#[derive(Debug, Clone)]
pub struct HookJob {
    /// The entry.
    pub entry: Arc<QueueEntry>,
    /// The number of this attempt, counted from 1.
    pub attempt: u32,
}
