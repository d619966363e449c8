//! Limits how many bytes a run sends or asks for in a second.

use parking_lot::Mutex;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::Mutex as FairMutex;
use tokio::time::{Instant, sleep_until};

/// How many blocks a second are sent at a low rate, so that it is even.
const BLOCKS_PER_SECOND: u64 = 8;
/// The smallest block at a low rate, in bytes.
const SMALLEST_BLOCK: u64 = 1 << 10;
/// Timers end up to a few milliseconds late, which is as long as a block takes at a high rate. So much is made up for,
/// and no more, so that a pause earns nothing.
const LATENESS: Duration = Duration::from_millis(10);

/// The limit of a run, which all of its files share.
pub(super) struct Pace {
    /// The most bytes per second.
    limit: Option<NonZeroU64>,
    /// When the bytes that were taken are paid for, so that the next may be taken.
    free_at: Mutex<Instant>,
    /// The transfers that wait, in the order in which they came: each has a block in its turn, so that all have the same
    /// share.
    turn: FairMutex<()>,
}

impl Pace {
    /// A limit in bytes per second, if there is one.
    pub(super) fn new(limit: Option<NonZeroU64>) -> Self {
        Self {
            limit,
            free_at: Mutex::new(Instant::now()),
            turn: FairMutex::new(()),
        }
    }

    /// Takes bytes that are sent or asked for next, once their turn has come. If this is cancelled, nothing is taken, but
    /// the place among those that wait is lost.
    pub(super) async fn take(&self, bytes: u64) {
        if self.limit.is_none() {
            return;
        }
        let _turn = self.turn.lock().await;
        loop {
            let (free_at, now) = (*self.free_at.lock(), Instant::now());
            if free_at <= now {
                return self.take_at(bytes, now);
            }
            sleep_until(free_at).await;
        }
    }

    fn take_at(&self, bytes: u64, now: Instant) {
        if let Some(limit) = self.limit {
            let micros = u128::from(bytes) * 1_000_000 / u128::from(limit.get());
            let time = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
            let mut free_at = self.free_at.lock();
            let earliest = now.checked_sub(LATENESS).unwrap_or(now);
            *free_at = (*free_at).max(earliest).checked_add(time).unwrap_or(now);
        }
    }

    /// The size of a block: the largest that the server takes, or less at a low rate.
    pub(super) fn block(&self, largest: u32) -> u32 {
        let even = self.limit.map_or(u64::MAX, |limit| {
            (limit.get() / BLOCKS_PER_SECOND).max(SMALLEST_BLOCK)
        });
        u32::try_from(even).unwrap_or(u32::MAX).min(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_for_those_before_them() {
        let pace = Pace::new(NonZeroU64::new(1000));
        let now = *pace.free_at.lock();
        for _ in 0..4 {
            pace.take_at(500, now);
        }
        assert_eq!(*pace.free_at.lock(), now + Duration::from_secs(2));
        // A pause earns nothing.
        let later = now + Duration::from_secs(60);
        pace.take_at(3000, later);
        assert_eq!(*pace.free_at.lock(), later + Duration::from_secs(3) - LATENESS);
    }

    #[test]
    fn a_timer_that_ends_late_costs_nothing() {
        let pace = Pace::new(NonZeroU64::new(1_000_000));
        let begin = *pace.free_at.lock();
        for _ in 0..1000 {
            let late = *pace.free_at.lock() + Duration::from_millis(2);
            pace.take_at(1000, late);
        }
        assert_eq!(*pace.free_at.lock(), begin + Duration::from_secs(1));
    }

    /// A transfer that has had its turn waits behind the others.
    #[tokio::test]
    async fn all_transfers_have_the_same_share() {
        let pace = Pace::new(NonZeroU64::new(1_000_000));
        let turns = Mutex::new(Vec::new());
        let taking = |number: usize| {
            let (pace, turns) = (&pace, &turns);
            async move {
                while turns.lock().len() < 30 {
                    pace.take(5000).await;
                    turns.lock().push(number);
                }
            }
        };
        tokio::join!(taking(0), taking(1), taking(2));
        let turns = turns.into_inner();
        let shares = [0, 1, 2].map(|number| turns.iter().filter(|turn| **turn == number).count());
        assert!(shares.iter().all(|share| (9..=12).contains(share)), "{turns:?}");
    }

    #[test]
    fn blocks_are_small_at_a_low_rate() {
        let block = |limit| Pace::new(NonZeroU64::new(limit)).block(256 << 10);
        assert_eq!(block(0), 256 << 10);
        assert_eq!(block(1), 1 << 10);
        assert_eq!(block(80_000), 10_000);
        assert_eq!(block(1 << 30), 256 << 10);
    }
}
