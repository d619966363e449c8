//! Slowing down a user who emits events faster than the subscriber takes them.
//!
//! States of a user's [`EventBackpressure`]: *lifted*; *applied*, when three quarters of the user's part of the queue
//! are taken: sessions then wait between two requests, for at most [`MAX_WAIT`]; *abandoned*, when that did not help:
//! service is more important than a complete log, so events that find no room are counted as lost. It is lifted again
//! when the user's part is half empty.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a session waits for a queue that does not drain. It waits this long only once, until the queue has drained.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// Whether the sessions of a user wait before they emit more events.
#[derive(Debug, Default)]
pub struct EventBackpressure {
    state: AtomicU8,
    lifted: Notify,
}

const LIFTED: u8 = 0;
const APPLIED: u8 = 1;
const ABANDONED: u8 = 2;

impl EventBackpressure {
    /// Returns whether a session should wait before its next request.
    pub fn is_applied(&self) -> bool {
        self.state.load(Ordering::Relaxed) == APPLIED
    }

    /// Waits until the user's part of the queue is half empty, for at most [`MAX_WAIT`], or not at all if it is not
    /// applied. It is called between two requests, without a lock held.
    pub async fn wait(&self) {
        if !self.is_applied() {
            return;
        }
        let lifted = async {
            loop {
                let lifted = self.lifted.notified();
                if !self.is_applied() {
                    return;
                }
                lifted.await;
            }
        };
        if tokio::time::timeout(MAX_WAIT, lifted).await.is_err() {
            let _ = self
                .state
                .compare_exchange(APPLIED, ABANDONED, Ordering::Relaxed, Ordering::Relaxed);
            // Other sessions of the same user may have waited as well.
            self.lifted.notify_waiters();
        }
    }

    /// Records that the user's part of the queue is nearly full.
    pub fn apply(&self) {
        let _ = self
            .state
            .compare_exchange(LIFTED, APPLIED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Records that the user's part of the queue has room again, and wakes the sessions that wait.
    pub fn lift(&self) {
        if self.state.swap(LIFTED, Ordering::Relaxed) != LIFTED {
            self.lifted.notify_waiters();
        }
    }
}
