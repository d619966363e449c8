//! Limits how many threads compute at once. Waiting threads are served in the order in which they came.
//!
//! A slot is held for a short time (one buffer's digest, well below a millisecond), so a small file is hashed soon
//! even while large ones are in progress.

use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// Returns the number of cores that this process may use. It is found out only once: that reads the limits of the
/// control group from several files, too many for each session.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A fixed number of slots that are given out in order.
#[derive(Debug)]
pub struct CpuSlots {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// The waiting threads, longest wait first. While there are any, no slot is free: a released slot goes directly
    /// to the first one.
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    called: AtomicBool,
}

/// The permission to compute, which ends when this is dropped.
#[derive(Debug)]
pub struct CpuSlot<'a>(&'a CpuSlots);

impl CpuSlots {
    /// Lets at most `slots` threads compute at once, and always at least one.
    pub fn new(slots: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: slots.max(1),
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Blocks this thread until it may compute.
    pub fn take(&self) -> CpuSlot<'_> {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return CpuSlot(self);
        }
        let waiter = Arc::new(Waiter {
            thread: std::thread::current(),
            called: AtomicBool::new(false),
        });
        state.waiting.push_back(Arc::clone(&waiter));
        drop(state);
        while !waiter.called.load(Ordering::Acquire) {
            std::thread::park();
        }
        CpuSlot(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for CpuSlot<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        match state.waiting.pop_front() {
            Some(next) => {
                drop(state);
                next.called.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => state.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_compute_at_once_than_there_are_slots() {
        let cpu_slots = CpuSlots::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let slot = cpu_slots.take();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::hint::black_box(vec![0u8; 4096]);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        // Both slots can be taken and returned.
        let both = (cpu_slots.take(), cpu_slots.take());
        assert_eq!(cpu_slots.state().free, 0);
        drop(both);
        assert_eq!(cpu_slots.state().free, 2);
    }

    #[test]
    fn slots_are_taken_in_order() {
        let cpu_slots = CpuSlots::new(1);
        let order = Mutex::new(Vec::new());
        let first = cpu_slots.take();
        std::thread::scope(|scope| {
            for number in 0..4usize {
                let (cpu_slots, order) = (&cpu_slots, &order);
                scope.spawn(move || {
                    let _slot = cpu_slots.take();
                    order.lock().push(number);
                });
                // The next thread starts once this one is waiting.
                while cpu_slots.state().waiting.len() <= number {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*order.lock(), [0, 1, 2, 3]);
    }
}
