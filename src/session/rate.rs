//! The rates at which all sessions of one user together send and receive (`[limits] rate_up` and `rate_down`).
//!
//! A [`RateLimit`] is a schedule: each transfer moves the time until which everything is paid for, and the next one
//! waits until that time has come. A channel pays for what it has transferred ([`super::unpaid`]), [`QUANTUM`] bytes in
//! each turn. Turns are given in the order in which they were asked for, so that all channels of a user get equal
//! parts, whatever the size of their requests.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as FairMutex;

use crate::domain::rate::RateRules;

/// The most bytes that a channel pays for in one turn: the size of the requests of common clients.
pub const QUANTUM: usize = 32 * 1024;
/// What was not transferred within this time can be made up for: timers and threads are not exact.
const MADE_UP_FOR: Duration = Duration::from_millis(100);
/// The longest time between two looks at the rate, which a reload may have changed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The part of a second whose bytes a client may send ahead: more than most links have under way.
const SENT_AHEAD: Duration = Duration::from_millis(500);

/// The rates of one user, in bytes per second; `None` if there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// The rate of uploads.
    pub up: Option<u64>,
    /// The rate of downloads.
    pub down: Option<u64>,
}

/// The limits on the rates of one user, which all sessions of the user share.
#[derive(Debug, Default)]
pub struct UserRates {
    /// Limits what the user's clients upload.
    pub up: RateLimit,
    /// Limits what the user's clients download.
    pub down: RateLimit,
    source: Mutex<RateSource>,
}

/// Where a user's rates come from.
#[derive(Debug, Default)]
struct RateSource {
    /// The rates of the server.
    usual: Rates,
    /// What the user's record says.
    rules: RateRules,
}

impl UserRates {
    /// Sets the rates of the server, and puts the user's in force, also for what waits already.
    pub fn set_usual(&self, usual: Rates) {
        self.change(|source| source.usual = usual);
    }

    /// Sets what the user's record says, and puts the user's rates in force, also for what waits already.
    pub fn set_rules(&self, rules: RateRules) {
        self.change(|source| source.rules = rules);
    }

    fn change(&self, change: impl FnOnce(&mut RateSource)) {
        let mut source = self.source.lock();
        change(&mut source);
        self.up.set(source.rules.up.or(source.usual.up));
        self.down.set(source.rules.down.or(source.usual.down));
    }
}

/// The limit on one direction of a user's transfers.
#[derive(Debug)]
pub struct RateLimit {
    /// The rate in bytes per second; 0 if there is no limit.
    rate: AtomicU64,
    /// The time until which everything that was transferred is paid for.
    paid_until: Mutex<Instant>,
    /// Is held by the channel whose turn it is to pay. It is given in the order in which it was asked for.
    turn: FairMutex<()>,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            rate: AtomicU64::new(0),
            paid_until: Mutex::new(Instant::now()),
            turn: FairMutex::new(()),
        }
    }
}

/// Returns the time that a transfer takes at this rate.
fn time_for(bytes: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

impl RateLimit {
    /// Returns the rate in bytes per second, or `None` if there is no limit.
    pub fn rate(&self) -> Option<u64> {
        match self.rate.load(Ordering::Relaxed) {
            0 => None,
            rate => Some(rate),
        }
    }

    /// Sets the rate. What is not paid for yet is paid for at the new rate.
    fn set(&self, rate: Option<u64>) {
        let mut paid_until = self.paid_until.lock();
        let before = self.rate.swap(rate.unwrap_or(0), Ordering::Relaxed);
        let now = Instant::now();
        let unpaid = paid_until.saturating_duration_since(now);
        if !unpaid.is_zero() {
            let bytes = unpaid.as_nanos() * u128::from(before) / 1_000_000_000;
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            *paid_until = now + rate.map_or(Duration::ZERO, |rate| time_for(bytes, rate));
        }
    }

    /// Returns the most bytes that a client should be able to send ahead at this rate, or `None` if there is no limit.
    pub fn sent_ahead(&self) -> Option<usize> {
        let rate = u128::from(self.rate()?);
        let bytes = rate * SENT_AHEAD.as_millis() / 1000;
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Pays for these bytes if everything before them is paid for.
    ///
    /// # Errors
    /// Returns how long to wait otherwise.
    fn pay_now(&self, bytes: usize) -> Result<(), Duration> {
        let Some(rate) = self.rate() else {
            return Ok(());
        };
        let now = Instant::now();
        let mut paid_until = self.paid_until.lock();
        match paid_until.checked_duration_since(now) {
            None | Some(Duration::ZERO) => {}
            Some(wait) => return Err(wait),
        }
        let earliest = now.checked_sub(MADE_UP_FOR).unwrap_or(now);
        *paid_until = (*paid_until).max(earliest) + time_for(bytes as u64, rate);
        Ok(())
    }

    /// Pays for these bytes if that is possible at once, and no other channel waits for its turn; returns whether it
    /// did.
    pub fn try_pay(&self, bytes: usize) -> bool {
        if self.rate().is_none() {
            return true;
        }
        match self.turn.try_lock() {
            Ok(_turn) => self.pay_now(bytes).is_ok(),
            Err(_) => false,
        }
    }

    /// Waits for a turn, and until everything before is paid for; then pays for these bytes.
    pub async fn pay(&self, bytes: usize) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.pay_now(bytes) {
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// Charges bytes without waiting: those of a channel that has ended before it could pay for them, or that a client
    /// may send ahead. Whoever pays next waits for that.
    pub fn charge(&self, bytes: usize) {
        if bytes > 0
            && let Some(rate) = self.rate()
        {
            let mut paid_until = self.paid_until.lock();
            *paid_until = (*paid_until).max(Instant::now()) + time_for(bytes as u64, rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_may_be_sent_ahead_at_a_low_rate() {
        let check = |rate: Option<u64>, expected: Option<usize>| {
            let limit = RateLimit::default();
            limit.set(rate);
            assert_eq!(limit.sent_ahead(), expected);
        };
        check(None, None);
        check(Some(1024), Some(512));
        check(Some(10 << 20), Some(5 << 20));
        check(Some(u64::MAX), Some(usize::MAX / 2));
    }
}
