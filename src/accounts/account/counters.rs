//! The numbers of an account: bytes and files, each with its limit and its ceiling, and how accurate they are.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::domain::user::Quota;
use crate::storage::backend::Sum;
use crate::storage::{Error, Result};
use crate::store::UsageRecord;

use super::meter::{Exceeded, Meter, NO_LIMIT};
use super::usage::{AT_CEILING, EXACT, STAYS_AT_CEILING, UNKNOWN, UNMEASURABLE, Usage, UsageAccuracy};

/// How far the store's ceiling is set above the use, so that it is rarely raised.
const AHEAD_BYTES: u64 = 64 << 20;
const AHEAD_FILES: u64 = 10_000;

/// A resource that an account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// The sum of file sizes in bytes.
    Bytes,
    /// The number of files, directories and links.
    Files,
}

impl Resource {
    fn ahead(self) -> u64 {
        match self {
            Self::Bytes => AHEAD_BYTES,
            Self::Files => AHEAD_FILES,
        }
    }

    /// Returns the error for a sum above the limit.
    fn over(self, used: u64, limit: u64) -> Error {
        match self {
            Self::Bytes => Error::OverBytes { used, limit },
            Self::Files => Error::OverFiles { used, limit },
        }
    }
}

/// The use of an account with its limits, its ceilings and its accuracy.
pub(super) struct Counters {
    bytes: Meter,
    files: Meter,
    accuracy: AtomicU8,
}

impl Counters {
    /// Creates the counters from a record in the store.
    pub(super) fn load(quota: Quota, record: Option<&UsageRecord>) -> Self {
        let known = record.filter(|record| record.is_trusted());
        let unknown = (quota.bytes.unwrap_or(0), quota.files.unwrap_or(0));
        let (bytes, files) = known.map_or(unknown, |record| (record.bytes, record.files));
        let accuracy = match known {
            Some(record) if record.exact => EXACT,
            Some(_) => AT_CEILING,
            None => UNKNOWN,
        };
        Self {
            bytes: Meter::new(bytes, quota.bytes),
            files: Meter::new(files, quota.files),
            accuracy: AtomicU8::new(accuracy),
        }
    }

    fn meter(&self, what: Resource) -> &Meter {
        match what {
            Resource::Bytes => &self.bytes,
            Resource::Files => &self.files,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            bytes: self.bytes.used(),
            files: self.files.used(),
            quota: Quota {
                bytes: self.bytes.limit(),
                files: self.files.limit(),
            },
            accuracy: self.accuracy(),
        }
    }

    pub(super) fn accuracy(&self) -> UsageAccuracy {
        UsageAccuracy::of(self.accuracy.load(Ordering::Acquire))
    }

    /// Returns whether there is a limit, and the use will be known better after a measurement.
    pub(super) fn awaits_measurement(&self) -> bool {
        let has_limit = self.bytes.limit().is_some() || self.files.limit().is_some();
        has_limit && matches!(self.accuracy.load(Ordering::Acquire), UNKNOWN | AT_CEILING)
    }

    pub(super) fn set_quota(&self, quota: Quota) {
        self.bytes
            .limit
            .store(quota.bytes.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        self.files
            .limit
            .store(quota.files.unwrap_or(NO_LIMIT), Ordering::Relaxed);
    }

    /// Adds the amount to one number.
    ///
    /// # Errors
    /// Returns `NotRecorded` for a sum above the ceiling; for one above the limit, the error depends on the accuracy.
    pub(super) fn add(&self, what: Resource, amount: u64) -> Result<()> {
        let meter = self.meter(what);
        let accuracy = self.accuracy.load(Ordering::Acquire);
        if meter.limit().is_some() {
            match accuracy {
                UNKNOWN => return Err(Error::Measuring),
                UNMEASURABLE => return Err(Error::Unmeasurable),
                _ => {}
            }
        }
        meter.add(amount).map_err(|exceeded| match exceeded {
            Exceeded::Limit => match accuracy {
                EXACT => what.over(meter.used(), meter.limit().unwrap_or(NO_LIMIT)),
                STAYS_AT_CEILING => Error::Unmeasurable,
                _ => Error::Measuring,
            },
            Exceeded::Ceiling => Error::NotRecorded,
        })
    }

    /// Subtracts the amount from one number. Returns `false` if it was more than the use.
    pub(super) fn subtract(&self, what: Resource, amount: u64) -> bool {
        self.meter(what).subtract(amount)
    }

    /// Returns whether one number comes close to its ceiling, although the limit would allow more.
    pub(super) fn runs_low(&self, what: Resource) -> bool {
        self.meter(what).runs_low(what.ahead())
    }

    /// Returns the ceiling of one number to record next.
    pub(super) fn next_ceiling(&self, what: Resource) -> u64 {
        self.meter(what).next_ceiling(what.ahead())
    }

    /// Notes the numbers that are on the disk now, up to which the use may grow.
    pub(super) fn set_ceilings(&self, record: &UsageRecord) {
        self.bytes.ceiling.store(record.bytes, Ordering::Release);
        self.files.ceiling.store(record.files, Ordering::Release);
    }

    /// Sets the use to what was measured, and marks it as exact.
    pub(super) fn set_measured(&self, sum: &Sum) {
        self.bytes.used.store(sum.bytes, Ordering::Release);
        self.files.used.store(sum.files, Ordering::Release);
        self.accuracy.store(EXACT, Ordering::Release);
    }

    /// Marks the use as not measurable, unless it is exact.
    pub(super) fn set_unmeasurable(&self) {
        for (from, to) in [(AT_CEILING, STAYS_AT_CEILING), (UNKNOWN, UNMEASURABLE)] {
            let _ = self
                .accuracy
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}
