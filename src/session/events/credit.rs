//! Slowing down a user who emits events faster than the subscriber takes them.
//!
//! States of a user's [`EmitCredit`]: *open*; *short*, when three quarters of the user's part are taken: sessions
//! then wait between two requests, for at most [`PATIENCE`]; *given up*, when that was in vain: service goes before
//! completeness, and events that find no room are counted as lost. It is open again when the user's part is half
//! empty.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a session waits for a queue that does not drain. It waits once until the queue drains.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a user's sessions may go on emitting events.
#[derive(Debug, Default)]
pub struct EmitCredit {
    state: AtomicU8,
    opened: Notify,
}

const OPEN: u8 = 0;
const SHORT: u8 = 1;
const GIVEN_UP: u8 = 2;

impl EmitCredit {
    /// Whether a session should wait before its next request.
    pub fn is_short(&self) -> bool {
        self.state.load(Ordering::Relaxed) == SHORT
    }

    /// To be called between two requests, without a lock: waits until the user's part of the queue is half empty, for at
    /// most [`PATIENCE`]; not at all where the credit is not short.
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
        if tokio::time::timeout(PATIENCE, opened).await.is_err() {
            let _ = self
                .state
                .compare_exchange(SHORT, GIVEN_UP, Ordering::Relaxed, Ordering::Relaxed);
            // Others of the same user have waited as well.
            self.opened.notify_waiters();
        }
    }

    /// Notes that the user's part of the queue is nearly full.
    pub fn shorten(&self) {
        let _ = self
            .state
            .compare_exchange(OPEN, SHORT, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that the user's part of the queue has room again, and lets sessions that wait go on.
    pub fn open(&self) {
        if self.state.swap(OPEN, Ordering::Relaxed) != OPEN {
            self.opened.notify_waiters();
        }
    }
}
