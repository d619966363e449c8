//! What follows a proof that was accepted: another factor, a new password, or the login.

use jiff::Timestamp;
use tokio::time::Instant;

use super::address::Source;
use super::denial::Denial;
use super::key_check::KeyCheck;
use super::login::{Attempt, Login};
use super::own_password::OwnPasswords;
use super::pacing::Pacing;
use super::proofs::{AcceptedUser, Credential};
use super::upgrades::HashUpgrades;

/// What is needed to complete a sign-in.
#[derive(Clone, Copy)]
pub(super) struct SignInCompletion<'a> {
    pub(super) pacing: &'a Pacing,
    pub(super) upgrades: &'a HashUpgrades,
    pub(super) keys: &'a KeyCheck,
    pub(super) own_passwords: &'a OwnPasswords,
}

impl SignInCompletion<'_> {
    /// Decides, after a factor was passed, whether the sign-in is complete.
    pub(super) fn complete(self, accepted: AcceptedUser, attempt: &Attempt<'_>) -> Result<Login, Denial> {
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
