//! The context that every use case gets.

use super::installation::Installation;
use super::running::RunningServer;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::user::{User, UserName};
use crate::store::{Store, no_such_folder, no_such_user};
use base::error::{Error, Result};

/// A function that is called for problems that do not keep a use case from its work.
pub type OnWarning = fn(&Error);

/// The context of a use case: the installation, its store and its running server.
#[derive(Clone, Copy)]
pub struct OpsContext<'a> {
    /// The paths and defaults of the installation.
    pub installation: &'a Installation,
    /// The store, which contains users, host keys and the use of homes.
    pub store: &'a dyn Store,
    /// The server of this installation, whether it is running or not.
    pub server: &'a dyn RunningServer,
    /// The function that is called for warnings.
    pub warn: OnWarning,
}

impl OpsContext<'_> {
    /// Returns the record of a user.
    ///
    /// # Errors
    /// Returns an error if there is no such user, or if the store cannot be read.
    pub async fn user(&self, name: &UserName) -> Result<User> {
        find_user(self.store, name).await
    }
}

/// Returns the record of a user.
///
/// # Errors
/// Returns an error if there is no such user, or if the store cannot be read.
pub async fn find_user(store: &dyn Store, name: &UserName) -> Result<User> {
    store.user(name).await?.ok_or_else(|| no_such_user(name))
}

/// Returns the record of a folder.
///
/// # Errors
/// Returns an error if there is no such folder, or if the store cannot be read.
pub async fn find_folder(store: &dyn Store, name: &FolderName) -> Result<Folder> {
    store.folder(name).await?.ok_or_else(|| no_such_folder(name))
}
