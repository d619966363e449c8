//! The event loop that a server runs on.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::io::cpu_slots::cores;
use crate::io::descriptors;
use base::error::{Error, Result};

/// The most threads of the event loop that may be inside a file system at once. Beyond that, more threads would not be
/// faster, and each takes memory.
const MOST_SLOTS: usize = 256;

/// Returns how many threads of the event loop may be inside a file system at once.
pub(super) fn slots() -> usize {
    slots_for(cores())
}

fn arenas_for(cores: usize) -> usize {
    cores.saturating_mul(ARENAS_FOR_EACH_CORE).max(ARENAS_AT_LEAST)
}

/// Returns that number for a machine with so many cores: twice as many, since one thread that the kernel has suspended
/// must not force the others to the slower path.
fn slots_for(cores: usize) -> usize {
    cores.max(1).saturating_mul(2).min(MOST_SLOTS)
}

/// The number of heaps of the C library for each core, and the least number. It would make eight for each core, and
/// what is in use of each keeps some 250 KiB, also long after a load. No more threads allocate at once than there are
/// cores.
const ARENAS_FOR_EACH_CORE: usize = 2;
const ARENAS_AT_LEAST: usize = 4;

/// How long a thread for work that may block waits for more. The server's own work, once a second, wakes these threads
/// in turn, so that with the usual ten seconds ten of them would never end after a load.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// The most threads for work that may block. Each file system that hangs may occupy about 200 of them (in calls,
/// opening homes, hashing and closing); with this many, the others continue to work. They are started only when they
/// are needed.
const BLOCKING_THREADS: usize = 2048;

/// Creates the event loop, with two threads more than may hang in a file system, raises the limit of descriptors to the
/// maximum, and limits the heaps of the C library.
pub fn runtime() -> Result<Runtime> {
    if let Err(error) = descriptors::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    heap::limit_arenas(arenas_for(cores()));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(slots() + 2)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .enable_all()
        .build()
        .map_err(|error| Error::new("cannot start the event loop").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_and_a_large_machine_get_threads_that_suit_them() {
        for (cores, slots, arenas) in [
            (0, 2, 4),
            (1, 2, 4),
            (2, 4, 4),
            (64, 128, 128),
            (128, 256, 256),
            (1024, 256, 2048),
            (usize::MAX, 256, usize::MAX),
        ] {
            assert_eq!(slots_for(cores), slots, "{cores} cores");
            assert_eq!(arenas_for(cores), arenas, "{cores} cores");
        }
    }
}
