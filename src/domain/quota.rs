//! Quotas, and limits as operators write them.

use std::fmt;
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

/// The most sessions of a user at once, as a record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionLimit {
    /// The server's limit applies, whatever the group's is.
    Usual,
    /// The user may have this many.
    Limited(u32),
}

impl SessionLimit {
    /// The word that operators write for the server's limit.
    pub const USUAL: &'static str = "default";

    /// Returns the number; `None` for the server's.
    pub fn number(self) -> Option<u32> {
        match self {
            SessionLimit::Usual => None,
            SessionLimit::Limited(number) => Some(number),
        }
    }
}

impl From<u32> for SessionLimit {
    fn from(number: u32) -> Self {
        SessionLimit::Limited(number)
    }
}

impl FromStr for SessionLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match (text, text.parse::<u32>()) {
            (Self::USUAL, _) => Ok(SessionLimit::Usual),
            (_, Ok(0)) => Err(Error::new("with 0 sessions the user could not sign in").hint(
                "homeportd user disable NAME says that, or \"enabled = false\" in a file; a number from 1, or default",
            )),
            (_, Ok(number)) => Ok(SessionLimit::Limited(number)),
            (_, Err(_)) => Err(Error::new(format!(
                "\"{}\" is not a number of sessions",
                text.escape_debug()
            ))
            .hint("1, 2, … or default")),
        }
    }
}

impl fmt::Display for SessionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionLimit::Usual => f.write_str("the server's limit"),
            SessionLimit::Limited(number) => number.fmt(f),
        }
    }
}

/// Checks that a number fits a signed 64-bit integer, which is what the store and file systems use.
pub(crate) fn storable(number: u64) -> Result<u64, Error> {
    i64::try_from(number)
        .map(|_| number)
        .map_err(|_| Error::new(format!("{number} is more than there can be")).hint("unlimited"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_sessions_is_a_number_or_the_servers() {
        let limit = |text: &str| text.parse::<SessionLimit>();
        assert_eq!(limit("default").unwrap(), SessionLimit::Usual);
        assert_eq!(limit("3").unwrap(), SessionLimit::Limited(3));
        assert_eq!(limit("3").unwrap().to_string(), "3");
        for bad in ["0", "", "-1", "many", "4294967296"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_default_quota_is_shared() {
        let usual = DefaultQuota::default();
        let other = usual.clone();
        let quota = Quota {
            bytes: Some(1),
            files: None,
        };
        assert!(usual.replace(quota) && !usual.replace(quota));
        assert_eq!(other.get(), quota);
    }
}
