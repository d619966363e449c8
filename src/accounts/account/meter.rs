//! One number with its limit and its ceiling.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::Error;

/// What stands for "unlimited" in a limit.
pub(super) const NO_LIMIT: u64 = u64::MAX;

/// One kind of thing that is counted.
pub(super) struct Meter {
    pub(super) used: AtomicU64,
    pub(super) limit: AtomicU64,
    pub(super) ceiling: AtomicU64,
    /// The largest sum that somebody waits for.
    pub(super) asked: AtomicU64,
}

impl Meter {
    pub(super) fn new(used: u64, limit: Option<u64>) -> Self {
        Self {
            used: AtomicU64::new(used),
            limit: AtomicU64::new(limit.unwrap_or(NO_LIMIT)),
            // Nothing may grow before a ceiling is written down.
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

    /// Adds, if the sum stays within limit and ceiling.
    pub(super) fn add(&self, amount: u64) -> std::result::Result<(), Short> {
        let mut used = self.used();
        loop {
            let sum = used.checked_add(amount).ok_or(Short::Limit)?;
            if sum > self.limit.load(Ordering::Relaxed) {
                return Err(Short::Limit);
            }
            if sum > self.ceiling.load(Ordering::Acquire) {
                self.asked.fetch_max(sum, Ordering::AcqRel);
                return Err(Short::Ceiling);
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

    /// Takes away; `false`: files changed behind our back have made more go than was counted.
    pub(super) fn take(&self, amount: u64) -> bool {
        let before = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(amount))
            });
        // The closure never declines.
        before.is_ok_and(|used| used >= amount)
    }

    /// The ceiling to write down next: the use, or what is asked for, and some more, at most the limit; never below
    /// the use, nor below the ceiling now, up to which changes may go on while the new one is being written.
    pub(super) fn next_ceiling(&self, ahead: u64) -> u64 {
        let used = self.used();
        let asked = self.asked.swap(0, Ordering::AcqRel);
        let wished = used
            .max(asked)
            .saturating_add(ahead)
            .min(self.limit.load(Ordering::Relaxed));
        wished.max(used).max(self.ceiling.load(Ordering::Acquire))
    }

    /// Is less than half of what a new ceiling gives left, though the limit leaves more?
    pub(super) fn runs_low(&self, ahead: u64) -> bool {
        let left = self.ceiling.load(Ordering::Relaxed).saturating_sub(self.used());
        left < ahead / 2 && self.ceiling.load(Ordering::Relaxed) < self.limit.load(Ordering::Relaxed)
    }
}

/// Why an amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// The limit stands against it.
    Limit,
    /// So much is not written down yet.
    Ceiling,
    /// A measure will tell.
    Measure,
    /// Nobody can tell.
    Unmeasurable,
    /// The storage is not this server's.
    NotOwned,
    /// The disk is full.
    NoSpace,
}

impl Short {
    pub(super) fn reason(self) -> Error {
        match self {
            // A limit has numbers to tell, which its caller adds.
            Short::Limit | Short::Ceiling => Error::NotRecorded,
            Short::Measure => Error::Measuring,
            Short::Unmeasurable => Error::Unmeasurable,
            Short::NotOwned => Error::NotOwned,
            Short::NoSpace => Error::DiskFull,
        }
    }
}
