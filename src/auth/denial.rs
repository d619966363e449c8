//! Why an attempt to sign in was refused. The reasons are for the log: a peer never learns which one it was.

use std::collections::BTreeSet;
use std::fmt;

use tokio::time::Instant;

use super::keys::{KeyDenial, KeyRestriction};
use super::proofs::Proofs;
use crate::domain::user::Factor;
use base::error::Error;

/// What comes of an attempt that did not complete a sign-in.
#[derive(Debug)]
pub enum Denial {
    /// A factor was right, and more are required. The peer may be told (RFC 4252, partial success).
    Partial {
        /// What was proven by now; the next [`super::Attempt`] of this connection for this very name brings them.
        passed: Proofs,
        /// The factors that are still required.
        remaining: BTreeSet<Factor>,
    },
    /// Refused. The peer hears only that, and may try again by whatever methods are on.
    Failed {
        /// The reason, for the log.
        reason: DenialReason,
        /// The caller must not answer before this, whatever it was: see [`super::throttle`].
        answer_at: Instant,
    },
}

/// Why an attempt was refused. The reason is for the log only.
#[derive(Debug)]
pub enum DenialReason {
    /// There is no such user, or the name is one that no user can have.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The user has no password, and signs in by key only.
    NoPassword,
    /// The password is longer than any that can be set.
    PasswordTooLong,
    /// The stored hash cannot be verified; the operator must set the password anew.
    BadHash,
    /// The key is none of the user's.
    UnknownKey,
    /// The key is one of the user's, but may not be used from this address or not any more.
    KeyNotPermitted(KeyRestriction),
    /// The user is disabled.
    Disabled,
    /// The user has expired.
    Expired,
    /// The user may not come from this address.
    AddressNotAllowed,
    /// The method is switched off.
    MethodOff,
    /// The user must sign in by another factor.
    FactorNotAccepted,
    /// Too many failures before; the password was not looked at.
    Throttled,
    /// Too many passwords waited to be verified; this one was not looked at.
    QueueFull,
    /// The peer was gone before the attempt was judged.
    HungUp,
    /// The password could not be verified, for want of memory or threads.
    NotVerified,
    /// The store could not answer.
    Store(Error),
}

impl From<KeyDenial> for DenialReason {
    fn from(denial: KeyDenial) -> Self {
        match denial {
            KeyDenial::Unknown => DenialReason::UnknownKey,
            KeyDenial::NotPermitted(why) => DenialReason::KeyNotPermitted(why),
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
            DenialReason::UnknownKey => "unknown key",
            DenialReason::KeyNotPermitted(KeyRestriction::Address) => {
                "the key may not be used from this address, which its from= does not have"
            }
            DenialReason::KeyNotPermitted(KeyRestriction::Expired) => {
                "the key has expired: its expiry-time= has passed"
            }
            DenialReason::Disabled => "the user is disabled",
            DenialReason::Expired => "the user has expired",
            DenialReason::AddressNotAllowed => "the user may not come from this address",
            DenialReason::MethodOff => "the method is switched off",
            DenialReason::FactorNotAccepted => "the user must sign in another way",
            DenialReason::Throttled => "too many failures before",
            DenialReason::QueueFull => "too many passwords are waiting to be verified",
            DenialReason::HungUp => "the connection ended before the attempt was looked at",
            DenialReason::NotVerified => {
                "the password could not be verified: not enough memory, or no thread"
            }
            DenialReason::Store(error) => return write!(f, "{error}"),
        };
        f.write_str(text)
    }
}
