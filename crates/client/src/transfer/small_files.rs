//! How many small files are transferred at once.
//!
//! Each small file costs some round trips, which files that are under way share. One that only waits for its hash by a
//! command lets another one go on: a command may take long to start, and all that wait by then go into the next one.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::descriptors;

/// How many small files are under way at once.
const UNDER_WAY: usize = 64;
/// How many others may wait for their hashes: those of the two commands that run at once, with 500 names each.
const MOST_WAITING: usize = 1000;

/// The places of small files.
pub(super) struct SmallFiles {
    all: Arc<Semaphore>,
    under_way: Arc<Semaphore>,
}

impl SmallFiles {
    /// Places for the files that are under way, and for as many that wait as this process can have open: each has one file
    /// open, and as many are left for all else.
    pub(super) fn new() -> Self {
        let half = usize::try_from(descriptors::limit() / 2).unwrap_or(usize::MAX);
        Self::with(UNDER_WAY, half.min(MOST_WAITING))
    }

    fn with(under_way: usize, waiting: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(under_way + waiting)),
            under_way: Arc::new(Semaphore::new(under_way)),
        }
    }

    /// A place for another small file, once there is one.
    pub(super) async fn place(&self) -> SmallFilePlace {
        SmallFilePlace {
            // The semaphores are never closed.
            _one_of_all: Arc::clone(&self.all).acquire_owned().await.ok(),
            turn: Mutex::new(Arc::clone(&self.under_way).acquire_owned().await.ok()),
            under_way: Arc::clone(&self.under_way),
        }
    }
}

/// The place of one small file. Dropping it gives it to another.
pub(super) struct SmallFilePlace {
    _one_of_all: Option<OwnedSemaphorePermit>,
    /// What the file holds while it is under way, and not while it only waits.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
    under_way: Arc<Semaphore>,
}

impl SmallFilePlace {
    /// Waits for something that keeps neither the connection nor this machine busy, and lets another file go on
    /// meanwhile.
    ///
    /// **Invariant:** a file waits for whatever another file may hold here, without its turn: so that one gets a turn.
    pub(super) async fn aside<T>(&self, waiting: impl Future<Output = T>) -> T {
        drop(self.turn.lock().take());
        let done = waiting.await;
        let turn = Arc::clone(&self.under_way).acquire_owned().await;
        *self.turn.lock() = turn.ok();
        done
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// Whether a future is not ready after all others had a chance.
    async fn is_pending(future: impl Future) -> bool {
        let mut future = pin!(future);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        tokio::select! {
            biased;
            _ = &mut future => false,
            () = std::future::ready(()) => true,
        }
    }

    #[tokio::test]
    async fn a_file_that_waits_lets_others_go_on() {
        let files = SmallFiles::with(2, 2);
        let first = Arc::new(files.place().await);
        let _second = files.place().await;
        assert!(is_pending(files.place()).await);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let waiting = Arc::clone(&first);
        let waiting = tokio::spawn(async move { waiting.aside(answered).await });
        let third = files.place().await;
        // It goes on when there is a turn for it again.
        answer.send(7).unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        drop(third);
        assert_eq!(waiting.await.unwrap(), Ok(7));
        assert!(is_pending(files.place()).await);
    }

    /// Not even files that wait are without number: each has an open file.
    #[tokio::test]
    async fn the_files_that_wait_are_limited() {
        let files = SmallFiles::with(1, 2);
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let place = files.place().await;
            waiting.push(tokio::spawn(async move {
                place.aside(std::future::pending::<()>()).await;
            }));
        }
        assert!(is_pending(files.place()).await);
        let one = waiting.pop().unwrap();
        one.abort();
        assert!(one.await.is_err());
        assert!(!is_pending(files.place()).await);
        for task in waiting {
            task.abort();
        }
    }
}
