//! Signing in: which users may sign in, with which credentials, from which addresses, and how often they may try.
//!
//! This module knows users through [`crate::store::Store`]; it does not know files or SSH packets. Whatever is wrong
//! with an attempt, the peer gets the same answer after the same time: one hash is verified for every password that is
//! examined (a dummy hash if the user has none), and the answer is delayed until a moment that depends only on earlier
//! failures ([`throttle`]), and on the slowest hash that a user has ([`failure_floor`]).

mod address;
mod certificates;
mod completion;
mod denial;
pub mod external;
mod failure_floor;
#[doc(hidden)]
pub mod fuzz;
mod key_check;
mod key_options;
pub mod keys;
mod login;
mod offer;
mod own_password;
mod pacing;
pub mod password;
mod presented;
mod proofs;
mod record_check;
pub mod recovery;
mod remembered;
mod revocation;
mod second_factor;
mod secret_check;
pub mod secret_hash;
pub mod secrets_key;
mod settings;
pub mod shares;
mod sign_ins;
pub mod throttle;
pub mod tokens;
pub mod totp;
pub mod trust;
mod upgrades;
mod verifier;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::address::Source;
pub use self::denial::{Denial, DenialReason, EXTERNAL_FAILED};
pub use self::login::{Attempt, Login, OfferedKey, Review};
pub use self::own_password::NewPasswordDenial;
pub use self::presented::PresentedKey;
use self::proofs::AcceptedUser;
pub use self::proofs::{Credential, Proofs};
pub use self::remembered::RememberedSignIn;
pub use self::revocation::Revocation;
pub use self::settings::{AuthSettings, Method};
pub use self::sign_ins::SignInHistory;
pub use self::throttle::ThrottleSettings;
pub use self::verifier::FairSemaphore;

use self::completion::SignInCompletion;
use self::external::check::ExternalCheck;
use self::external::settings::ExternalSettings;
use self::external::{ExternalSource, ExternalUsers};
use self::key_check::KeyCheck;
use self::offer::KeyOffer;
use self::own_password::{NewPasswordHasher, OwnPasswords, PasswordToSet};
use self::pacing::{Applicant, Pacing};
use self::record_check::RecordCheck;
use self::remembered::ResumeCheck;
use self::second_factor::CodeChecker;
use self::secret_check::check_secret;
use self::secrets_key::SecretsKeyFile;
use self::shares::{ShareCheck, ShareThrottle};
use self::tokens::TokenCheck;
use self::upgrades::HashUpgrades;
use self::verifier::VerifierBounds;
use crate::domain::user::{Factor, User, UserName};
use crate::store::Store;
use crate::store::web::TokenRecord;
use base::secret::Secret;

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
    external: ExternalUsers,
    shares: ShareThrottle,
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
            external: ExternalUsers::default(),
            shares: ShareThrottle::default(),
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

    /// Replaces the outside source of users; `None` if there is none.
    pub fn set_external(&self, source: Option<(ExternalSettings, Arc<dyn ExternalSource>)>) {
        let floor = &self.pacing.floor;
        match source {
            Some(_) => floor.cover_answer(Duration::ZERO, Instant::now().into_std()),
            None => floor.forget_answers(),
        }
        self.external.replace(source);
    }

    /// Returns the check of keys, which knows what the operator trusts and has revoked.
    pub fn keys(&self) -> &KeyCheck {
        &self.keys
    }

    /// Returns the history of the addresses from which users have signed in, which the store keeps.
    pub fn history(&self) -> &SignInHistory {
        &self.history
    }

    /// Returns the check of shares' visitors.
    pub fn shares(&self) -> ShareCheck<'_> {
        ShareCheck::new(&*self.store, &self.pacing, &self.shares)
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
        // An invalid name is treated like a name that no user has.
        let name = UserName::stored(attempt.user).ok();
        let applicant = Applicant {
            source: Source::from(attempt.peer),
            name: name.as_ref(),
            factor: attempt.credential.factor(),
            start,
        };
        let checked = match attempt.credential {
            Credential::VerifiedKey(key) => {
                let checked = self.external().key(&attempt, key, applicant).await;
                checked.map(AcceptedUser::from)
            }
            Credential::Password(secret) | Credential::Code(secret) => {
                check_secret(self.external(), &attempt, secret, applicant).await
            }
        };
        match checked {
            Ok(accepted) => self.completion().complete(accepted, &attempt),
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
        let hasher = NewPasswordHasher {
            verifier: &self.pacing.verifier,
            queued: self.pacing.queued(Source::from(peer), Some(&name)),
        };
        let chosen = PasswordToSet { new, passed, peer };
        let record = self.own_passwords.set(&name, chosen, hasher).await?;
        let attempt = Attempt {
            user,
            peer,
            credential: Credential::Password(new),
            passed: passed.with_password_of(&record),
            offered: None,
        };
        Ok(self.completion().complete(record.into(), &attempt))
    }

    fn records(&self) -> RecordCheck<'_> {
        RecordCheck {
            store: &*self.store,
            settings: &self.settings,
            pacing: &self.pacing,
            codes: &self.codes,
            keys: &self.keys,
        }
    }

    fn external(&self) -> ExternalCheck<'_> {
        ExternalCheck {
            users: &self.external,
            records: self.records(),
        }
    }

    /// Checks whether this key would be accepted with a valid signature. This serves key probes, which do not count as
    /// failures by themselves: see [`Authenticator::keys_refused`]. The reason is for the log.
    ///
    /// An unknown user, a user without keys and a user with many keys look alike: the queries to the store are the same
    /// and cost the same. The difference that remains, some microseconds, is hidden by a delay ([`offer`]).
    ///
    /// If an outside source judges keys, every offer is accepted, for every name, since the source is never asked about
    /// offers: `None` is an offer that no record accepts.
    pub async fn offered(
        &self,
        user: &str,
        peer: IpAddr,
        key: &PresentedKey,
    ) -> Result<Option<OfferedKey>, DenialReason> {
        let is_judged = self.external.for_factor(Factor::PublicKey).is_some();
        let offer = KeyOffer { user, peer, key };
        offer.check(self.records(), is_judged).await
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
        let reviewed = self.review_record(login, user.as_ref(), peer).await?;
        Ok(Review::of(user.as_ref(), reviewed))
    }

    /// Decides by a record of its user that was just read whether a login's session may continue, and until when.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn review_record(
        &self,
        login: &Login,
        user: Option<&User>,
        peer: IpAddr,
    ) -> base::error::Result<Result<Option<Timestamp>, Revocation>> {
        let reviewed = login.review(user, peer, Timestamp::now(), &self.keys.trust());
        if reviewed.is_ok() && !self.tokens().is_still_there(login).await? {
            return Ok(Err(Revocation::Token));
        }
        Ok(reviewed)
    }

    /// Returns what is kept of a sign-in to resume it without its proofs; `None` of one by key or token.
    pub fn remember(&self, login: &Login) -> Option<RememberedSignIn> {
        RememberedSignIn::of(login)
    }

    /// Resumes a remembered sign-in, unless its user has lost something since or has another password or second factor.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn resume(
        &self,
        remembered: &RememberedSignIn,
        peer: IpAddr,
    ) -> base::error::Result<Result<Login, Revocation>> {
        self.resuming().resume(remembered, peer).await
    }

    /// Returns the login of a user who was signed in when they changed what they sign in with, and has passed these factors
    /// with the secrets that the record has now; or what the user has lost meanwhile.
    ///
    /// # Errors
    /// Returns an error if the store cannot answer.
    pub async fn renew(
        &self,
        login: &Login,
        factors: &BTreeSet<Factor>,
        peer: IpAddr,
    ) -> base::error::Result<Result<Login, Revocation>> {
        self.resuming().renew(login, factors, peer).await
    }

    fn resuming(&self) -> ResumeCheck<'_> {
        ResumeCheck {
            store: &*self.store,
            settings: &self.settings,
            keys: &self.keys,
            own_passwords: &self.own_passwords,
        }
    }

    /// Signs in the user of a token. A refusal must be answered late, as with [`Authenticator::login`].
    pub async fn token(&self, token: &Secret, peer: IpAddr) -> Result<(Login, TokenRecord), Denial> {
        self.tokens().sign_in(token, peer).await
    }

    fn tokens(&self) -> TokenCheck<'_> {
        TokenCheck {
            store: &*self.store,
            pacing: &self.pacing,
        }
    }

    fn completion(&self) -> SignInCompletion<'_> {
        SignInCompletion {
            pacing: &self.pacing,
            upgrades: &self.upgrades,
            keys: &self.keys,
            own_passwords: &self.own_passwords,
        }
    }
}

#[cfg(test)]
mod tests;
