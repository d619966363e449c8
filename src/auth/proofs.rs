//! What a peer has proven, and whether it still counts for the user's record as it is now.
//!
//! One function, [`Proofs::review`], decides for a sign-in that needs a second factor, for one that has just entered
//! the registry of sessions, and for every session of a user whose record has changed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::PublicKey;

use super::address::allowed;
use super::keys::AuthorizedKey;
use super::{Credential, Login, Reason};
use crate::domain::user::{Factor, PasswordHash, Permission, User};

/// What a connection has proven so far, for one record of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proofs {
    incarnation: i64,
    key: Option<Box<PublicKey>>,
    /// The hash that the password was verified against: another password has another one.
    password: Option<PasswordHash>,
}

/// What a user has lost since the sign-in, so that the session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// No record has this name any more.
    #[error("the user was removed or renamed")]
    User,
    /// Another record has this name now.
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
    ) -> Result<Option<Timestamp>, Lost> {
        if self.password.is_some() && self.password != user.password_hash {
            return Err(Lost::Password);
        }
        let key = match &self.key {
            Some(key) => key_accepted_until(user, key, peer, now).map_err(|_| Lost::Key)?,
            None => None,
        };
        Ok([user.expires_at, key].into_iter().flatten().min())
    }
}

impl Login {
    /// May a session of this login from `peer` go on, with the user's record as it is now? Returns until when, if the
    /// record does not change.
    ///
    /// # Errors
    /// What the user has lost.
    pub fn review(
        &self,
        user: Option<&User>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Lost> {
        let user = user.ok_or(Lost::User)?;
        if user.incarnation != self.proofs.incarnation {
            return Err(Lost::Incarnation);
        }
        if !user.enabled {
            return Err(Lost::Enabled);
        }
        if user.expires_at.is_some_and(|end| now >= end) {
            return Err(Lost::Time);
        }
        if user.home != self.home {
            return Err(Lost::Home);
        }
        if let Some(lost) = self.permissions.iter().find(|one| !user.permissions.allows(*one)) {
            return Err(Lost::Permission(lost));
        }
        if !allowed(&user.allowed_from, peer) {
            return Err(Lost::Address);
        }
        if !user.require.is_subset(&self.factors) {
            return Err(Lost::Factors);
        }
        self.proofs.accepted_until(user, peer, now)
    }
}

/// The key in base64, as it stands in the lines of authorized_keys files.
pub(super) fn key_data(key: &PublicKey) -> Option<String> {
    let line = key.to_openssh().ok()?;
    line.split(' ').nth(1).map(str::to_owned)
}

/// Is it one of the user's keys, and may it be used from there now? Returns until when.
pub(super) fn key_accepted_until(
    user: &User,
    key: &PublicKey,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Option<Timestamp>, Reason> {
    let data = key_data(key).ok_or(Reason::UnknownKey)?;
    let mut unpermitted = None;
    let mut latest = None;
    // A key may stand in several lines with different conditions; one that fits is enough.
    for line in user.keys.iter().filter(|line| line.contains(&data)) {
        // Lines were checked when they were added; one that no longer parses lets nobody in.
        let Ok(authorized) = AuthorizedKey::parse(line) else {
            continue;
        };
        if !authorized.matches(key) {
            continue;
        }
        match (authorized.permits(peer, now), authorized.expires_at()) {
            (Ok(()), None) => return Ok(None),
            (Ok(()), end) => latest = latest.max(end),
            (Err(why), _) => unpermitted = unpermitted.max(Some(why)),
        }
    }
    match (latest, unpermitted) {
        (Some(end), _) => Ok(Some(end)),
        (None, None) => Err(Reason::UnknownKey),
        (None, Some(why)) => Err(Reason::KeyNotPermitted(why)),
    }
}
