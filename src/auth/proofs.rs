//! What a peer has proven, and whether it still counts for the user's record as it is now.
//!
//! One function, [`Login::review`](super::Login::review), decides for a sign-in that needs a second factor, for one
//! that has just entered the registry of sessions, and for every session of a user whose record has changed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::PublicKey;

use super::keys::key_accepted_until;
use crate::domain::user::{Factor, PasswordHash, Permission, User};
use base::secret::Secret;

/// What a peer shows to prove who they are.
#[derive(Debug)]
pub enum Credential<'a> {
    /// A password, by the method `password` or `keyboard-interactive`.
    Password(&'a Secret),
    /// A key whose signature the SSH layer has verified.
    VerifiedKey(&'a PublicKey),
}

impl Credential<'_> {
    /// The factor that the credential passes, if it is right.
    pub(super) fn factor(&self) -> Factor {
        match self {
            Credential::Password(_) => Factor::Password,
            Credential::VerifiedKey(_) => Factor::PublicKey,
        }
    }
}

/// What a connection has proven so far, for one record of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proofs {
    pub(super) incarnation: i64,
    key: Option<Box<PublicKey>>,
    /// The hash that the password was verified against: another password has another one.
    password: Option<PasswordHash>,
}

/// What a user has lost since the sign-in, so that the session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// There is no record with this name any more.
    #[error("the user was removed or renamed")]
    User,
    /// The name belongs to another record now.
    #[error("the user was removed, and another one has the name now")]
    Incarnation,
    /// The record is disabled.
    #[error("the user was disabled")]
    Enabled,
    /// The record has expired.
    #[error("the user's account has expired")]
    Time,
    /// The record has another home.
    #[error("the user's home was moved")]
    Home,
    /// The record lacks a permission that the session has.
    #[error("the user may not {} any more", .0.name())]
    Permission(Permission),
    /// The key is not among the user's any more, or not for this peer or this time.
    #[error("the key of this sign-in is not accepted any more")]
    Key,
    /// The user has another password, or none.
    #[error("the password of this sign-in is not accepted any more")]
    Password,
    /// The record does not allow the peer's address.
    #[error("the user may not come from this address any more")]
    Address,
    /// The record requires factors that were not passed.
    #[error("more is required of this user now to sign in")]
    Factors,
}

impl Proofs {
    /// The factors that were passed.
    pub fn factors(&self) -> BTreeSet<Factor> {
        let key = self.key.as_ref().map(|_| Factor::PublicKey);
        let password = self.password.as_ref().map(|_| Factor::Password);
        key.into_iter().chain(password).collect()
    }

    /// With the credential that has just been accepted for this record. What was proven for another record, or is not
    /// accepted any more, is left out.
    pub(super) fn and(&self, user: &User, peer: IpAddr, credential: &Credential<'_>, now: Timestamp) -> Self {
        let mut proofs = Self {
            incarnation: user.incarnation,
            ..self.clone()
        };
        if self.incarnation != user.incarnation || proofs.accepted_until(user, peer, now).is_err() {
            (proofs.key, proofs.password) = (None, None);
        }
        match credential {
            Credential::VerifiedKey(key) => proofs.key = Some(Box::new((*key).clone())),
            Credential::Password(_) => proofs.password.clone_from(&user.password_hash),
        }
        proofs
    }

    /// Until when this record and what was proven for it are accepted, if the record does not change.
    ///
    /// # Errors
    /// The credential that is not accepted.
    pub(super) fn accepted_until(
        &self,
        user: &User,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Revocation> {
        if self.password.is_some() && self.password != user.password_hash {
            return Err(Revocation::Password);
        }
        let key = match &self.key {
            Some(key) => key_accepted_until(user, key, peer, now).map_err(|_| Revocation::Key)?,
            None => None,
        };
        Ok([user.expires_at, key].into_iter().flatten().min())
    }
}
