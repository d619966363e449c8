//! A new password that a user chooses at the sign-in, because the old one has expired.
//!
//! It comes last: all factors that the user needs are proven by then, so that a stolen password alone does not make a
//! new one.

use std::sync::Arc;

use jiff::Timestamp;

use super::password::rules::PasswordRules;
use super::password::{self, MAX_PASSWORD};
use super::proofs::Proofs;
use crate::domain::user::{PasswordHash, User, UserName, UserSource};
use crate::store::Store;
use base::error::Error;
use base::secret::Secret;

/// Why a new password was not set.
#[derive(Debug)]
pub enum NewPasswordDenial {
    /// The password cannot be the new one. The sentence is for the user, who may try another.
    Rules(String),
    /// The sign-in cannot go on: the record was changed meanwhile, or cannot be written. The error is for the log.
    Failed(Error),
}

/// Sets the passwords that users choose themselves.
pub(super) struct OwnPasswords {
    store: Arc<dyn Store>,
    rules: PasswordRules,
}

impl OwnPasswords {
    /// Creates the setter of passwords for the users of a store.
    pub fn new(store: Arc<dyn Store>, rules: PasswordRules) -> Self {
        Self { store, rules }
    }

    /// Returns whether a sign-in with these proofs must go on with a new password.
    pub fn must_change(&self, user: &User, proofs: &Proofs, now: Timestamp) -> bool {
        // Passwords that an outside source judges are changed there.
        let is_ours = user.source == UserSource::Local;
        is_ours && proofs.has_password() && self.rules.is_expired(user, now)
    }

    /// Stores a new password for the record of these proofs, and returns the record as it is then.
    ///
    /// # Errors
    /// Returns why it was not set. Nothing has changed then.
    pub async fn set(
        &self,
        name: &UserName,
        passed: &Proofs,
        new: &Secret,
    ) -> Result<User, NewPasswordDenial> {
        let failed = |error: Error| NewPasswordDenial::Failed(error);
        let user = self.store.user(name).await.map_err(failed)?;
        let user = user
            .filter(|user| passed.are_of(user))
            .ok_or_else(|| failed(changed_meanwhile()))?;
        self.check(&user, new)?;
        let (typed, former) = (new.clone(), user.password_hash.clone());
        // Two hashes, which an SSH callback must not wait for.
        let hashed = tokio::task::spawn_blocking(move || match former {
            Some(former) if password::is(&typed, &former) => Ok(None),
            _ => password::hash(&typed).map(Some),
        });
        let hash: PasswordHash = hashed
            .await
            .map_err(|panic| failed(Error::new("cannot hash the password").because(panic)))?
            .map_err(failed)?
            .ok_or_else(|| {
                NewPasswordDenial::Rules("The new password must differ from the old one.".to_owned())
            })?;
        let passed = passed.clone();
        let change = move |user: &mut User| {
            if !passed.are_of(user) {
                return Err(changed_meanwhile());
            }
            user.password_hash = Some(hash.clone());
            user.password_set_at = Some(Timestamp::now());
            Ok(())
        };
        let changed = self.store.change_user(name, Box::new(change)).await;
        Ok(changed.map_err(failed)?.after)
    }

    fn check(&self, user: &User, new: &Secret) -> Result<(), NewPasswordDenial> {
        let refused = |sentence: String| Err(NewPasswordDenial::Rules(sentence));
        if new.bytes().is_empty() {
            return refused("The new password must not be empty.".to_owned());
        }
        if new.bytes().len() > MAX_PASSWORD {
            return refused(format!(
                "The new password must not be longer than {MAX_PASSWORD} bytes."
            ));
        }
        let checked = self.rules.check_new(&user.name, new);
        checked.or_else(|error| refused(format!("The new password is refused: {error}.")))
    }
}

fn changed_meanwhile() -> Error {
    Error::new("the user's record was changed during the sign-in")
}
