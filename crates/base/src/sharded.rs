//! Counters that many threads change: each group of threads changes a copy of its own, so that the cores do not fight
//! for one line of their caches. A reader adds up the copies.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of copies, a power of two. With more threads than this, some threads share a copy, which is only slower.
const SHARDS: usize = 16;

/// A value of which each group of threads has a copy.
#[derive(Debug)]
pub struct Sharded<T>(Box<[Padded<T>]>);

/// A value in cache lines of its own. Two lines, because CPUs read ahead the neighbour of a line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Padded::default()).collect())
    }
}

impl<T> Sharded<T> {
    /// Returns the copy of this thread. Another thread may use the same one.
    pub fn own(&self) -> Option<&T> {
        self.0.get(shard_of_thread()).map(|padded| &padded.0)
    }

    /// Returns all copies.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

/// Returns the number of this thread's copies, which it keeps until it ends.
fn shard_of_thread() -> usize {
    const UNKNOWN: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(UNKNOWN) };
    }
    SHARD.with(|shard| match shard.get() {
        UNKNOWN => {
            let new = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            shard.set(new);
            new
        }
        known => known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn nothing_is_lost_with_more_threads_than_copies() {
        let counter = Sharded::<AtomicU64>::default();
        std::thread::scope(|threads| {
            for _ in 0..2 * SHARDS {
                threads.spawn(|| {
                    for _ in 0..1000 {
                        counter.own().unwrap().fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let sum: u64 = counter.all().map(|copy| copy.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 2000 * SHARDS as u64);
        let used = counter.all().filter(|copy| copy.load(Ordering::Relaxed) > 0);
        assert!(used.count() > 1);
    }
}
