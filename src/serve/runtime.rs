//! The event loop that a server runs on.

use tokio::runtime::Runtime;

use crate::io::descriptors;
use base::error::{Error, Result};

/// Threads that may be inside a file system at once, on the event loop. Twice the cores, since one that the kernel
/// has taken from its core must not send the others on the slow way.
pub(super) fn slots() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads for what may take long. Each file system that hangs may hold some 200 of them (in calls, opening homes, hashing
/// and closing); as many as here, and the others still go on. They are started only when they are needed.
const BLOCKING_THREADS: usize = 2048;

/// The event loop: two threads more than may hang in a file system, and as many descriptors as there may be.
pub fn runtime() -> Result<Runtime> {
    if let Err(error) = descriptors::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(slots() + 2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Error::new("cannot start the event loop").because(error))
}
