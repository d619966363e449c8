//! Returns free memory to the system after clients have left. The C library's allocator keeps what was freed in the
//! middle of its heaps: 2,000 sessions leave 50 MiB, which is only used again by as many sessions.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ssh::service::Service;

/// The pause after the first client has left: many leave together, and their descriptors are closed one after the
/// other.
const WAIT: Duration = Duration::from_secs(2);
/// The shortest time between two rounds. If clients connect and leave all day, memory that is returned is soon needed
/// again.
const EVERY: Duration = Duration::from_secs(10);

/// Returns free memory after clients have left or threads have ended, until `quit` is cancelled.
pub(super) async fn return_free_pages(service: Arc<Service>, quit: CancellationToken) {
    let rounds = async {
        loop {
            tokio::select! {
                () = service.left.notified() => {}
                // What a thread has used is free only now.
                () = service.threads.thread_ended() => {}
            }
            tokio::time::sleep(WAIT).await;
            let returning = tokio::task::spawn_blocking(|| {
                base::buffer::free_unused();
                heap::release_free_memory();
                heap::release_unused_code();
            });
            if let Err(error) = returning.await {
                tracing::warn!(%error, "free memory cannot be returned to the system");
            }
            tokio::time::sleep(EVERY - WAIT).await;
        }
    };
    tokio::select! {
        () = quit.cancelled() => {}
        () = rounds => {}
    }
}
