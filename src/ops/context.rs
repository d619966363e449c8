//! What every use case works on.

use super::installation::Installation;
use super::running::RunningServer;
use crate::domain::user::{User, UserName};
use crate::store::{Store, no_such_user};
use base::error::{Error, Result};

/// Called for something that is not as it should be and keeps nothing from being done.
pub type OnWarning = fn(&Error);

/// What a use case works on.
#[derive(Clone, Copy)]
pub struct OpsContext<'a> {
    /// Where everything of the server lies.
    pub installation: &'a Installation,
    /// The users and all that is recorded.
    pub store: &'a dyn Store,
    /// The server that serves this installation, if one runs.
    pub server: &'a dyn RunningServer,
    /// The function that takes warnings.
    pub warn: OnWarning,
}

impl OpsContext<'_> {
    /// The record of a user.
    ///
    /// # Errors
    /// When there is no such user, or the store cannot be read.
    pub async fn user(&self, name: &UserName) -> Result<User> {
        find_user(self.store, name).await
    }
}

/// The record of a user.
///
/// # Errors
/// When there is no such user, or the store cannot be read.
pub async fn find_user(store: &dyn Store, name: &UserName) -> Result<User> {
    store.user(name).await?.ok_or_else(|| no_such_user(name))
}
