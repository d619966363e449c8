//! Turns at the CPU: so many threads compute at once, and whoever comes last waits longest.
//!
//! A turn is short (one buffer's digest, well below a millisecond), so threads take them in the order in which they
//! came: a small file is hashed soon even while large ones are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

/// A counted number of places that are given out in order.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// While somebody waits, nothing is free: a place goes from hand to hand.
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    called: AtomicBool,
}

/// The right to compute; given up when dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// `places` threads compute at once, and one at least.
    pub fn new(places: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: places.max(1),
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Waits on this thread until it may compute.
    pub fn take(&self) -> Turn<'_> {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return Turn(self);
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
        Turn(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
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
    fn no_more_compute_at_once_than_there_are_places() {
        let turns = Turns::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let turn = turns.take();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::hint::black_box(vec![0u8; 4096]);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        // Both places can be taken, and were given back.
        let both = (turns.take(), turns.take());
        assert_eq!(turns.state().free, 0);
        drop(both);
        assert_eq!(turns.state().free, 2);
    }

    #[test]
    fn turns_are_taken_in_order() {
        let turns = Turns::new(1);
        let order = Mutex::new(Vec::new());
        let first = turns.take();
        std::thread::scope(|scope| {
            for number in 0..4usize {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.take();
                    order.lock().unwrap().push(number);
                });
                // The next one comes when this one waits.
                while turns.state().waiting.len() <= number {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    }
}
