//! A new password that a user chooses at the sign-in, because the old one has expired.
//!
//! It comes last: all factors that the user needs are proven by then, so that a stolen password alone does not make a
//! new one.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::login::may_sign_in;
use super::password::Verdict;
use super::password::rules::{BrokenRule, PasswordRules};
use super::proofs::Proofs;
use super::verifier::{QueueFull, QueuedAttempt, Verifier};
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

/// Where the hashes of a new password are computed: in the order of the sign-ins, and on their threads, on which no copy
/// of a password is left.
pub(super) struct NewPasswordHasher<'a> {
    /// The threads.
    pub verifier: &'a Verifier,
    /// The sign-in as it waits for them.
    pub queued: QueuedAttempt,
}

impl NewPasswordHasher<'_> {
    /// Hashes a new password, which must not be the former one.
    async fn hash(
        self,
        new: &Secret,
        former: Option<&PasswordHash>,
    ) -> Result<PasswordHash, NewPasswordDenial> {
        let failed = |why: &str| {
            let error = Error::new("cannot hash the password").because(why.to_owned());
            NewPasswordDenial::Failed(error)
        };
        let permit = self.verifier.acquire(self.queued).await;
        let permit = permit.map_err(|QueueFull| failed("too many passwords are waiting"))?;
        let no_memory = "not enough memory, or no thread";
        let verdict = match former {
            Some(former) => self.verifier.verify(&permit, new, Some(former)).await,
            None => Verdict::Wrong,
        };
        match verdict {
            Verdict::Right => {
                let why = "The new password must differ from the old one.";
                Err(NewPasswordDenial::Rules(why.to_owned()))
            }
            Verdict::Wrong | Verdict::BadHash => {
                let hash = self.verifier.hash(&permit, new).await;
                hash.ok_or_else(|| failed(no_memory))
            }
            Verdict::NotVerified => Err(failed(no_memory)),
        }
    }
}

/// A new password, and who has chosen it.
pub(super) struct PasswordToSet<'a> {
    /// The password.
    pub new: &'a Secret,
    /// What the user has proven.
    pub passed: &'a Proofs,
    /// The address that the user comes from.
    pub peer: IpAddr,
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
    pub(super) async fn set(
        &self,
        name: &UserName,
        chosen: PasswordToSet<'_>,
        hasher: NewPasswordHasher<'_>,
    ) -> Result<User, NewPasswordDenial> {
        let PasswordToSet { new, passed, peer } = chosen;
        let failed = |error: Error| NewPasswordDenial::Failed(error);
        let user = self.store.user(name).await.map_err(failed)?;
        let user = user.ok_or_else(|| failed(changed_meanwhile()))?;
        may_choose(&user, passed, peer).map_err(failed)?;
        self.check(&user, new)?;
        let hash = hasher.hash(new, user.password_hash.as_ref()).await?;
        let passed = passed.clone();
        let change = move |user: &mut User| {
            may_choose(user, &passed, peer)?;
            user.password_hash = Some(hash.clone());
            user.password_set_at = Some(Timestamp::now());
            Ok(())
        };
        let changed = self.store.change_user(name, Box::new(change)).await;
        Ok(changed.map_err(failed)?.after)
    }

    fn check(&self, user: &User, new: &Secret) -> Result<(), NewPasswordDenial> {
        match self.rules.broken_by(&user.name, new) {
            Some(BrokenRule { why, hint }) => Err(NewPasswordDenial::Rules(format!(
                "The new password is refused: {why} (hint: {hint})."
            ))),
            None => Ok(()),
        }
    }
}

/// Checks that nothing but the new password is missing for the sign-in. An operator may have changed the record since the
/// user was asked for it.
fn may_choose(user: &User, passed: &Proofs, peer: IpAddr) -> Result<(), Error> {
    may_sign_in(user, peer, Timestamp::now())
        .map_err(|reason| changed_meanwhile().because(reason.to_string()))?;
    match passed.are_of(user) && passed.missing(user).is_empty() {
        true => Ok(()),
        false => Err(changed_meanwhile()),
    }
}

fn changed_meanwhile() -> Error {
    Error::new("the user's record was changed during the sign-in")
}
