//! The threads that compute Argon2. Each has its own memory, which it keeps from one hash to the next.
//!
//! The C library's allocator would keep freed blocks of that size in its heaps, a hundred times the memory in use.
//! Therefore each thread allocates its blocks once; a thread that has been idle for [`IDLE`] wipes them, frees them and
//! ends. Threads are started when there is work, and end when the pool is dropped.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::password::Memory;

/// The time for which an idle thread keeps its memory for the next attempt.
const IDLE: Duration = Duration::from_secs(30);

/// The part of a thread's stack that is overwritten after each hash, in bytes, because parts of a password may be left
/// there. It is far more than a hash uses.
const STACK: usize = 64 * 1024;

/// Computes a hash, and returns what delivers the result. That is called when no copy of the password is left on the
/// thread, so that none outlives the reply to the client.
pub(super) type HashJob = Box<dyn FnOnce(&mut Memory) -> Delivery + Send>;
/// Delivers the result of a job.
pub(super) type Delivery = Box<dyn FnOnce()>;

/// The threads that compute hashes.
#[derive(Debug)]
pub(super) struct Workers(Arc<WorkerPool>);

struct WorkerPool {
    most: usize,
    idle_after: Duration,
    state: Mutex<WorkerPoolState>,
    wake: Condvar,
}

#[derive(Default)]
struct WorkerPoolState {
    jobs: VecDeque<HashJob>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Workers {
    /// Creates a pool of at most `most` threads; none is started yet.
    pub(super) fn new(most: usize) -> Self {
        Self::with_idle(most, IDLE)
    }

    fn with_idle(most: usize, idle_after: Duration) -> Self {
        Self(Arc::new(WorkerPool {
            most,
            idle_after,
            state: Mutex::default(),
            wake: Condvar::new(),
        }))
    }

    /// Runs the job on one of the threads. If no thread can be started, the job is dropped.
    pub(super) fn submit(&self, job: HashJob) {
        let mut state = self.0.state();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= self.0.most {
            drop(state);
            self.0.wake.notify_one();
            return;
        }
        state.threads += 1;
        let alone = state.threads == 1;
        drop(state);
        let pool = Arc::clone(&self.0);
        let started = std::thread::Builder::new()
            .name("argon2".to_owned())
            .spawn(move || WorkerThread(pool).run());
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start a thread to verify passwords");
            let mut state = self.0.state();
            state.threads -= 1;
            if alone {
                // No thread is left that could run these jobs.
                state.jobs.clear();
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.wake.notify_all();
    }
}

impl WorkerPool {
    fn state(&self) -> MutexGuard<'_, WorkerPoolState> {
        self.state.lock()
    }

    /// Waits for a job. Returns `None` after a long idle time, or if no more jobs will come.
    fn next(&self) -> Option<HashJob> {
        let mut state = self.state();
        state.idle += 1;
        self.wake.wait_while_for(
            &mut state,
            |state| state.jobs.is_empty() && !state.closed,
            self.idle_after,
        );
        state.idle -= 1;
        let job = state.jobs.pop_front();
        if job.is_none() {
            // This happens under the same lock as the check for jobs, so that no job is left to a thread that is about
            // to end.
            state.threads -= 1;
        }
        job
    }
}

/// A thread that computes hashes.
struct WorkerThread(Arc<WorkerPool>);

impl WorkerThread {
    fn run(self) {
        let mut memory = Memory::default();
        while let Some(job) = self.0.next() {
            // A job that panics must not remove its thread from the pool.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
            overwrite_stack();
            match done {
                Ok(deliver) => deliver(),
                Err(_) => tracing::error!("verifying a password has failed unexpectedly"),
            }
        }
        drop(memory);
        heap::release_free_memory();
    }
}

/// Overwrites what earlier calls have left on the stack.
#[inline(never)]
fn overwrite_stack() {
    let mut area = [0_u8; STACK];
    std::hint::black_box(&mut area);
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn threads(workers: &Workers) -> usize {
        workers.0.state().threads
    }

    #[test]
    fn threads_are_started_as_they_are_needed_and_end_when_they_are_not() {
        let workers = Workers::with_idle(2, Duration::from_millis(50));
        assert_eq!(threads(&workers), 0);
        let (done, finished) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for n in 0..5 {
            let (done, gate) = (done.clone(), Arc::clone(&gate));
            workers.submit(Box::new(move |_| {
                gate.lock().recv().unwrap();
                let name = std::thread::current().name().map(str::to_owned);
                Box::new(move || done.send((n, name)).unwrap())
            }));
        }
        assert_eq!(threads(&workers), 2);
        for _ in 0..5 {
            go.send(()).unwrap();
        }
        let mut all: Vec<_> = (0..5).map(|_| finished.recv().unwrap()).collect();
        all.sort();
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|(_, name)| name.as_deref() == Some("argon2")));
        while threads(&workers) > 0 {
            std::thread::yield_now();
        }
        // New threads are started for later jobs, and a panic does not end a thread.
        workers.submit(Box::new(|_| panic!("a test")));
        workers.submit(Box::new(move |_| Box::new(move || done.send((9, None)).unwrap())));
        assert_eq!(finished.recv().unwrap().0, 9);
    }
}
