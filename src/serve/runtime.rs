//! The event loop that a server runs on.

use tokio::runtime::Runtime;

use crate::io::descriptors;
use base::error::{Error, Result};

/// Returns how many threads of the event loop may be inside a file system at once: twice the cores, since one thread
/// that the kernel has suspended must not force the others to the slower path.
pub(super) fn slots() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// The most threads for work that may block. Each file system that hangs may occupy about 200 of them (in calls,
/// opening homes, hashing and closing); with this many, the others continue to work. They are started only when they
/// are needed.
const BLOCKING_THREADS: usize = 2048;

/// Creates the event loop, with two threads more than may hang in a file system, and raises the limit of descriptors to
/// the maximum.
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
