//! What goes into a sign-in and what comes out of it: the attempt with its credential, and the login.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use russh::keys::PublicKey;

use super::Proofs;
use super::proofs::Lost;
use crate::domain::user::{Factor, Permissions, Quota, UserName};
use base::secret::Secret;

/// A user who has proven who they are. Only this module makes one, and without one there is no storage.
#[derive(Debug, Clone)]
pub struct Login {
    pub(super) user: UserName,
    pub(super) home: PathBuf,
    pub(super) permissions: Permissions,
    pub(super) quota: Quota,
    pub(super) max_sessions: Option<u32>,
    pub(super) factors: BTreeSet<Factor>,
    /// Kept, so that a change of the record ends the sessions that it takes something from.
    pub(super) proofs: Proofs,
    pub(super) until: Option<Timestamp>,
}

impl Login {
    /// The user's name.
    pub fn user(&self) -> &UserName {
        &self.user
    }
    /// Absolute path of the home on disk.
    pub fn home(&self) -> &Path {
        &self.home
    }
    /// What the user may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }
    /// The quota of the home when they signed in.
    pub fn quota(&self) -> Quota {
        self.quota
    }
    /// Sessions at once, if the user's record says so.
    pub fn max_sessions(&self) -> Option<u32> {
        self.max_sessions
    }
    /// When the user or the key expires, as it stood at the sign-in. [`super::Authenticator::review`] knows better.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
    /// The factors that were passed, for the log.
    pub fn factors(&self) -> &BTreeSet<Factor> {
        &self.factors
    }
}

/// One attempt to sign in.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name as the peer sent it, checked by nobody yet.
    pub user: &'a str,
    /// Where the connection comes from.
    pub peer: IpAddr,
    /// What the peer shows.
    pub credential: Credential<'a>,
    /// What this connection has proven for this very user name before.
    pub passed: Proofs,
}

/// What a peer shows to prove who they are.
#[derive(Debug)]
pub enum Credential<'a> {
    /// A password, by the method `password` or `keyboard-interactive`.
    Password(&'a Secret),
    /// A key whose signature the SSH layer has verified.
    VerifiedKey(&'a PublicKey),
}

impl Credential<'_> {
    /// The factor that the credential passes, if it is right.
    pub(super) fn factor(&self) -> Factor {
        match self {
            Credential::Password(_) => Factor::Password,
            Credential::VerifiedKey(_) => Factor::PublicKey,
        }
    }
}

/// What a look at the record of a session's user has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// The session may go on.
    GoesOn {
        /// Until then, if the record does not change.
        until: Option<Timestamp>,
        /// Sessions at once, if the record says so.
        max_sessions: Option<u32>,
    },
    /// The user has lost something that the session has.
    Ends(Lost),
}
