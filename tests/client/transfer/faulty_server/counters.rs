//! What all connections of a faulty server count together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A request for a hash.
#[derive(Debug, Clone, Copy)]
pub struct HashedBytes {
    /// The offset of its range.
    pub offset: u64,
    /// The length of its range; 0 for all of the file.
    pub length: u64,
    /// The size of the file at that time, in bytes.
    pub size: u64,
}

/// The counters that all connections of a server share, for faults that occur once.
#[derive(Default)]
pub(super) struct SharedCounters {
    /// The number of connections so far.
    pub connections: AtomicUsize,
    pub refused: AtomicUsize,
    /// The number of files that were opened.
    pub opened: AtomicUsize,
    /// The requests for hashes, in their order.
    pub hashed: Mutex<Vec<HashedBytes>>,
    /// The commands that were run.
    pub commands: Mutex<Vec<String>>,
}

impl SharedCounters {
    /// Waits until no file was opened for this long. The time is slept in pieces, so that a moment in which the whole
    /// machine stands still does not count for more than one of them.
    pub async fn wait_for_quiet(&self, quiet: Duration) {
        const PIECES: u32 = 20;
        /// A client gives up a command that prints nothing for 15 s.
        const LONGEST: Duration = Duration::from_secs(8);
        let waiting = async {
            let (mut opened, mut pieces) = (self.opened.load(SeqCst), 0);
            while !quiet.is_zero() && pieces < PIECES {
                tokio::time::sleep(quiet / PIECES).await;
                let before = std::mem::replace(&mut opened, self.opened.load(SeqCst));
                pieces = if opened == before { pieces + 1 } else { 0 };
            }
        };
        // What was opened until then is enough.
        let _ = tokio::time::timeout(LONGEST, waiting).await;
    }
}
