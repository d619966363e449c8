//! The reasons why attempts to sign in are refused. They are for the log only: a peer never learns the reason.

use std::collections::BTreeSet;
use std::fmt;

use tokio::time::Instant;

use super::certificates::{CertificateDenial, KeyDenial};
use super::keys::KeyRestriction;
use super::proofs::Proofs;
use super::trust::revoked::RevokedBy;
use crate::domain::user::Factor;
use base::error::Error;

/// The code of the refusals of an outside source that has failed.
pub const EXTERNAL_FAILED: &str = "external_failed";

/// The outcome of an attempt that did not complete a sign-in.
#[derive(Debug)]
pub enum Denial {
    /// A factor was accepted, and more factors are required. The peer may know (RFC 4252, partial success).
    Partial {
        /// The proofs so far. The next [`super::Attempt`] of this connection for the same name must contain them.
        passed: Proofs,
        /// The factors that are still required.
        remaining: BTreeSet<Factor>,
    },
    /// Everything was proven, but the password has expired: the user must choose a new one first. The peer may know.
    PasswordExpired {
        /// The proofs, with which [`super::Authenticator::set_own_password`] completes the sign-in.
        passed: Proofs,
    },
    /// The attempt was refused. The peer learns only that, and may try again by any enabled method.
    Failed {
        /// The reason of the refusal, for the log.
        reason: DenialReason,
        /// The earliest moment at which the caller may answer, whatever the reason: see [`super::throttle`].
        answer_at: Instant,
    },
}

/// The reason why an attempt was refused, for the log only.
#[derive(Debug)]
pub enum DenialReason {
    /// The user does not exist, or the name is not a valid user name.
    UnknownUser,
    /// The password does not match the user's hash.
    WrongPassword,
    /// The user has no password and can sign in by key only.
    NoPassword,
    /// The password is longer than the longest password that can be set.
    PasswordTooLong,
    /// The stored hash cannot be verified. The operator must set a new password.
    BadHash,
    /// There is no such token.
    UnknownToken,
    /// The token is not accepted any more.
    TokenExpired,
    /// The key does not belong to the user.
    UnknownKey,
    /// The key belongs to the user, but must not be used from this address, has expired or was not touched.
    KeyNotPermitted(KeyRestriction),
    /// The key or its certificate is revoked.
    Revoked(RevokedBy),
    /// The certificate is not accepted.
    Certificate(CertificateDenial),
    /// An operator has disabled the user.
    Disabled,
    /// The user's account has expired.
    Expired,
    /// The user must not connect from this address.
    AddressNotAllowed,
    /// The method is disabled in the configuration.
    MethodOff,
    /// The user must sign in with another factor.
    FactorNotAccepted,
    /// The one-time code is wrong, or is neither a one-time code nor a recovery code of this user.
    WrongCode,
    /// The one-time code is right, and was used before.
    CodeUsed,
    /// A code is required, and the user has no second factor.
    NoTotp,
    /// The secret of the user's codes cannot be read.
    SecretsKey(Error),
    /// There were too many failures before. The password or code was not examined.
    Throttled,
    /// Too many passwords were waiting to be verified. This one was not examined.
    QueueFull,
    /// The peer disconnected before the attempt was judged.
    HungUp,
    /// The password could not be verified because memory or threads were missing.
    NotVerified,
    /// The outside source refuses the name or the proof.
    ExternalRefused,
    /// The outside source could not be asked, or its answer cannot be used.
    External(Error),
    /// The user's record is an outside source's, which does not judge this proof.
    ExternalOff,
    /// The store could not answer.
    Store(Error),
}

impl From<KeyDenial> for DenialReason {
    fn from(denial: KeyDenial) -> Self {
        match denial {
            KeyDenial::Unknown => DenialReason::UnknownKey,
            KeyDenial::NotPermitted(why) => DenialReason::KeyNotPermitted(why),
            KeyDenial::Revoked(entry) => DenialReason::Revoked(entry),
            KeyDenial::Certificate(why) => DenialReason::Certificate(why),
        }
    }
}

impl DenialReason {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(&self) -> &'static str {
        match self {
            DenialReason::UnknownUser => "unknown_user",
            DenialReason::WrongPassword => "wrong_password",
            DenialReason::NoPassword => "no_password",
            DenialReason::PasswordTooLong => "password_too_long",
            DenialReason::BadHash => "bad_hash",
            DenialReason::UnknownToken => "unknown_token",
            DenialReason::TokenExpired => "token_expired",
            DenialReason::UnknownKey => "unknown_key",
            DenialReason::KeyNotPermitted(KeyRestriction::Address) => "key_address",
            DenialReason::KeyNotPermitted(KeyRestriction::Expired) => "key_expired",
            DenialReason::KeyNotPermitted(KeyRestriction::NotTouched) => "key_not_touched",
            DenialReason::KeyNotPermitted(KeyRestriction::NotVerified) => "key_not_verified",
            DenialReason::Revoked(entry) => entry.code(),
            DenialReason::Certificate(why) => why.code(),
            DenialReason::Disabled => "user_disabled",
            DenialReason::Expired => "user_expired",
            DenialReason::AddressNotAllowed => "address",
            DenialReason::MethodOff => "method_off",
            DenialReason::FactorNotAccepted => "other_factor",
            DenialReason::WrongCode => "wrong_code",
            DenialReason::CodeUsed => "code_used",
            DenialReason::NoTotp => "no_totp",
            DenialReason::SecretsKey(_) => "secrets_key",
            DenialReason::Throttled => "throttled",
            DenialReason::QueueFull => "busy",
            DenialReason::HungUp => "hung_up",
            DenialReason::NotVerified => "not_verified",
            DenialReason::ExternalRefused => "external_refused",
            DenialReason::External(_) => EXTERNAL_FAILED,
            DenialReason::ExternalOff => "external_off",
            DenialReason::Store(_) => "store_error",
        }
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            DenialReason::UnknownUser => "unknown user",
            DenialReason::WrongPassword => "wrong password",
            DenialReason::NoPassword => "the user has no password",
            DenialReason::PasswordTooLong => "the password is too long",
            DenialReason::BadHash => "the stored password hash cannot be used",
            DenialReason::UnknownToken => "unknown token",
            DenialReason::TokenExpired => "the token has expired",
            DenialReason::UnknownKey => "unknown key",
            DenialReason::KeyNotPermitted(KeyRestriction::Address) => {
                "the key may not be used from this address, which its from= does not have"
            }
            DenialReason::KeyNotPermitted(KeyRestriction::Expired) => {
                "the key has expired: its expiry-time= has passed"
            }
            DenialReason::KeyNotPermitted(KeyRestriction::NotTouched) => {
                "the security key was not touched: only no-touch-required would allow that"
            }
            DenialReason::KeyNotPermitted(KeyRestriction::NotVerified) => {
                "the key has not verified its owner, as verify-required demands"
            }
            DenialReason::Revoked(entry) => return write!(f, "{entry}"),
            DenialReason::Certificate(why) => return write!(f, "{why}"),
            DenialReason::Disabled => "the user is disabled",
            DenialReason::Expired => "the user has expired",
            DenialReason::AddressNotAllowed => "the user may not come from this address",
            DenialReason::MethodOff => "the method is switched off",
            DenialReason::FactorNotAccepted => "the user must sign in another way",
            DenialReason::WrongCode => "wrong code",
            DenialReason::CodeUsed => "the code was used before",
            DenialReason::NoTotp => {
                "a one-time code is required, and the user has none: homeportd user totp enroll NAME"
            }
            DenialReason::Throttled => "too many failures before",
            DenialReason::QueueFull => "too many passwords are waiting to be verified",
            DenialReason::HungUp => "the connection ended before the attempt was checked",
            DenialReason::NotVerified => {
                "the password could not be verified: not enough memory, or no thread"
            }
            DenialReason::ExternalRefused => "the outside source of users refuses the name or the proof",
            DenialReason::ExternalOff => {
                "the user is known from an outside source, which does not judge this proof: see [auth.external]"
            }
            DenialReason::SecretsKey(error) | DenialReason::Store(error) | DenialReason::External(error) => {
                return write!(f, "{error}");
            }
        };
        f.write_str(text)
    }
}
