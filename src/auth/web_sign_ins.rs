//! What requests over HTTP show instead of a password: the cookie of a browser that has signed in before, and tokens.
//!
//! Neither is a factor. A remembered sign-in stands for the factors that were passed then, as long as the record has the
//! same secrets; a token stands for all factors, because who has made it had passed them. Everything else that a sign-in
//! needs is looked at anew: whether the user may sign in at all, now and from this address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::address::Source;
use super::denial::{Denial, DenialReason};
use super::key_check::KeyCheck;
use super::login::{Login, may_sign_in};
use super::pacing::Pacing;
use super::proofs::{Proofs, Revocation};
use crate::domain::user::{Factor, User, UserName};
use crate::store::Store;
use crate::store::web::{SecretHash, TokenRecord};
use base::error::Result;
use base::secret::Secret;

/// A sign-in that a browser may go on with later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedSignIn {
    /// The name of the user.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// The factors that were passed.
    pub factors: BTreeSet<Factor>,
    /// The SHA-256 of the secrets of the record that were proven: another password, or another second factor, has another
    /// one. It tells nothing about them.
    pub fingerprint: SecretHash,
}

/// Judges what requests over HTTP show.
pub struct WebSignIns<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) pacing: &'a Pacing,
    pub(super) keys: &'a KeyCheck,
}

impl WebSignIns<'_> {
    /// Returns what is stored of a sign-in so that it can be resumed; `None` if it cannot be: only passwords and codes can.
    pub fn remember(&self, login: &Login) -> Option<RememberedSignIn> {
        let proofs = login.proofs();
        let factors = proofs.factors();
        let is_resumable = factors.contains(&Factor::Password) && !factors.contains(&Factor::PublicKey);
        is_resumable.then(|| RememberedSignIn {
            user: login.user().clone(),
            incarnation: proofs.incarnation,
            factors,
            fingerprint: proofs.fingerprint(),
        })
    }

    /// Returns the login of a remembered sign-in, or what the user has lost since.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn resume(
        &self,
        remembered: &RememberedSignIn,
        peer: IpAddr,
    ) -> Result<std::result::Result<Login, Revocation>> {
        let Some(user) = self.store.user(&remembered.user).await? else {
            return Ok(Err(Revocation::User));
        };
        if user.incarnation != remembered.incarnation {
            return Ok(Err(Revocation::Incarnation));
        }
        let proofs = Proofs::of_record(&user, &remembered.factors);
        if proofs.fingerprint() != remembered.fingerprint {
            return Ok(Err(Revocation::Password));
        }
        Ok(self.reviewed(&user, proofs, peer))
    }

    /// Returns the login of a user who was signed in when they changed what they sign in with, and who has passed these
    /// factors with the secrets that the record has now; or what the user has lost meanwhile.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn renew(
        &self,
        login: &Login,
        factors: &BTreeSet<Factor>,
        peer: IpAddr,
    ) -> Result<std::result::Result<Login, Revocation>> {
        let Some(user) = self.store.user(login.user()).await? else {
            return Ok(Err(Revocation::User));
        };
        if user.incarnation != login.proofs().incarnation {
            return Ok(Err(Revocation::Incarnation));
        }
        Ok(self.reviewed(&user, Proofs::of_record(&user, factors), peer))
    }

    fn reviewed(&self, user: &User, proofs: Proofs, peer: IpAddr) -> std::result::Result<Login, Revocation> {
        let (now, trust) = (Timestamp::now(), self.keys.trust());
        let login = Login::new(user.clone(), proofs, user.expires_at);
        login.review(Some(user), peer, now, &trust).map(|_| login)
    }

    /// Judges a token. A refusal must be answered at the moment that it contains; it counts as a failure of the address.
    ///
    /// # Errors
    /// Returns why the token is not accepted.
    pub async fn token(&self, token: &Secret, peer: IpAddr) -> std::result::Result<AcceptedToken, Denial> {
        let start = Instant::now();
        self.find_token(token, peer)
            .await
            .map_err(|reason| Denial::Failed {
                answer_at: start + self.pacing.count(Source::from(peer), None, &reason),
                reason,
            })
    }

    async fn find_token(
        &self,
        token: &Secret,
        peer: IpAddr,
    ) -> std::result::Result<AcceptedToken, DenialReason> {
        let hash: SecretHash = Sha256::digest(token.bytes()).into();
        let found = self
            .store
            .token_by_hash(&hash)
            .await
            .map_err(DenialReason::Store)?;
        let record = found.ok_or(DenialReason::UnknownToken)?;
        let now = Timestamp::now();
        if record.token.expires_at.is_some_and(|end| end <= now) {
            return Err(DenialReason::TokenExpired);
        }
        let user = self
            .store
            .user(&record.token.user)
            .await
            .map_err(DenialReason::Store)?;
        let user = user.filter(|user| user.incarnation == record.incarnation);
        let user = user.ok_or(DenialReason::UnknownUser)?;
        may_sign_in(&user, peer, now)?;
        let until = [user.expires_at, record.token.expires_at]
            .into_iter()
            .flatten()
            .min();
        Ok(AcceptedToken {
            login: Login::new(user.clone(), Proofs::of_token(&user), until),
            record,
        })
    }
}

/// A token that was accepted.
#[derive(Debug)]
pub struct AcceptedToken {
    /// The proof that its user may do something.
    pub login: Login,
    /// The token as it is stored.
    pub record: TokenRecord,
}
