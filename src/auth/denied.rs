//! Why somebody did not get in. The reasons are for the log: a peer never learns which one it was.

use std::collections::BTreeSet;
use std::fmt;

use tokio::time::Instant;

use super::Proofs;
use super::keys::Unpermitted;
use crate::domain::user::Factor;
use base::error::Error;

/// What comes of an attempt that did not complete a sign-in.
#[derive(Debug)]
pub enum Denied {
    /// A factor was right, and more are required. The peer may be told (RFC 4252, partial success).
    Partial {
        /// What was proven by now; the next [`super::Attempt`] of this connection for this very name brings them.
        passed: Proofs,
        /// The factors still required.
        remaining: BTreeSet<Factor>,
    },
    /// Refused. The peer hears only that, and may try again by whatever methods are on.
    Failed {
        /// For the log.
        reason: Reason,
        /// The caller must not answer before this, whatever it was: see [`super::throttle`].
        answer_at: Instant,
    },
}

/// Why an attempt was refused; for the log only.
#[derive(Debug)]
pub enum Reason {
    /// No such user, or a name that none can have.
    UnknownUser,
    /// Not the password.
    WrongPassword,
    /// The user signs in by key only.
    NoPassword,
    /// Longer than any password that can be set.
    PasswordTooLong,
    /// The stored hash cannot be verified; the operator must set the password anew.
    BadHash,
    /// None of the user's keys.
    UnknownKey,
    /// One of the user's keys, but not from this address or not any more.
    KeyNotPermitted(Unpermitted),
    /// The user is disabled.
    Disabled,
    /// The user's time is over.
    Expired,
    /// Not from this address.
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Reason::UnknownUser => "unknown user",
            Reason::WrongPassword => "wrong password",
            Reason::NoPassword => "the user has no password",
            Reason::PasswordTooLong => "the password is too long",
            Reason::BadHash => "the stored password hash cannot be used",
            Reason::UnknownKey => "unknown key",
            Reason::KeyNotPermitted(Unpermitted::Address) => {
                "the key may not be used from this address, which its from= does not have"
            }
            Reason::KeyNotPermitted(Unpermitted::Expired) => {
                "the key has expired: its expiry-time= has passed"
            }
            Reason::Disabled => "the user is disabled",
            Reason::Expired => "the user has expired",
            Reason::AddressNotAllowed => "the user may not come from this address",
            Reason::MethodOff => "the method is switched off",
            Reason::FactorNotAccepted => "the user must sign in another way",
            Reason::Throttled => "too many failures before",
            Reason::QueueFull => "too many passwords are waiting to be verified",
            Reason::HungUp => "the connection ended before the attempt was looked at",
            Reason::NotVerified => "the password could not be verified: not enough memory, or no thread",
            Reason::Store(error) => return write!(f, "{error}"),
        };
        f.write_str(text)
    }
}
