//! What is kept between runs: users and the fingerprints of host keys (later: use of homes).

pub mod sql;

use crate::error::Result;
use crate::user::{User, UserName};

/// The store. Calls are short: no transaction outlives one call.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// One user, or `None`.
    async fn user(&self, name: &UserName) -> Result<Option<User>>;
    /// All users, by name.
    async fn users(&self) -> Result<Vec<User>>;
    /// Adds a user; an error if the name is taken.
    async fn add_user(&self, user: &User) -> Result<()>;
    /// Reads a user, lets `change` alter the record, and writes it, in one transaction. An error if there is none.
    async fn change_user(
        &self,
        name: &UserName,
        change: Box<dyn FnOnce(&mut User) -> Result<()> + Send>,
    ) -> Result<User>;
    /// Removes a user and returns the record; an error if there is none.
    async fn remove_user(&self, name: &UserName) -> Result<User>;
    /// Fingerprints (`SHA256:…`) of the host keys that this server has shown, by algorithm name.
    async fn host_keys(&self) -> Result<Vec<(String, String)>>;
    /// Records the host key of an algorithm, replacing what was there.
    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()>;
    /// A number that changes whenever another connection or process has changed the store.
    async fn version(&self) -> Result<i64>;
}
