//! Something that is done again and again beside the transfers, until it is dropped.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A thread of its own: a terminal that takes nothing must not hold up the event loop.
pub(super) struct Ticker {
    /// Dropped: it ends.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Without a thread nothing ticks: transfers go on without being seen.
    pub fn start(every: Duration, mut work: impl FnMut(Instant) + Send + 'static) -> Self {
        let (alive, ended) = channel();
        let thread = Builder::new().name("progress".to_owned()).spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                work(Instant::now());
            }
        });
        Self {
            alive: Some(alive),
            thread: thread.ok(),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            // If it has panicked it ticks no more, which is all that is wanted.
            drop(thread.join());
        }
    }
}
