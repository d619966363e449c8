//! Sign-ins that are remembered, as those of browsers: what is kept of one, and whether it still holds.
//!
//! No secret is kept. A fingerprint of what was proven shows whether the record still has the same password and the same
//! second factor; everything else is judged by [`Login::review`], as for sessions.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::key_check::KeyCheck;
use super::login::Login;
use super::own_password::OwnPasswords;
use super::proofs::Proofs;
use super::revocation::Revocation;
use super::settings::AuthSettings;
use crate::domain::user::{Factor, User, UserName};
use crate::store::Store;
use base::error::Result as BaseResult;

/// What is kept of a sign-in so that it can be resumed without its proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedSignIn {
    /// The name of the user.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// The factors that were passed.
    pub factors: BTreeSet<Factor>,
    /// A digest of the secrets that were proven, from which they cannot be found.
    pub fingerprint: [u8; 32],
}

impl RememberedSignIn {
    /// Returns what is kept of a login; `None` of one that must be proven each time.
    pub(super) fn of(login: &Login) -> Option<Self> {
        let proofs = login.proofs();
        proofs.are_repeatable().then(|| Self {
            user: login.user().clone(),
            incarnation: proofs.incarnation,
            factors: login.factors().clone(),
            fingerprint: proofs.fingerprint(login.source()),
        })
    }
}

/// What is needed to judge sign-ins that were remembered.
#[derive(Clone, Copy)]
pub(super) struct ResumeCheck<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) settings: &'a AuthSettings,
    pub(super) keys: &'a KeyCheck,
    pub(super) own_passwords: &'a OwnPasswords,
}

impl ResumeCheck<'_> {
    /// Resumes a sign-in, or says what its user has lost since.
    pub(super) async fn resume(
        self,
        remembered: &RememberedSignIn,
        peer: IpAddr,
    ) -> BaseResult<Result<Login, Revocation>> {
        let is_off = |factor: &Factor| self.settings.methods_for(*factor).next().is_none();
        if remembered.factors.iter().any(is_off) {
            return Ok(Err(Revocation::Method));
        }
        let Some(user) = self.store.user(&remembered.user).await? else {
            return Ok(Err(Revocation::User));
        };
        if user.incarnation != remembered.incarnation {
            return Ok(Err(Revocation::Incarnation));
        }
        let proofs = Proofs::repeated(&user, &remembered.factors);
        let login = match self.reviewed(&user, proofs.clone(), peer) {
            Ok(login) => login,
            Err(lost) => return Ok(Err(lost)),
        };
        if proofs.fingerprint(user.source) != remembered.fingerprint {
            return Ok(Err(Revocation::Secrets));
        }
        // A new sign-in would ask for a new password.
        if self.own_passwords.must_change(&user, &proofs, Timestamp::now()) {
            return Ok(Err(Revocation::Password));
        }
        Ok(Ok(login))
    }

    /// Returns the login of a user who has changed what they sign in with, and has passed these factors with the secrets
    /// that the record has now; or what the user has lost meanwhile.
    pub(super) async fn renew(
        self,
        login: &Login,
        factors: &BTreeSet<Factor>,
        peer: IpAddr,
    ) -> BaseResult<Result<Login, Revocation>> {
        let Some(user) = self.store.user(login.user()).await? else {
            return Ok(Err(Revocation::User));
        };
        if user.incarnation != login.incarnation() {
            return Ok(Err(Revocation::Incarnation));
        }
        Ok(self.reviewed(&user, Proofs::repeated(&user, factors), peer))
    }

    /// Returns the login of a user with these proofs, unless the record does not accept them.
    fn reviewed(self, user: &User, proofs: Proofs, peer: IpAddr) -> Result<Login, Revocation> {
        let login = Login::new(user.clone(), proofs.clone(), None);
        let until = login.review(Some(user), peer, Timestamp::now(), &self.keys.trust())?;
        Ok(Login::new(user.clone(), proofs, until))
    }
}
