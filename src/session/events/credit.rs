//! Slowing down a user who emits events faster than the subscriber takes them.
//!
//! States of a user's [`EmitCredit`]: *open*; *short*, when three quarters of the user's part of the queue are taken:
//! sessions then wait between two requests, for at most [`MAX_WAIT`]; *abandoned*, when that did not help: service is
//! more important than a complete log, so events that find no room are counted as lost. The credit is open again when
//! the user's part is half empty.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a session waits for a queue that does not drain. It waits this long only once, until the queue has drained.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// Whether a user's sessions may emit more events.
#[derive(Debug, Default)]
pub struct EmitCredit {
    state: AtomicU8,
    opened: Notify,
}

const OPEN: u8 = 0;
const SHORT: u8 = 1;
const ABANDONED: u8 = 2;

impl EmitCredit {
    /// Returns whether a session should wait before its next request.
    pub fn is_short(&self) -> bool {
        self.state.load(Ordering::Relaxed) == SHORT
    }

    /// Waits until the user's part of the queue is half empty, for at most [`MAX_WAIT`], or not at all if the credit is
    /// not short. It is called between two requests, without a lock held.
    pub async fn wait(&self) {
        if !self.is_short() {
            return;
        }
        let opened = async {
            loop {
                let opened = self.opened.notified();
                if !self.is_short() {
                    return;
                }
                opened.await;
            }
        };
        if tokio::time::timeout(MAX_WAIT, opened).await.is_err() {
            let _ = self
                .state
                .compare_exchange(SHORT, ABANDONED, Ordering::Relaxed, Ordering::Relaxed);
            // Other sessions of the same user may have waited as well.
            self.opened.notify_waiters();
        }
    }

    /// Records that the user's part of the queue is nearly full.
    pub fn shorten(&self) {
        let _ = self
            .state
            .compare_exchange(OPEN, SHORT, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Records that the user's part of the queue has room again, and wakes the sessions that wait.
    pub fn open(&self) {
        if self.state.swap(OPEN, Ordering::Relaxed) != OPEN {
            self.opened.notify_waiters();
        }
    }
}
