//! The use and the quota of homes, as they are shown.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::accounts::account::{Usage, UsageAccuracy};
use crate::accounts::measure::{Sum, Unreadable};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::user::{Quota, User, UserName};
use crate::storage::location::{Location, PlaceKind};
use crate::store::{Store, UsageRecord};
use base::error::Result;
use base::size::{Size, counted};

/// Who has an account: a user by the home, or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountHolder {
    /// A user. Users who share a home share its account.
    User(UserName),
    /// A folder.
    Folder(FolderName),
}

impl AccountHolder {
    /// Returns the stable word for what it is.
    pub fn kind(&self) -> &'static str {
        match self {
            AccountHolder::User(_) => "user",
            AccountHolder::Folder(_) => "folder",
        }
    }

    /// Returns the word for its directory.
    pub fn place(&self) -> &'static str {
        match self {
            AccountHolder::User(_) => "home",
            AccountHolder::Folder(_) => "folder",
        }
    }

    /// Returns the location of its directory.
    pub fn location(&self, directory: &Path) -> Location {
        let kind = match self {
            AccountHolder::User(_) => PlaceKind::Home,
            AccountHolder::Folder(_) => PlaceKind::Folder,
        };
        Location::of(kind, directory)
    }

    /// Returns the arguments by which commands name it: `calvin`, or `--folder team`.
    pub fn argument(&self) -> String {
        match self {
            AccountHolder::User(name) => name.to_string(),
            AccountHolder::Folder(name) => format!("--folder {name}"),
        }
    }
}

/// Formats the name alone.
impl fmt::Display for AccountHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountHolder::User(name) => name.fmt(f),
            AccountHolder::Folder(name) => name.fmt(f),
        }
    }
}

/// What has an account: the records of users and folders.
pub trait HasAccount: Send + Sync {
    /// Returns who it is.
    fn holder(&self) -> AccountHolder;
    /// Returns the directory that is charged to the account.
    fn directory(&self) -> &Path;
    /// Returns the quota of the account.
    fn account_quota(&self) -> Quota;
}

impl HasAccount for User {
    fn holder(&self) -> AccountHolder {
        AccountHolder::User(self.name.clone())
    }

    fn directory(&self) -> &Path {
        &self.home
    }

    fn account_quota(&self) -> Quota {
        self.quota()
    }
}

impl HasAccount for Folder {
    fn holder(&self) -> AccountHolder {
        AccountHolder::Folder(self.name.clone())
    }

    fn directory(&self) -> &Path {
        &self.path
    }

    fn account_quota(&self) -> Quota {
        self.quota
    }
}

/// The use and the quota of a user's home, or of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeUsage {
    /// The user or the folder. Users who share a home have the same numbers.
    pub holder: AccountHolder,
    /// The absolute path on disk of the home or the folder.
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
    /// Creates the view of a home or a folder from its known use. The quota is that of the record.
    pub fn new(record: &(impl HasAccount + ?Sized), usage: Option<Usage>) -> Self {
        let accuracy = usage.map(|usage| usage.accuracy);
        // The numbers of an account that cannot be measured limit its growth; they do not describe the home.
        let usage = usage.filter(|usage| usage.accuracy != UsageAccuracy::Unmeasurable);
        Self {
            holder: record.holder(),
            home: record.directory().to_owned(),
            used_bytes: usage.map(|usage| usage.bytes),
            used_files: usage.map(|usage| usage.files),
            quota: record.account_quota(),
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
    pub fn measured(record: &(impl HasAccount + ?Sized), sum: &Sum) -> Self {
        let usage = Usage {
            bytes: sum.bytes,
            files: sum.files,
            quota: record.account_quota(),
            accuracy: UsageAccuracy::Exact,
        };
        Self::new(record, Some(usage)).with_unreadable(sum.unreadable.clone())
    }

    /// Returns the recorded use of homes or folders, in the same order.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn recorded<T: HasAccount>(holders: &[T], store: &dyn Store) -> Result<Vec<Self>> {
        if let [one] = holders {
            let record = store.usage(one.directory()).await?;
            return Ok(vec![Self::of_record(one, record.as_ref())]);
        }
        let records = store.usages().await?;
        let records: HashMap<&Path, &UsageRecord> = records
            .iter()
            .map(|record| (record.home.as_path(), record))
            .collect();
        let usage = |one: &T| Self::of_record(one, records.get(one.directory()).copied());
        Ok(holders.iter().map(usage).collect())
    }

    /// Creates the view of a home or a folder from its record in the store.
    pub fn of_record(holder: &(impl HasAccount + ?Sized), record: Option<&UsageRecord>) -> Self {
        let quota = holder.account_quota();
        Self::new(holder, record.and_then(|record| Usage::recorded(record, quota)))
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
                format!("unknown: the {} cannot be measured", self.holder.place())
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

fn files(count: u64) -> String {
    counted(count, "file")
}
