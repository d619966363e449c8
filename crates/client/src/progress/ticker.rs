//! Repeats work on a thread of its own, beside the transfers.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Repeats some work until it is dropped. It has a thread of its own: a terminal that accepts no output must not block
/// the event loop.
pub(super) struct Ticker {
    /// Dropping it ends the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts to repeat the work. If no thread can be started, nothing is shown, and the transfers run without it.
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
            // A thread that has panicked has ended, too.
            drop(thread.join());
        }
    }
}
