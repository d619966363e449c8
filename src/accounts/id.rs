//! The identity of an account, and the description that is needed to open one.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::domain::user::Quota;
use crate::storage::location::{Location, PlaceKind};

/// Identifies an account, independently of the users who are charged to it and of the place that it measures.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountId(Arc<Path>);

impl AccountId {
    /// Returns the account of a home. Each home has one, and the store keys it by the home's path.
    pub fn of_home(home: &Path) -> Self {
        Self(Arc::from(home))
    }

    /// Returns the key of the account's row in the store.
    pub(super) fn store_key(&self) -> &Path {
        &self.0
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account as its users' records describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpec {
    /// The identity of the account.
    pub id: AccountId,
    /// The place that is charged to the account.
    pub location: Location,
    /// The limits of the account.
    pub quota: Quota,
}

impl AccountSpec {
    /// Describes the account of a home.
    pub fn of_home(home: &Path, quota: Quota) -> Self {
        Self {
            id: AccountId::of_home(home),
            location: Location::of_directory(home),
            quota,
        }
    }

    /// Describes the account of a folder, which is identified by its directory, as that of a home.
    pub fn of_folder(folder: &Path, quota: Quota) -> Self {
        Self {
            location: Location::of(PlaceKind::Folder, folder),
            ..Self::of_home(folder, quota)
        }
    }
}
