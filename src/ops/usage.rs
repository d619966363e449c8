//! The use and the quota of homes, as they are shown.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::accounts::account::{Usage, UsageAccuracy};
use crate::accounts::measure::{Sum, Unreadable};
use crate::domain::user::{Quota, User, UserName};
use crate::store::{Store, UsageRecord};
use base::error::Result;
use base::size::Size;

/// The use and the quota of a user's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeUsage {
    /// The name of the user. Users who share a home have the same numbers.
    pub name: UserName,
    /// The home's absolute path on disk.
    pub home: PathBuf,
    /// The sum of file sizes in bytes, if anything is known.
    pub used_bytes: Option<u64>,
    /// The number of files, directories and symbolic links, if anything is known.
    pub used_files: Option<u64>,
    /// The quota of the home.
    pub quota: Quota,
    /// How far the numbers can be relied on; `None` if nothing is known yet.
    pub accuracy: Option<UsageAccuracy>,
    /// The entries that the server cannot read; each counts as one file, whatever it contains.
    pub unreadable: Unreadable,
}

/// The use of a home before and after a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remeasurement {
    /// The use that was known before.
    pub before: HomeUsage,
    /// The use that was measured, which is exact.
    pub after: HomeUsage,
}

impl HomeUsage {
    /// Creates the view of a user's home from its known use. The quota is that of the user's record.
    pub fn new(user: &User, usage: Option<Usage>) -> Self {
        let accuracy = usage.map(|usage| usage.accuracy);
        // The numbers of an account that cannot be measured limit its growth; they do not describe the home.
        let usage = usage.filter(|usage| usage.accuracy != UsageAccuracy::Unmeasurable);
        Self {
            name: user.name.clone(),
            home: user.home.clone(),
            used_bytes: usage.map(|usage| usage.bytes),
            used_files: usage.map(|usage| usage.files),
            quota: user.quota(),
            accuracy,
            unreadable: Unreadable::default(),
        }
    }

    /// Returns the same view with the entries that could not be read.
    #[must_use]
    pub fn with_unreadable(self, unreadable: Unreadable) -> Self {
        Self { unreadable, ..self }
    }

    /// Creates the view of a home that was measured just now.
    pub fn measured(user: &User, sum: &Sum) -> Self {
        let usage = Usage {
            bytes: sum.bytes,
            files: sum.files,
            quota: user.quota(),
            accuracy: UsageAccuracy::Exact,
        };
        Self::new(user, Some(usage)).with_unreadable(sum.unreadable.clone())
    }

    /// Returns the recorded use of users' homes, in the same order.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn recorded(users: &[User], store: &dyn Store) -> Result<Vec<Self>> {
        if let [user] = users {
            return Ok(vec![Self::of_record(
                user,
                store.usage(&user.home).await?.as_ref(),
            )]);
        }
        let records = store.usages().await?;
        let records: HashMap<&Path, &UsageRecord> = records
            .iter()
            .map(|record| (record.home.as_path(), record))
            .collect();
        let usage = |user: &User| Self::of_record(user, records.get(user.home.as_path()).copied());
        Ok(users.iter().map(usage).collect())
    }

    /// Creates the view of a user's home from its record in the store.
    pub fn of_record(user: &User, record: Option<&UsageRecord>) -> Self {
        Self::new(
            user,
            record.and_then(|record| Usage::recorded(record, user.quota())),
        )
    }

    /// Returns whether the numbers are the exact use. If not, they are an upper bound.
    pub fn is_exact(&self) -> bool {
        self.accuracy == Some(UsageAccuracy::Exact)
    }

    /// Returns the quota, if the home certainly exceeds it.
    pub fn exceeded(&self) -> Option<ExceededQuota> {
        let exceeded = |used: Option<u64>, quota: Option<u64>| {
            quota.filter(|quota| self.is_exact() && used.is_some_and(|used| used > *quota))
        };
        let quota = Quota {
            bytes: exceeded(self.used_bytes, self.quota.bytes),
            files: exceeded(self.used_files, self.quota.files),
        };
        (quota != Quota::default()).then_some(ExceededQuota(quota))
    }

    /// Formats bytes and files in one clause: `at most 1.0 MiB, 12 files`.
    pub fn used(&self) -> String {
        match (self.used_bytes, self.used_files) {
            (Some(bytes), Some(count)) => {
                format!("{}{}, {}", self.at_most(), Size(bytes), files(count))
            }
            _ if self.accuracy == Some(UsageAccuracy::Unmeasurable) => {
                "unknown: the home cannot be measured".to_owned()
            }
            _ => "not measured yet".to_owned(),
        }
    }

    /// Returns the words that precede numbers which are only an upper bound.
    pub fn at_most(&self) -> &'static str {
        if self.is_exact() { "" } else { "at most " }
    }

    /// Formats the number of entries that could not be read, in one clause.
    pub fn unreadable_clause(&self) -> Option<String> {
        let path = self.unreadable.first.as_ref()?;
        let more = match self.unreadable.count {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(format!(
            "the server cannot enter {path:?}{more}, which counts as one file, whatever is in it"
        ))
    }
}

/// The limits that a home exceeds. It is displayed as `the quota of 1.0 GiB and 12 files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceededQuota(pub Quota);

impl fmt::Display for ExceededQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.bytes.map(|bytes| Size(bytes).to_string());
        let limits: Vec<String> = bytes.into_iter().chain(self.0.files.map(files)).collect();
        write!(f, "the quota of {}", limits.join(" and "))
    }
}

/// Formats the number with its noun: `1 file`, `2 files`.
fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    }
}
