//! What a channel has transferred and not paid for yet, where its user has a rate ([`super::rate`]).
//!
//! Channels pay before they transfer more: a READ at the end of a file costs what it has read and not what it has asked
//! for, and no request waits longer than for what its channel has had. Downloads wait with a READ that is not executed
//! yet, and uploads with a window that is opened later, or with input that is not read yet.

use std::sync::Arc;

use super::context::Activity;
use super::rate::{QUANTUM, RateLimit, UserRates};

/// One direction of a user's transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What one channel has transferred in one direction and has not paid for yet.
pub struct UnpaidBytes {
    rates: Arc<UserRates>,
    direction: Direction,
    bytes: usize,
    activity: Activity,
}

impl UnpaidBytes {
    /// Creates the count of a channel that has transferred nothing yet. `activity` is its connection's: a connection
    /// that waits for its user's rate is not idle.
    pub fn new(rates: Arc<UserRates>, direction: Direction, activity: Activity) -> Self {
        Self {
            rates,
            direction,
            bytes: 0,
            activity,
        }
    }

    fn limit(&self) -> &RateLimit {
        match self.direction {
            Direction::Up => &self.rates.up,
            Direction::Down => &self.rates.down,
        }
    }

    /// Returns whether the user has a rate in this direction.
    pub fn is_limited(&self) -> bool {
        self.limit().rate().is_some()
    }

    /// Counts bytes that were transferred, if the user has a rate.
    pub fn add(&mut self, bytes: usize) {
        if self.is_limited() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Pays if that is possible without waiting; returns whether everything is paid for.
    pub fn try_pay(&mut self) -> bool {
        if self.bytes > 0 && self.limit().try_pay(self.bytes) {
            self.bytes = 0;
        }
        self.bytes == 0
    }

    /// Pays for everything, and waits as long as that takes at the user's rate.
    pub async fn pay(&mut self) {
        if self.try_pay() {
            return;
        }
        let _working = self.activity.begin();
        while self.bytes > 0 {
            let part = self.bytes.min(QUANTUM);
            self.limit().pay(part).await;
            self.bytes -= part;
        }
    }
}

impl Drop for UnpaidBytes {
    fn drop(&mut self) {
        self.limit().charge(self.bytes);
    }
}

#[cfg(test)]
mod tests;
