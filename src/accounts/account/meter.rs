//! One number with its limit and its ceiling.

use std::sync::atomic::{AtomicU64, Ordering};

/// The value of a limit that means "unlimited".
pub(super) const NO_LIMIT: u64 = u64::MAX;

/// The use of one resource (bytes or files), with its limit and its ceiling.
pub(super) struct Meter {
    pub(super) used: AtomicU64,
    pub(super) limit: AtomicU64,
    pub(super) ceiling: AtomicU64,
    /// The largest sum that a change waits for.
    pub(super) asked: AtomicU64,
}

impl Meter {
    pub(super) fn new(used: u64, limit: Option<u64>) -> Self {
        Self {
            used: AtomicU64::new(used),
            limit: AtomicU64::new(limit.unwrap_or(NO_LIMIT)),
            // Nothing may grow before a ceiling is recorded.
            ceiling: AtomicU64::new(used),
            asked: AtomicU64::new(0),
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    /// Adds the amount if the sum stays within limit and ceiling.
    pub(super) fn add(&self, amount: u64) -> std::result::Result<(), Exceeded> {
        let mut used = self.used();
        loop {
            let sum = used.checked_add(amount).ok_or(Exceeded::Limit)?;
            if sum > self.limit.load(Ordering::Relaxed) {
                return Err(Exceeded::Limit);
            }
            if sum > self.ceiling.load(Ordering::Acquire) {
                self.asked.fetch_max(sum, Ordering::AcqRel);
                return Err(Exceeded::Ceiling);
            }
            match self
                .used
                .compare_exchange_weak(used, sum, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => used = now,
            }
        }
    }

    /// Subtracts the amount. Returns `false` if it was more than the use, because other programs have changed files.
    pub(super) fn subtract(&self, amount: u64) -> bool {
        let before = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(amount))
            });
        // The closure never returns `None`.
        before.is_ok_and(|used| used >= amount)
    }

    /// Returns the ceiling to record next: the use, or the sum that was asked for, plus `ahead`, and at most the
    /// limit. It is never below the use, nor below the current ceiling, up to which changes may continue while the new
    /// one is being written.
    pub(super) fn next_ceiling(&self, ahead: u64) -> u64 {
        let used = self.used();
        let asked = self.asked.swap(0, Ordering::AcqRel);
        let wished = used
            .max(asked)
            .saturating_add(ahead)
            .min(self.limit.load(Ordering::Relaxed));
        wished.max(used).max(self.ceiling.load(Ordering::Acquire))
    }

    /// Returns whether less than half of a new ceiling's margin is left, although the limit would allow more.
    pub(super) fn runs_low(&self, ahead: u64) -> bool {
        let left = self.ceiling.load(Ordering::Relaxed).saturating_sub(self.used());
        left < ahead / 2 && self.ceiling.load(Ordering::Relaxed) < self.limit.load(Ordering::Relaxed)
    }
}

/// The bound that a sum would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// The limit.
    Limit,
    /// The recorded ceiling.
    Ceiling,
}
