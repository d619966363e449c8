//! Quotas, and limits as operators write them.

use std::str::FromStr;
use std::sync::Arc;

use parking_lot::RwLock;

use base::error::Error;
use base::size::Size;

/// The disk quota of a home. `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// The limit on the sum of file sizes, in bytes.
    pub bytes: Option<u64>,
    /// The limit on the number of files, directories and symbolic links.
    pub files: Option<u64>,
}

/// The quota of users for whom neither their record nor their group has one. All clones share it, so that a reload of the
/// configuration can replace it.
#[derive(Debug, Clone, Default)]
pub struct DefaultQuota(Arc<RwLock<Quota>>);

impl DefaultQuota {
    /// Returns the quota that is in force.
    pub fn get(&self) -> Quota {
        *self.0.read()
    }

    /// Replaces the quota, and returns whether that has changed it.
    pub fn replace(&self, quota: Quota) -> bool {
        std::mem::replace(&mut *self.0.write(), quota) != quota
    }
}

impl From<Quota> for DefaultQuota {
    fn from(quota: Quota) -> Self {
        Self(Arc::new(RwLock::new(quota)))
    }
}

/// A limit as an operator writes it. `None` stands for `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

impl FromStr for Limit<Size> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let bad = |e: Error| e.hint("512, 10MiB, 1GiB, 1G or unlimited");
        let Size(bytes) = text.parse::<Size>().map_err(bad)?;
        storable(bytes).map(|bytes| Self(Some(Size(bytes))))
    }
}

impl FromStr for Limit<u64> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let bad = |_| {
            Error::new(format!("\"{}\" is not a number", text.escape_debug())).hint("0, 1, 2, … or unlimited")
        };
        storable(text.parse().map_err(bad)?).map(|number| Self(Some(number)))
    }
}

/// Checks that a number fits a signed 64-bit integer, which is what the store and file systems use.
pub(crate) fn storable(number: u64) -> Result<u64, Error> {
    i64::try_from(number)
        .map(|_| number)
        .map_err(|_| Error::new(format!("{number} is more than there can be")).hint("unlimited"))
}
