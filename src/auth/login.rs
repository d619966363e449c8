//! What goes into a sign-in and what comes out of it: the attempt, and the login, which is the proof of it. The
//! attempt is judged by [`super::Authenticator`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::address::allowed;
use super::proofs::{Credential, Proofs, Revocation};
use crate::domain::user::{Factor, Permissions, Quota, User, UserName};

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
    /// The name of the user.
    pub fn user(&self) -> &UserName {
        &self.user
    }
    /// The absolute path of the home on disk.
    pub fn home(&self) -> &Path {
        &self.home
    }
    /// The permissions of the user.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }
    /// The quota of the home at the sign-in.
    pub fn quota(&self) -> Quota {
        self.quota
    }
    /// The number of sessions at once that the user's record allows, if it says so.
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

    /// Decides whether a session of this login from `peer` may go on, with the user's record as it is now. Returns
    /// until when, if the record does not change.
    ///
    /// # Errors
    /// What the user has lost.
    pub fn review(
        &self,
        user: Option<&User>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Revocation> {
        let user = user.ok_or(Revocation::User)?;
        if user.incarnation != self.proofs.incarnation {
            return Err(Revocation::Incarnation);
        }
        if !user.enabled {
            return Err(Revocation::Enabled);
        }
        if user.expires_at.is_some_and(|end| now >= end) {
            return Err(Revocation::Time);
        }
        if user.home != self.home {
            return Err(Revocation::Home);
        }
        if let Some(lost) = self.permissions.iter().find(|one| !user.permissions.allows(*one)) {
            return Err(Revocation::Permission(lost));
        }
        if !allowed(&user.allowed_from, peer) {
            return Err(Revocation::Address);
        }
        if !user.require.is_subset(&self.factors) {
            return Err(Revocation::Factors);
        }
        self.proofs.accepted_until(user, peer, now)
    }
}

/// An attempt to sign in.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name as the peer sent it. Nothing has checked it yet.
    pub user: &'a str,
    /// The address that the connection comes from.
    pub peer: IpAddr,
    /// What the peer shows to prove who they are.
    pub credential: Credential<'a>,
    /// What this connection has proven for this very user name before.
    pub passed: Proofs,
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
    Ends(Revocation),
}
