//! What an account says of itself.

use crate::domain::user::Quota;
use crate::store::UsageRecord;

/// How far the numbers can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageAccuracy {
    /// The use is exact.
    Exact,
    /// The use is a ceiling, until the home has been measured.
    AtCeiling,
    /// The home cannot be measured.
    Unmeasurable,
}

/// What an account says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Sum of file sizes.
    pub bytes: u64,
    /// Files, directories and symbolic links.
    pub files: u64,
    /// What is allowed.
    pub quota: Quota,
    /// How far the numbers can be relied on.
    pub accuracy: UsageAccuracy,
}

impl Usage {
    /// What the store says of a home; `None` if its record is not trusted.
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
    /// Of a state, which others need not tell apart so finely.
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
/// Not measurable, but the use is no more than what the store has.
pub(super) const STAYS_AT_CEILING: u8 = 4;
