//! The time in which nothing moves because the user is asked. It belongs to no rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Adds up the time from the last byte that moved before or during a prompt until its answer.
#[derive(Debug)]
pub struct IdleClock {
    began: Instant,
    /// How many prompts are open.
    asking: AtomicU64,
    /// When the last byte moved while a prompt was open, in microseconds since the clock was made.
    last_moved: AtomicU64,
    /// The time of all prompts that have ended, in microseconds.
    total: AtomicU64,
}

impl Default for IdleClock {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            asking: AtomicU64::new(0),
            last_moved: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }
}

impl IdleClock {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Records that bytes moved, so that the time does not count as idle.
    pub(super) fn moved(&self) {
        // Without a prompt nobody needs the time, and this is called for every block.
        if self.asking.load(Ordering::Relaxed) > 0 {
            self.last_moved.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Runs a prompt, whose time counts as idle.
    pub(super) fn during(&self, ask: impl FnOnce()) {
        /// Ends the prompt, even if it panics.
        struct OpenQuestion<'a> {
            clock: &'a IdleClock,
            since: u64,
        }
        impl Drop for OpenQuestion<'_> {
            fn drop(&mut self) {
                let clock = self.clock;
                let since = self.since.max(clock.last_moved.load(Ordering::Relaxed));
                let idle = clock.now().saturating_sub(since);
                clock.total.fetch_add(idle, Ordering::Relaxed);
                clock.asking.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let since = self.now();
        self.asking.fetch_add(1, Ordering::Relaxed);
        let _open = OpenQuestion { clock: self, since };
        ask();
    }

    /// The idle time of all prompts that have ended.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_last_byte_on() {
        let clock = IdleClock::default();
        let pause = Duration::from_millis(30);
        std::thread::sleep(pause);
        clock.moved();
        assert_eq!(clock.total(), Duration::ZERO);
        clock.during(|| std::thread::sleep(pause));
        let first = clock.total();
        assert!(first >= pause, "{first:?}");
        // A busy machine may delay one of them after its last byte.
        let is_left_out = (0..10).any(|_| {
            let before = clock.total();
            clock.during(|| {
                std::thread::sleep(pause);
                clock.moved();
            });
            clock.total() - before < pause
        });
        assert!(is_left_out, "bytes moved meanwhile");
    }
}
