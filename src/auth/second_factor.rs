//! The second factor of a sign-in: a one-time code, or a recovery code in its place.
//!
//! Only a peer that has proven another factor before is asked for a code, so guesses are limited for each user apart
//! from wrong passwords: whoever guesses has a stolen key or password. The ceiling is low and is forgiven slowly: it
//! lets a thief try about a hundred of a million codes a day. An honest user whose guesses a thief has used up signs
//! in with a recovery code, which cannot be guessed and is examined even then.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::denial::DenialReason;
use super::recovery::RecoveryCode;
use super::secrets_key::SecretsKeyFile;
use super::throttle::DebtTable;
use super::totp::OneTimeCode;
use crate::domain::user::{SealedSecret, User, UserName};
use crate::store::Store;
use base::error::Error;
use base::secret::Secret;

/// The number of wrong codes of one user after which codes are not examined.
const GUESSES: u32 = 10;
/// The time in which one wrong code is forgiven, in seconds.
const FORGIVE_SECS: u32 = 15 * 60;

/// Checks codes against the secrets of users.
pub(super) struct CodeChecker {
    store: Arc<dyn Store>,
    /// The key for secrets; `None` if this authenticator has no data directory.
    key: Option<SecretsKeyFile>,
    guesses: Mutex<DebtTable<UserName>>,
}

impl CodeChecker {
    /// Creates a checker without any recorded failures.
    pub fn new(store: Arc<dyn Store>, key: Option<SecretsKeyFile>) -> Self {
        Self {
            store,
            key,
            guesses: Mutex::new(DebtTable::new(GUESSES, FORGIVE_SECS)),
        }
    }

    /// Accepts a code that the user has typed. It is used up then. Returns how many recovery codes are left if it was one.
    pub async fn check(
        &self,
        user: &User,
        typed: &Secret,
        now: Timestamp,
    ) -> Result<Option<u64>, DenialReason> {
        let sealed = user.totp.as_ref().ok_or(DenialReason::NoTotp)?;
        if let Some(code) = OneTimeCode::parse(typed.bytes()) {
            return self.check_code(user, sealed, &code, now).await.map(|()| None);
        }
        match RecoveryCode::parse(typed.bytes()) {
            Some(code) => self.check_recovery_code(user, &code).await.map(Some),
            None => Err(DenialReason::WrongCode),
        }
    }

    async fn check_code(
        &self,
        user: &User,
        sealed: &SealedSecret,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<(), DenialReason> {
        if self.guesses.lock().full(&user.name, clock()) {
            return Err(DenialReason::Throttled);
        }
        let step = self.step_of(user, sealed, code, now).await.map_err(|error| {
            tracing::error!(user = %user.name, "no code can be checked: {error}");
            DenialReason::SecretsKey(error)
        })?;
        let Some(step) = step else {
            let _ = self.guesses.lock().add(user.name.clone(), clock());
            return Err(DenialReason::WrongCode);
        };
        match self.store.take_totp_step(&user.name, step).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(DenialReason::CodeUsed),
            Err(error) => Err(DenialReason::Store(error)),
        }
    }

    /// Opens the secret and returns the step of the code, or `None` if it is wrong.
    async fn step_of(
        &self,
        user: &User,
        sealed: &SealedSecret,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let no_key = || Error::new("this server has no key for secrets");
        let file = self.key.clone().ok_or_else(no_key)?;
        // The disk may be slow, and an SSH callback must not wait for it.
        let key = tokio::task::spawn_blocking(move || file.read())
            .await
            .map_err(|panic| Error::new("cannot read the key for secrets").because(panic))??;
        let secret = key.open(sealed, user.incarnation)?;
        Ok(secret.step_of(code, now.as_second()))
    }

    async fn check_recovery_code(&self, user: &User, code: &RecoveryCode) -> Result<u64, DenialReason> {
        let hash = code.hash(user.incarnation);
        let taken = self.store.take_recovery_code(&user.name, &hash).await;
        if !taken.map_err(DenialReason::Store)? {
            return Err(DenialReason::WrongCode);
        }
        let left = self
            .store
            .recovery_codes_left(&user.name)
            .await
            .unwrap_or_default();
        tracing::warn!(user = %user.name, left, "a recovery code was used in place of a one-time code");
        Ok(left)
    }
}

fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
