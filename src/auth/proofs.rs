//! The credentials that a peer has proven, and whether the user's current record still accepts them.
//!
//! One function, [`Login::review`](super::Login::review), decides this for a sign-in that needs a second factor, for a
//! session that has just entered the registry, and for every session of a user whose record has changed.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

use super::certificates::{Circumstances, accepted_until};
use super::presented::PresentedKey;
use crate::domain::event::CertificateIdentity;
use crate::domain::user::{Factor, PasswordHash, Permission, SealedSecret, User, UserSource};
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
    key: Option<ProvenKey>,
    password: Option<PasswordProof>,
    /// The secret that the code was checked against, or that the recovery code belongs to. A new secret is another
    /// text.
    totp: Option<SealedSecret>,
    /// Whether a token was shown, which stands for all factors.
    token: bool,
    /// How many recovery codes the user has left, if one was the code.
    recovery_codes_left: Option<u64>,
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
    key: Box<PresentedKey>,
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

/// What a user has lost since the sign-in. The session must end because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// No record has this name any more.
    #[error("the user was removed or renamed")]
    User,
    /// Another record has this name now.
    #[error("the user was removed, and another one has the name now")]
    Incarnation,
    /// The record is disabled now.
    #[error("the user was disabled")]
    Enabled,
    /// The user's account has expired.
    #[error("the user's account has expired")]
    Time,
    /// The user's record names another home now.
    #[error("the user's home was moved")]
    Home,
    /// The record lacks a permission that the session has.
    #[error("the user may not {} any more", .0.name())]
    Permission(Permission),
    /// The record has a folder no more that the session has.
    #[error("the user does not have one of the folders any more")]
    Folder,
    /// A folder of the session lies elsewhere now.
    #[error("one of the user's folders was moved")]
    FolderMoved,
    /// The record lacks a permission that the session has in a folder.
    #[error("the user may not {} in one of the folders any more", .0.name())]
    FolderPermission(Permission),
    /// The key was removed from the record, or is not accepted any more for this peer or at this time.
    #[error("the key of this sign-in is not accepted any more")]
    Key,
    /// The certificate has ended or is revoked, or its authority is not trusted any more.
    #[error("the certificate of this sign-in is not accepted any more")]
    Certificate,
    /// The user's password was changed or removed.
    #[error("the password of this sign-in is not accepted any more")]
    Password,
    /// The secret of the user's one-time codes was replaced or taken away.
    #[error("the second factor of this sign-in is not accepted any more")]
    Totp,
    /// The record does not allow the peer's address.
    #[error("the user may not come from this address any more")]
    Address,
    /// The record requires factors that were not passed.
    #[error("more factors are required of this user now to sign in")]
    Factors,
}

impl Proofs {
    /// Returns the proofs of somebody who has passed these factors with the secrets that the record has now. A key is not
    /// among them.
    pub(super) fn of_record(user: &User, factors: &BTreeSet<Factor>) -> Self {
        let has = |factor| factors.contains(&factor);
        Self {
            incarnation: user.incarnation,
            password: has(Factor::Password).then(|| PasswordProof::of(user)).flatten(),
            totp: user.totp.clone().filter(|_| has(Factor::Totp)),
            ..Self::default()
        }
    }

    /// Returns the proofs of a program that has shown a token of this record.
    pub(super) fn of_token(user: &User) -> Self {
        Self {
            incarnation: user.incarnation,
            token: true,
            ..Self::default()
        }
    }

    /// Returns the SHA-256 of the secrets that were proven, as the record has them. The same password with a better hash
    /// has the same one, if it is known when it was set.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let password = match &self.password {
            None => String::new(),
            Some(PasswordProof::OfSource) => "source".to_owned(),
            Some(PasswordProof::OfRecord { hash, set_at }) => match set_at {
                Some(at) => format!("set {at}"),
                None => format!("hash {}", hash.as_phc()),
            },
        };
        let totp = self.totp.as_ref().map_or("", |secret| secret.as_text());
        let mut digest = Sha256::new();
        digest.update(self.incarnation.to_be_bytes());
        for text in [password.as_str(), totp] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.finalize().into()
    }

    /// Returns the factors that were passed.
    pub fn factors(&self) -> BTreeSet<Factor> {
        let key = self.key.as_ref().map(|_| Factor::PublicKey);
        let password = self.password.as_ref().map(|_| Factor::Password);
        let totp = self.totp.as_ref().map(|_| Factor::Totp);
        key.into_iter().chain(password).chain(totp).collect()
    }

    /// Returns the factors that this user must still prove. A user who has a second factor and shows no key must give a
    /// code, even if nothing requires it: a password alone is what the second factor is there to protect.
    pub(super) fn missing(&self, user: &User) -> BTreeSet<Factor> {
        if self.token {
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
            ..self.clone()
        };
        if self.incarnation != at.user.incarnation || proofs.accepted_until(at).is_err() {
            (proofs.key, proofs.password, proofs.totp) = (None, None, None);
        }
        match credential {
            Credential::VerifiedKey(key) => {
                proofs.key = Some(ProvenKey {
                    key: Box::new((*key).clone()),
                    judge: at.user.source,
                });
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
        Ok([at.user.expires_at, key].into_iter().flatten().min())
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
