//! The permission to wait for a file system on a thread of the blocking pool.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permission to be inside the file system on threads of the blocking pool.
pub struct SlowPermit {
    _home: Option<OwnedSemaphorePermit>,
    _filesystem: Option<OwnedSemaphorePermit>,
}

impl SlowPermit {
    /// Takes the home's permit first, so that a call that waits for it does not hold a permit that others need.
    pub(super) async fn wait(home: &Arc<Semaphore>, filesystem: &Arc<Semaphore>) -> Self {
        let own = Arc::clone(home).acquire_owned().await.ok();
        Self {
            _home: own,
            _filesystem: Arc::clone(filesystem).acquire_owned().await.ok(),
        }
    }
}
