//! Checks keys, passwords and codes against the records of users.

use jiff::Timestamp;

use super::denial::DenialReason;
use super::key_check::KeyCheck;
use super::login::Attempt;
use super::pacing::Pacing;
use super::password::Verdict;
use super::presented::PresentedKey;
use super::proofs::AcceptedUser;
use super::second_factor::CodeChecker;
use super::settings::AuthSettings;
use super::verifier::FairPermit;
use crate::domain::user::{User, UserName, UserSource};
use crate::store::Store;
use base::secret::Secret;

/// What is needed to check a proof.
#[derive(Clone, Copy)]
pub(super) struct RecordCheck<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) settings: &'a AuthSettings,
    pub(super) pacing: &'a Pacing,
    pub(super) codes: &'a CodeChecker,
    pub(super) keys: &'a KeyCheck,
}

impl RecordCheck<'_> {
    /// Checks a key by the lines of the record.
    pub(super) async fn key(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        key: &PresentedKey,
    ) -> Result<User, DenialReason> {
        let user = self.keys.find(attempt, name, key).await?;
        attempt.admits(self.settings, &user, Timestamp::now())?;
        Ok(user)
    }

    /// Verifies the password before anything else about the user is checked, so that all refusals cost the same time.
    pub(super) async fn password(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        password: &Secret,
        permit: &FairPermit,
    ) -> Result<User, DenialReason> {
        let user = self.find(name).await?;
        // The record of an outside source's user alone allows nothing.
        let local = user.as_ref().filter(|user| user.source == UserSource::Local);
        let hash = local.and_then(|user| user.password_hash.as_ref());
        let verdict = self.pacing.verifier.verify(permit, password, hash).await;
        let user = user.ok_or(DenialReason::UnknownUser)?;
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong if user.source == UserSource::External => return Err(DenialReason::ExternalOff),
            Verdict::Wrong if user.password_hash.is_none() => return Err(DenialReason::NoPassword),
            Verdict::Wrong => return Err(DenialReason::WrongPassword),
            Verdict::BadHash => return Err(DenialReason::BadHash),
            Verdict::NotVerified => return Err(DenialReason::NotVerified),
        }
        attempt.admits(self.settings, &user, Timestamp::now())?;
        Ok(user)
    }

    async fn find(&self, name: Option<&UserName>) -> Result<Option<User>, DenialReason> {
        match name {
            Some(name) => self.store.user(name).await.map_err(DenialReason::Store),
            None => Ok(None),
        }
    }

    /// Checks a code of a user who has proven another factor on this connection.
    pub(super) async fn code(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        code: &Secret,
    ) -> Result<AcceptedUser, DenialReason> {
        let user = self.find(name).await?.ok_or(DenialReason::UnknownUser)?;
        let now = Timestamp::now();
        attempt.admits(self.settings, &user, now)?;
        if !attempt.passed.are_of(&user) {
            return Err(DenialReason::FactorNotAccepted);
        }
        let recovery_codes_left = self.codes.check(&user, code, now).await?;
        Ok(AcceptedUser {
            user,
            recovery_codes_left,
        })
    }
}
