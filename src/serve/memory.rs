//! Gives memory back when clients have left. The C library's allocator keeps what was freed in the middle of its heaps:
//! 2,000 sessions leave 50 MiB behind, which is only used again by as many sessions.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ssh::service::Service;

/// The wait after the first client has left: many leave together, and their descriptors are closed one after the other.
const WAIT: Duration = Duration::from_secs(2);
/// Where clients come and go all day, memory that is given back is soon asked for again.
const EVERY: Duration = Duration::from_secs(10);

/// Gives memory back after clients or threads have ended, until `quit` is cancelled.
pub(super) async fn give_back(service: Arc<Service>, quit: CancellationToken) {
    let rounds = async {
        loop {
            tokio::select! {
                () = service.left.notified() => {}
                // What a thread has used is free only now.
                () = service.threads.thread_ended() => {}
            }
            tokio::time::sleep(WAIT).await;
            let giving_back = tokio::task::spawn_blocking(|| {
                base::buffer::free_unused();
                heap::give_back();
            });
            if let Err(error) = giving_back.await {
                tracing::warn!(%error, "memory cannot be given back");
            }
            tokio::time::sleep(EVERY - WAIT).await;
        }
    };
    tokio::select! {
        () = quit.cancelled() => {}
        () = rounds => {}
    }
}
