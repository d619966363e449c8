//! Reads the configuration, and the files that it names, without holding up other tasks.

use base::error::{Error, Result};

/// Runs code that reads files on a thread that may block.
pub(super) async fn run_blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Error::new("cannot read the configuration").because(error))?
}
