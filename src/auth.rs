//! Signing in: which users may sign in, with which credentials, from which addresses, and how often they may try.
//!
//! This module knows users through [`crate::store::Store`]; it does not know files or SSH packets. Whatever is wrong
//! with an attempt, the peer gets the same answer after the same time: one hash is verified for every password that is
//! examined (a dummy hash if the user has none), and the answer is delayed until a moment that depends only on earlier
//! failures ([`throttle`]), and on the slowest hash that a user has ([`failure_floor`]).

mod address;
mod certificates;
mod denial;
mod failure_floor;
#[doc(hidden)]
pub mod fuzz;
mod key_check;
mod key_options;
pub mod keys;
mod login;
mod own_password;
mod pacing;
pub mod password;
mod presented;
mod proofs;
pub mod recovery;
mod second_factor;
pub mod secrets_key;
mod settings;
mod sign_ins;
pub mod throttle;
pub mod totp;
pub mod trust;
mod upgrades;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::address::Source;
pub use self::denial::{Denial, DenialReason};
pub use self::login::{Attempt, Login, OfferedKey, Review};
pub use self::own_password::NewPasswordDenial;
pub use self::presented::PresentedKey;
use self::proofs::AcceptedUser;
pub use self::proofs::{Credential, Proofs, Revocation};
pub use self::settings::{AuthSettings, Method};
pub use self::sign_ins::SignInHistory;
pub use self::throttle::ThrottleSettings;
pub use self::verifier::FairSemaphore;

use self::key_check::KeyCheck;
use self::own_password::OwnPasswords;
use self::pacing::{Pacing, UncheckedSecret};
use self::password::{MAX_PASSWORD, Verdict};
use self::second_factor::CodeChecker;
use self::secrets_key::SecretsKeyFile;
use self::upgrades::HashUpgrades;
use self::verifier::{FairPermit, VerifierBounds};
use crate::domain::user::{User, UserName};
use crate::store::Store;
use base::secret::Secret;

/// The delay before a key that is not accepted is answered, counted from its arrival. It is far longer than the check
/// takes.
const PROBE: Duration = Duration::from_millis(3);

/// Decides which sign-in attempts succeed.
pub struct Authenticator {
    store: Arc<dyn Store>,
    settings: AuthSettings,
    pacing: Pacing,
    history: SignInHistory,
    upgrades: HashUpgrades,
    keys: KeyCheck,
    codes: CodeChecker,
    own_passwords: OwnPasswords,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Creates an authenticator for the users of a store, without any recorded failures.
    pub fn new(store: Arc<dyn Store>, settings: AuthSettings) -> Self {
        Self::with_bounds(store, settings, VerifierBounds::default())
    }

    fn with_bounds(store: Arc<dyn Store>, settings: AuthSettings, bounds: VerifierBounds) -> Self {
        let pacing = Pacing::new(&settings.throttle, bounds);
        Self {
            history: SignInHistory::new(Arc::clone(&store), pacing.shared_throttle()),
            pacing,
            upgrades: HashUpgrades::default(),
            keys: KeyCheck::new(Arc::clone(&store)),
            codes: CodeChecker::new(Arc::clone(&store), None),
            own_passwords: OwnPasswords::new(Arc::clone(&store), settings.password.clone()),
            store,
            settings,
        }
    }

    /// Sets the key with which the secrets of users are encrypted. Without it, no one-time code is accepted.
    #[must_use]
    pub fn with_secrets_key(self, file: SecretsKeyFile) -> Self {
        Self {
            codes: CodeChecker::new(Arc::clone(&self.store), Some(file)),
            ..self
        }
    }

    /// Returns the check of keys, which knows what the operator trusts and has revoked.
    pub fn keys(&self) -> &KeyCheck {
        &self.keys
    }

    /// Returns the history of the addresses from which users have signed in, which the store keeps.
    pub fn history(&self) -> &SignInHistory {
        &self.history
    }

    /// Reads the hashes of other costs that were set after this revision of the store, or all with -1, so that failures
    /// are answered no sooner than the slowest of them takes.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn cover_hashes(&self, since: i64) -> base::error::Result<()> {
        let unusual = self.store.unusual_hashes(password::CURRENT, since).await?;
        self.pacing.floor.cover(&unusual);
        Ok(())
    }

    /// Replaces the hashes of other systems after their users have signed in, until `quit` is cancelled.
    pub async fn upgrade_hashes(&self, quit: CancellationToken) {
        self.upgrades.keep(&self.pacing.verifier, &self.store, quit).await;
    }

    /// Returns the settings for signing in.
    pub fn settings(&self) -> &AuthSettings {
        &self.settings
    }

    /// Judges one attempt. A refusal must be answered late: [`Denial::Failed`] contains the moment that the throttle
    /// has chosen. The refusal is returned before that moment, so that it is logged and counted even if the peer does
    /// not wait.
    ///
    /// The future may be dropped at any time, as when the peer disconnects. A place in the queue is then free at once,
    /// and a password that is being verified counts as wrong.
    pub async fn login(&self, attempt: Attempt<'_>) -> Result<Login, Denial> {
        let start = Instant::now();
        let source = Source::from(attempt.peer);
        // An invalid name is treated like a name that no user has.
        let name = UserName::stored(attempt.user).ok();
        let name = name.as_ref();
        let checked = match attempt.credential {
            Credential::VerifiedKey(key) => match self.check_key(&attempt, name, key).await {
                Ok(user) => Ok(user.into()),
                Err(reason) => Err((self.pacing.count(source, None, &reason), reason)),
            },
            Credential::Password(secret) | Credential::Code(secret) => {
                self.try_secret(&attempt, name, secret, start).await
            }
        };
        match checked {
            Ok(accepted) => self.complete(accepted, &attempt),
            Err((delay, reason)) => Err(Denial::Failed {
                reason,
                answer_at: start + delay,
            }),
        }
    }

    /// Sets the password that a user has chosen after [`Denial::PasswordExpired`], and completes the sign-in.
    ///
    /// # Errors
    /// Returns why the password was not set. After [`NewPasswordDenial::Rules`] the user may choose another one.
    pub async fn set_own_password(
        &self,
        user: &str,
        peer: IpAddr,
        passed: &Proofs,
        new: &Secret,
    ) -> Result<Result<Login, Denial>, NewPasswordDenial> {
        let name = UserName::stored(user).map_err(NewPasswordDenial::Failed)?;
        let record = self.own_passwords.set(&name, passed, new).await?;
        let attempt = Attempt {
            user,
            peer,
            credential: Credential::Password(new),
            passed: passed.with_password_of(&record),
            offered: None,
        };
        Ok(self.complete(record.into(), &attempt))
    }

    /// Waits for a permit and verifies the password or the code. A refusal contains the time for which its answer must
    /// be held back.
    async fn try_secret(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        secret: &Secret,
        start: Instant,
    ) -> Result<AcceptedUser, (Duration, DenialReason)> {
        let source = Source::from(attempt.peer);
        // The length is not secret, and a long password must not use memory in the queue.
        if secret.bytes().len() > MAX_PASSWORD {
            let reason = DenialReason::PasswordTooLong;
            return Err((self.pacing.count(source, Some(name), &reason), reason));
        }
        let permit = self
            .pacing
            .admit(source, name, attempt.credential.factor(), start)
            .await
            // The attempt has already waited in `admit`, so its answer is not delayed further.
            .map_err(|reason| (Duration::ZERO, reason))?;
        let mut unchecked = UncheckedSecret {
            pacing: &self.pacing,
            source,
            name,
            checked: false,
        };
        let checked = match attempt.credential {
            Credential::Code(_) => self.check_code(attempt, name, secret).await,
            _ => self
                .check_password(attempt, name, secret, &permit)
                .await
                .map(AcceptedUser::from),
        };
        unchecked.checked = true;
        // Count the failure before the permit is released, so that no other attempt runs in between.
        checked.map_err(|reason| {
            let delay = self.pacing.count(source, Some(name), &reason);
            (self.pacing.floor.answer_after(start.elapsed(), delay), reason)
        })
    }

    /// Checks whether this key would be accepted with a valid signature. This serves key probes, which do not count as
    /// failures by themselves: see [`Authenticator::keys_refused`]. The reason is for the log.
    ///
    /// An unknown user, a user without keys and a user with many keys look alike: the queries to the store are the same
    /// and cost the same. The difference that remains, some microseconds, is hidden by [`PROBE`].
    pub async fn offered(
        &self,
        user: &str,
        peer: IpAddr,
        key: &PresentedKey,
    ) -> Result<OfferedKey, DenialReason> {
        let answer_at = Instant::now() + PROBE;
        let attempt = Attempt {
            user,
            peer,
            credential: Credential::VerifiedKey(key),
            passed: Proofs::default(),
            offered: None,
        };
        // A probe only asks: it creates no login, and nothing is counted.
        let name = UserName::stored(user).ok();
        let checked = self.check_key(&attempt, name.as_ref(), key).await;
        if checked.is_err() {
            sleep_until(answer_at).await;
        }
        let user = checked?;
        let (name, identity) = name.zip(key.identity()).ok_or(DenialReason::UnknownUser)?;
        Ok(OfferedKey { name, identity, user })
    }

    /// Counts one failure for the address of a connection that offered keys and ended without a sign-in by key.
    pub fn keys_refused(&self, peer: IpAddr) {
        let now = Instant::now().into_std();
        let _ = self.pacing.throttle().failed(Source::from(peer), now);
    }

    /// Reads the user of a login again and decides whether its session may continue, and until when.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn review(&self, login: &Login, peer: IpAddr) -> base::error::Result<Review> {
        let user = self.store.user(login.user()).await?;
        let limits = user.as_ref().map(|user| (user.max_sessions(), user.rates()));
        let (max_sessions, rates) = limits.unwrap_or_default();
        let trust = self.keys.trust();
        Ok(
            match login.review(user.as_ref(), peer, Timestamp::now(), &trust) {
                Ok(until) => Review::Continues {
                    until,
                    max_sessions,
                    rates,
                },
                Err(lost) => Review::Ends(lost),
            },
        )
    }

    async fn check_key(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        key: &PresentedKey,
    ) -> Result<User, DenialReason> {
        let user = self.keys.find(attempt, name, key).await?;
        attempt.admits(&self.settings, &user, Timestamp::now())?;
        Ok(user)
    }

    /// Verifies the password before anything else about the user is checked, so that all refusals cost the same time.
    async fn check_password(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        password: &Secret,
        permit: &FairPermit,
    ) -> Result<User, DenialReason> {
        let user = self.find(name).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let verdict = self.pacing.verifier.verify(permit, password, hash).await;
        let user = user.ok_or(DenialReason::UnknownUser)?;
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong if user.password_hash.is_none() => return Err(DenialReason::NoPassword),
            Verdict::Wrong => return Err(DenialReason::WrongPassword),
            Verdict::BadHash => return Err(DenialReason::BadHash),
            Verdict::NotVerified => return Err(DenialReason::NotVerified),
        }
        attempt.admits(&self.settings, &user, Timestamp::now())?;
        Ok(user)
    }

    async fn find(&self, name: Option<&UserName>) -> Result<Option<User>, DenialReason> {
        match name {
            Some(name) => self.store.user(name).await.map_err(DenialReason::Store),
            None => Ok(None),
        }
    }

    /// Checks a code of a user who has proven another factor on this connection.
    async fn check_code(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        code: &Secret,
    ) -> Result<AcceptedUser, DenialReason> {
        let user = self.find(name).await?.ok_or(DenialReason::UnknownUser)?;
        let now = Timestamp::now();
        attempt.admits(&self.settings, &user, now)?;
        if !attempt.passed.are_of(&user) {
            return Err(DenialReason::FactorNotAccepted);
        }
        let recovery_codes_left = self.codes.check(&user, code, now).await?;
        Ok(AcceptedUser {
            user,
            recovery_codes_left,
        })
    }

    /// Decides, after a factor was passed, whether the sign-in is complete.
    fn complete(&self, accepted: AcceptedUser, attempt: &Attempt<'_>) -> Result<Login, Denial> {
        let AcceptedUser {
            user,
            recovery_codes_left,
        } = accepted;
        let source = Source::from(attempt.peer);
        if let Credential::Password(password) = attempt.credential {
            self.upgrades.offer(&user, source, password);
        }
        let (now, trust) = (Timestamp::now(), self.keys.trust());
        let at = attempt.circumstances(&user, now, &trust);
        let passed = attempt.passed.and(&attempt.credential, &at);
        let passed = passed.with_recovery_codes_left(recovery_codes_left);
        let remaining = passed.missing(&user);
        if !remaining.is_empty() {
            return Err(Denial::Partial { passed, remaining });
        }
        if self.own_passwords.must_change(&user, &passed, now) {
            return Err(Denial::PasswordExpired { passed });
        }
        let until = passed.accepted_until(&at).unwrap_or(Some(now));
        let clock = Instant::now().into_std();
        self.pacing.throttle().signed_in(source, &user.name, clock);
        Ok(Login::new(user, passed, until))
    }
}

#[cfg(test)]
mod tests;
