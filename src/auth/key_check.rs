//! Decides whether a key that is offered or was signed with belongs to a user, with what the operator trusts and has
//! revoked.

use parking_lot::RwLock;
use std::sync::Arc;

use jiff::Timestamp;

use super::certificates::{CertificateDenial, accepted_until};
use super::denial::DenialReason;
use super::key_options::TouchRules;
use super::login::Attempt;
use super::presented::PresentedKey;
use super::trust::KeyTrust;
use crate::domain::user::{User, UserName, UserSource};
use crate::store::Store;

/// Checks the keys of users.
pub struct KeyCheck {
    store: Arc<dyn Store>,
    trust: RwLock<Arc<KeyTrust>>,
}

impl KeyCheck {
    /// Creates the check of a store's users, which trusts no authority and has nothing revoked.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            trust: RwLock::default(),
        }
    }

    /// Replaces the trusted authorities and the revoked keys; returns whether that makes a difference. If it does, the
    /// sessions that exist must be reviewed.
    pub fn set_trust(&self, trust: KeyTrust) -> bool {
        let mut current = self.trust.write();
        let differs = **current != trust;
        *current = Arc::new(trust);
        differs
    }

    /// Returns the trusted authorities and the revoked keys.
    pub fn trust(&self) -> Arc<KeyTrust> {
        Arc::clone(&self.trust.read())
    }

    /// Checks what an outside source cannot know of a key that it is asked about.
    ///
    /// # Errors
    /// Returns an error if the key is revoked, or if a security key was not touched.
    pub(super) fn may_be_judged(&self, key: &PresentedKey) -> Result<(), DenialReason> {
        if let Some(entry) = self.trust().revoked().find(key) {
            return Err(DenialReason::Revoked(entry));
        }
        let rules = TouchRules {
            touch: true,
            verification: false,
        };
        key.satisfies(rules).map_err(DenialReason::KeyNotPermitted)
    }

    /// Returns the record of the user, if the key is accepted for it. `name` is `None` if no user can have the name of
    /// the attempt.
    pub(super) async fn find(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        key: &PresentedKey,
    ) -> Result<User, DenialReason> {
        let texts = key.accepted_by().zip(key.identity());
        let (data, identity) = texts.ok_or(DenialReason::UnknownKey)?;
        let offered = attempt.offered.as_ref();
        let found = match name {
            Some(name) => match offered.and_then(|offered| offered.record(name, &identity)) {
                Some(user) => Some(user),
                None => self
                    .store
                    .user_with_key(name, &data)
                    .await
                    .map_err(DenialReason::Store)?,
            },
            None => None,
        };
        let user = found.ok_or(DenialReason::UnknownUser)?;
        if user.source == UserSource::External {
            // Its record alone allows nothing.
            return Err(DenialReason::ExternalOff);
        }
        let trust = self.trust();
        accepted_until(key, &attempt.circumstances(&user, Timestamp::now(), &trust))?;
        // The SSH layer has verified the certificate of a key that was signed with. That of an offer is verified here,
        // and only if the authority is trusted: for others it would be work that any stranger can cause.
        let unverified = key.certificate().filter(|_| !key.is_verified());
        if unverified.is_some_and(|certificate| certificate.verify_signature().is_err()) {
            return Err(DenialReason::Certificate(CertificateDenial::WrongSignature));
        }
        Ok(user)
    }
}
