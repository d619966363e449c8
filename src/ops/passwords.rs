//! New passwords: a password or its hash, as an operator enters it.

use crate::auth::password;
use crate::domain::user::{PasswordHash, UserName};
use base::error::Result;
use base::secret::Secret;

/// A new password of a user.
#[derive(Debug)]
pub enum NewPassword {
    /// The password itself, which this server hashes.
    Plain(Secret),
    /// A hash that was created elsewhere.
    Hash(PasswordHash),
}

/// Asks the operator for a user's new password. It is called only when the rest of the work can be done.
pub type AskPassword<'a> = &'a (dyn Fn(&UserName) -> Result<NewPassword> + Sync);

impl NewPassword {
    /// Returns the hash to store. Computing it takes tens of milliseconds.
    ///
    /// # Errors
    /// Returns an error if it cannot be computed.
    pub fn into_hash(self) -> Result<PasswordHash> {
        match self {
            NewPassword::Plain(password) => password::hash(&password),
            NewPassword::Hash(hash) => Ok(hash),
        }
    }

    /// Returns whether it is the password, or the hash, that a record has already.
    pub fn matches(&self, stored: &PasswordHash) -> bool {
        match self {
            NewPassword::Plain(password) => password::is(password, stored),
            NewPassword::Hash(hash) => hash == stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_that_a_record_has_is_known() {
        let given = |text: &str| NewPassword::Plain(Secret::new(text.to_owned()));
        let stored = given("secret secret").into_hash().unwrap();
        assert!(given("secret secret").matches(&stored));
        assert!(!given("another").matches(&stored));
        assert!(!given("secret secret").matches(&PasswordHash::new("$nonsense".into())));
    }
}
