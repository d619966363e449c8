//! New passwords: a password or its hash, as an operator enters it.

use crate::auth::password;
use crate::auth::password::rules::PasswordRules;
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
    /// Checks the password against the rules for new ones. Of a hash, nothing is known.
    ///
    /// # Errors
    /// Returns an error that says which rule it breaks.
    pub fn check(&self, name: &UserName, rules: &PasswordRules) -> Result<()> {
        match self {
            NewPassword::Plain(password) => rules.check_new(name, password),
            NewPassword::Hash(_) => Ok(()),
        }
    }

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
        let foreign = "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.";
        let foreign = password::import(foreign).unwrap();
        assert!(given("secret").matches(&foreign));
        assert!(!given("secrets").matches(&foreign));
        assert!(NewPassword::Hash(foreign.clone()).matches(&foreign));
    }

    #[test]
    fn rules_are_for_passwords_and_not_for_hashes() {
        let (name, rules) = ("calvin".parse().unwrap(), PasswordRules::default());
        let given = |text: &str| NewPassword::Plain(Secret::new(text.to_owned()));
        assert!(given("secret").check(&name, &rules).is_err());
        assert!(given("secret secret").check(&name, &rules).is_ok());
        let hash = given("secret").into_hash().unwrap();
        assert!(NewPassword::Hash(hash).check(&name, &rules).is_ok());
    }
}
