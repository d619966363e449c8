//! The use of an account, and how accurate it is.

use crate::domain::user::Quota;
use crate::store::UsageRecord;

/// How accurate the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageAccuracy {
    /// The use is exact to the byte.
    Exact,
    /// The use is a ceiling, until the home has been measured.
    AtCeiling,
    /// The home cannot be measured.
    Unmeasurable,
}

/// The use and the limits of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The sum of file sizes in bytes.
    pub bytes: u64,
    /// The number of files, directories and symbolic links.
    pub files: u64,
    /// The limits of the account.
    pub quota: Quota,
    /// How accurate the numbers are.
    pub accuracy: UsageAccuracy,
}

impl Usage {
    /// Returns the use that was recorded when a home was used last, or none for a home that was never used. Returns
    /// `None` if only a ceiling is known, as after a crash.
    pub(super) fn at_load(record: Option<&UsageRecord>, quota: Quota) -> Option<Self> {
        match record {
            Some(record) if record.exact => Self::recorded(record, quota),
            Some(_) => None,
            None => Some(Self {
                bytes: 0,
                files: 0,
                quota,
                accuracy: UsageAccuracy::Exact,
            }),
        }
    }

    /// Returns the use that the store has recorded for a home; `None` if the record is not trusted.
    pub fn recorded(record: &UsageRecord, quota: Quota) -> Option<Self> {
        record.is_trusted().then_some(Self {
            bytes: record.bytes,
            files: record.files,
            quota,
            accuracy: if record.exact {
                UsageAccuracy::Exact
            } else {
                UsageAccuracy::AtCeiling
            },
        })
    }
}

impl UsageAccuracy {
    /// Maps an internal state to the accuracy that other modules see.
    pub(super) fn of(state: u8) -> Self {
        match state {
            EXACT => Self::Exact,
            UNMEASURABLE | STAYS_AT_CEILING => Self::Unmeasurable,
            _ => Self::AtCeiling,
        }
    }
}

pub(super) const EXACT: u8 = 0;
pub(super) const AT_CEILING: u8 = 1;
pub(super) const UNMEASURABLE: u8 = 2;
pub(super) const UNKNOWN: u8 = 3;
/// The home cannot be measured, but its use is at most what the store has.
pub(super) const STAYS_AT_CEILING: u8 = 4;
