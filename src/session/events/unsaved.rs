//! Events that a subscriber must have on the disk before the client is answered.
//!
//! A channel counts its events that are not saved yet, and holds its replies back until there are none. A disk that
//! hangs must not hang the clients with it: after [`MAX_SAVE_WAIT`] the replies go on, and the channel does not wait
//! again until all its events are saved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The longest time that a reply waits for the disk of a subscriber.
const MAX_SAVE_WAIT: Duration = Duration::from_secs(30);

/// The events of a channel that a subscriber has not saved yet.
#[derive(Debug, Default)]
pub struct UnsavedEvents {
    count: AtomicUsize,
    /// Whether waiting did not help, so that replies go on.
    abandoned: AtomicBool,
    saved: Notify,
}

impl UnsavedEvents {
    /// Counts one event as unsaved until the returned value is dropped.
    pub fn add(self: &Arc<Self>) -> UnsavedEvent {
        self.count.fetch_add(1, Ordering::AcqRel);
        UnsavedEvent(Arc::clone(self))
    }

    /// Returns whether a reply may be sent now.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0 || self.abandoned.load(Ordering::Relaxed)
    }

    /// Waits until all events are saved, for at most 30 s.
    pub async fn saved(&self) {
        self.saved_within(MAX_SAVE_WAIT).await;
    }

    async fn saved_within(&self, limit: Duration) {
        if self.is_empty() {
            return;
        }
        let saved = async {
            loop {
                let saved = self.saved.notified();
                if self.is_empty() {
                    return;
                }
                saved.await;
            }
        };
        if tokio::time::timeout(limit, saved).await.is_err() {
            self.abandoned.store(true, Ordering::Relaxed);
            tracing::error!(
                "an event for a hook is not on the disk yet, and its client is answered all the same"
            );
        }
    }
}

/// One event that is not saved yet. Dropping it says that it is saved, or that it was given up.
#[derive(Debug)]
pub struct UnsavedEvent(Arc<UnsavedEvents>);

impl Drop for UnsavedEvent {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.abandoned.store(false, Ordering::Relaxed);
            self.0.saved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_wait_until_all_events_are_saved_but_not_for_ever() {
        let unsaved = Arc::new(UnsavedEvents::default());
        let (first, second) = (unsaved.add(), unsaved.add());
        let waiting = tokio::spawn({
            let unsaved = Arc::clone(&unsaved);
            async move { unsaved.saved().await }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished() && !unsaved.is_empty());
        drop(second);
        waiting.await.unwrap();
        let hanging = unsaved.add();
        unsaved.saved_within(Duration::from_millis(20)).await;
        assert!(unsaved.is_empty(), "the next reply does not wait again");
        drop(hanging);
        let _next = unsaved.add();
        assert!(!unsaved.is_empty());
    }
}
