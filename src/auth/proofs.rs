//! The credentials that a peer has proven, and whether the user's current record still accepts them.
//!
//! One function, [`Login::review`](super::Login::review), decides this for a sign-in that needs a second factor, for a
//! session that has just entered the registry, and for every session of a user whose record has changed.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

use super::certificates::{Circumstances, accepted_until};
use super::presented::PresentedKey;
use super::revocation::Revocation;
use crate::domain::event::CertificateIdentity;
use crate::domain::token::TokenScope;
use crate::domain::user::{Factor, PasswordHash, SealedSecret, User, UserSource};
use crate::store::web::TokenRecord;
use base::secret::Secret;

/// A credential that a peer presents to sign in.
#[derive(Debug)]
pub enum Credential<'a> {
    /// A password, sent by the method `password` or `keyboard-interactive`.
    Password(&'a Secret),
    /// A one-time code or a recovery code, sent by the method `keyboard-interactive`.
    Code(&'a Secret),
    /// A public key, perhaps with a certificate, whose signature the SSH layer has verified.
    VerifiedKey(&'a PresentedKey),
}

impl<'a> Credential<'a> {
    /// Returns the key, if the credential is one.
    pub fn key(&self) -> Option<&'a PresentedKey> {
        match self {
            Credential::VerifiedKey(key) => Some(key),
            Credential::Password(_) | Credential::Code(_) => None,
        }
    }

    /// Returns the factor that the credential passes if it is right.
    pub(super) fn factor(&self) -> Factor {
        match self {
            Credential::Password(_) => Factor::Password,
            Credential::Code(_) => Factor::Totp,
            Credential::VerifiedKey(_) => Factor::PublicKey,
        }
    }
}

/// The credentials that a connection has proven so far, for one record of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proofs {
    pub(super) incarnation: i64,
    key: Option<Box<ProvenKey>>,
    password: Option<PasswordProof>,
    /// The secret that the code was checked against, or that the recovery code belongs to. A new secret is another
    /// text.
    totp: Option<SealedSecret>,
    /// How many recovery codes the user has left, if one was the code.
    recovery_codes_left: Option<u64>,
    /// A token in place of all factors.
    token: Option<Box<ProofOfToken>>,
}

/// A token that was proven. It was given by somebody who had the required factors, so it takes their place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProofOfToken {
    id: i64,
    scope: TokenScope,
    expires_at: Option<Timestamp>,
}

impl ProofOfToken {
    /// Returns the time until which the token is accepted, if it is not removed.
    fn accepted_until(&self, at: &Circumstances<'_>) -> Result<Option<Timestamp>, Revocation> {
        if self.scope == TokenScope::Admin && !at.user.is_admin {
            return Err(Revocation::Admin);
        }
        match self.expires_at {
            Some(end) if at.now >= end => Err(Revocation::Token),
            end => Ok(end),
        }
    }
}

/// A user whose credential was accepted.
pub(super) struct AcceptedUser {
    /// The user's record.
    pub user: User,
    /// How many recovery codes are left, if the credential was one.
    pub recovery_codes_left: Option<u64>,
}

impl From<User> for AcceptedUser {
    fn from(user: User) -> Self {
        Self {
            user,
            recovery_codes_left: None,
        }
    }
}

/// The key that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProvenKey {
    key: PresentedKey,
    /// Whose judgement accepts it: that of the record's lines, or that of an outside source.
    judge: UserSource,
}

impl ProvenKey {
    /// Returns the time until which the key is accepted, or `None` if it does not expire.
    fn accepted_until(&self, at: &Circumstances<'_>) -> Result<Option<Timestamp>, Revocation> {
        let lost = match self.key.certificate() {
            Some(_) => Revocation::Certificate,
            None => Revocation::Key,
        };
        match self.judge {
            UserSource::Local => accepted_until(&self.key, at).map_err(|_| lost),
            UserSource::External => {
                let is_revoked = at.trust.revoked().find(&self.key).is_some();
                let is_judged = at.user.source == UserSource::External;
                if is_judged && !is_revoked {
                    Ok(None)
                } else {
                    Err(lost)
                }
            }
        }
    }
}

/// The password that was proven. The same password may get another hash, and a new one has another hash and another
/// time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PasswordProof {
    /// The password was verified against a hash.
    OfRecord {
        /// The hash.
        hash: PasswordHash,
        /// The time at which the password was set, if it is known.
        set_at: Option<Timestamp>,
    },
    /// An outside source has accepted the password.
    OfSource,
}

impl PasswordProof {
    fn of(user: &User) -> Option<Self> {
        if user.source == UserSource::External {
            return Some(PasswordProof::OfSource);
        }
        user.password_hash.clone().map(|hash| PasswordProof::OfRecord {
            hash,
            set_at: user.password_set_at,
        })
    }

    /// Whether the password of the same record is still this one.
    fn is_current(&self, user: &User) -> bool {
        match self {
            PasswordProof::OfSource => user.source == UserSource::External,
            PasswordProof::OfRecord { hash, set_at } => user.password_hash.as_ref().is_some_and(|current| {
                let set_once = set_at.is_some() && *set_at == user.password_set_at;
                current == hash || set_once
            }),
        }
    }
}

impl Proofs {
    /// Returns the proofs of a sign-in by a token of this record.
    pub(super) fn of_token(user: &User, token: &TokenRecord) -> Self {
        Self {
            incarnation: user.incarnation,
            token: Some(Box::new(ProofOfToken {
                id: token.id,
                scope: token.scope,
                expires_at: token.expires_at,
            })),
            ..Self::default()
        }
    }

    /// Returns the proofs of an earlier sign-in with these factors, as if the record's current secrets had been proven.
    /// Whether they are the same is for the caller to compare: see [`Proofs::fingerprint`].
    pub(super) fn repeated(user: &User, factors: &BTreeSet<Factor>) -> Self {
        let proven = |factor| factors.contains(&factor);
        Self {
            incarnation: user.incarnation,
            password: PasswordProof::of(user).filter(|_| proven(Factor::Password)),
            totp: user.totp.clone().filter(|_| proven(Factor::Totp)),
            ..Self::default()
        }
    }

    /// Whether a sign-in by these proofs can be repeated without them. A key must sign each time, and a token is presented
    /// each time.
    pub(super) fn are_repeatable(&self) -> bool {
        self.key.is_none() && self.token.is_none() && self.has_password()
    }

    /// Returns a digest that differs if the record is another one, comes from elsewhere, or if another password or another
    /// second factor was proven. No secret can be found from it.
    pub(super) fn fingerprint(&self, source: UserSource) -> [u8; 32] {
        let password = match &self.password {
            None => "none".to_owned(),
            Some(PasswordProof::OfSource) => "source".to_owned(),
            // A better hash of the same password has the same time.
            Some(PasswordProof::OfRecord { set_at: Some(at), .. }) => format!("set at {at}"),
            Some(PasswordProof::OfRecord { hash, set_at: None }) => format!("hash {}", hash.as_phc()),
        };
        let mut hasher = Sha256::new();
        hasher.update(b"homeport remembered sign-in\0");
        hasher.update(self.incarnation.to_be_bytes());
        for part in [
            source.name(),
            password.as_str(),
            self.totp.as_ref().map_or("", SealedSecret::as_text),
        ] {
            hasher.update(part.as_bytes());
            // No part contains a NUL.
            hasher.update([0]);
        }
        hasher.finalize().into()
    }

    /// Returns the id of the token, if one was proven.
    pub(super) fn token(&self) -> Option<i64> {
        self.token.as_ref().map(|token| token.id)
    }

    /// Returns the factors that were passed.
    pub fn factors(&self) -> BTreeSet<Factor> {
        let key = self.key.as_ref().map(|_| Factor::PublicKey);
        let password = self.password.as_ref().map(|_| Factor::Password);
        let totp = self.totp.as_ref().map(|_| Factor::Totp);
        key.into_iter().chain(password).chain(totp).collect()
    }

    /// Returns the factors that this user must still prove; none after a token. A user who has a second factor and shows no key must give a
    /// code, even if nothing requires it: a password alone is what the second factor is there to protect.
    pub(super) fn missing(&self, user: &User) -> BTreeSet<Factor> {
        if self.token.is_some() {
            return BTreeSet::new();
        }
        let passed = self.factors();
        let mut missing: BTreeSet<Factor> = user.require().difference(&passed).copied().collect();
        let by_key = passed.contains(&Factor::PublicKey) || missing.contains(&Factor::PublicKey);
        if user.totp.is_some() && !by_key && !passed.contains(&Factor::Totp) {
            missing.insert(Factor::Totp);
        }
        missing
    }

    /// Returns whether something was proven for this record, so that a second factor may follow.
    pub(super) fn are_of(&self, user: &User) -> bool {
        let is_something = self.key.is_some() || self.has_password();
        self.incarnation == user.incarnation && is_something && self.secrets_are_current(user).is_ok()
    }

    /// Checks that the record has the secrets that were proven.
    fn secrets_are_current(&self, user: &User) -> Result<(), Revocation> {
        if self
            .password
            .as_ref()
            .is_some_and(|proof| !proof.is_current(user))
        {
            return Err(Revocation::Password);
        }
        if self.totp.is_some() && self.totp != user.totp {
            return Err(Revocation::Totp);
        }
        Ok(())
    }

    /// Returns whether the password is among the proofs.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Returns these proofs after the user has set the password that the record has now.
    pub(super) fn with_password_of(&self, user: &User) -> Self {
        Self {
            password: PasswordProof::of(user),
            ..self.clone()
        }
    }

    /// Returns these proofs together with a credential that was just accepted for this record. Proofs for another
    /// record, and proofs that are not accepted any more, are left out.
    pub(super) fn and(&self, credential: &Credential<'_>, at: &Circumstances<'_>) -> Self {
        let mut proofs = Self {
            incarnation: at.user.incarnation,
            token: None,
            ..self.clone()
        };
        if self.incarnation != at.user.incarnation || proofs.accepted_until(at).is_err() {
            (proofs.key, proofs.password, proofs.totp) = (None, None, None);
        }
        match credential {
            Credential::VerifiedKey(key) => {
                proofs.key = Some(Box::new(ProvenKey {
                    key: (*key).clone(),
                    judge: at.user.source,
                }));
            }
            Credential::Password(_) => proofs.password = PasswordProof::of(at.user),
            Credential::Code(_) => proofs.totp.clone_from(&at.user.totp),
        }
        proofs
    }

    /// Returns the time until which the record and its proofs are accepted, if the record does not change.
    ///
    /// # Errors
    /// Returns the credential that is not accepted any more.
    pub(super) fn accepted_until(&self, at: &Circumstances<'_>) -> Result<Option<Timestamp>, Revocation> {
        self.secrets_are_current(at.user)?;
        let key = match &self.key {
            Some(proof) => proof.accepted_until(at)?,
            None => None,
        };
        let token = match &self.token {
            Some(proof) => proof.accepted_until(at)?,
            None => None,
        };
        Ok([at.user.expires_at, key, token].into_iter().flatten().min())
    }

    /// Returns these proofs after a code was accepted, of which the recovery codes are known that are left, if it was one.
    pub(super) fn with_recovery_codes_left(self, left: Option<u64>) -> Self {
        Self {
            recovery_codes_left: left.or(self.recovery_codes_left),
            ..self
        }
    }

    /// Returns how many recovery codes the user has left, if one was used.
    pub(super) fn recovery_codes_left(&self) -> Option<u64> {
        self.recovery_codes_left
    }

    /// Returns what the log shows of the certificate, if the user has signed in by one.
    pub(super) fn certificate(&self) -> Option<CertificateIdentity> {
        self.key.as_ref()?.key.certificate_identity()
    }
}
