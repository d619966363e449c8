//! The input and the result of a sign-in: the attempt, and the login, which proves that the user has signed in.
//! [`super::Authenticator`] judges the attempt.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::address::allowed;
use super::certificates::Circumstances;
use super::denial::DenialReason;
use super::proofs::{Credential, Proofs};
use super::revocation::Revocation;
use super::settings::AuthSettings;
use super::shares::access::SharedAccess;
use super::trust::KeyTrust;
use crate::domain::event::CertificateIdentity;
use crate::domain::folder::{CreationChoice, Folder};
use crate::domain::rate::RateRules;
use crate::domain::share::SharedTrees;
use crate::domain::user::{Factor, PermissionRules, Quota, User, UserName, UserSource};

/// A user who has signed in. Only this module creates a login, and the storage cannot be reached without one.
#[derive(Debug, Clone)]
pub struct Login {
    user: UserName,
    source: UserSource,
    home: PathBuf,
    permissions: PermissionRules,
    /// The folders that the user sees, with the permissions in each.
    folders: Vec<(Folder, PermissionRules)>,
    /// The modes and the group of what is created in the home, where they differ from the server's.
    creation: CreationChoice,
    quota: Quota,
    max_sessions: Option<u32>,
    rates: RateRules,
    factors: BTreeSet<Factor>,
    is_admin: bool,
    /// The proofs of the sign-in. They are kept so that a changed record ends the sessions that lose something by it.
    proofs: Proofs,
    until: Option<Timestamp>,
    /// What the login is limited to, if it is that of a share's visitor.
    share: Option<SharedAccess>,
}

impl Login {
    /// Creates the login of a user who has proven everything that the record requires.
    pub(super) fn new(user: User, proofs: Proofs, until: Option<Timestamp>) -> Self {
        Self {
            permissions: user.permissions(),
            folders: user.folders(),
            creation: user.creation(),
            quota: user.quota(),
            max_sessions: user.max_sessions(),
            rates: user.rates(),
            source: user.source,
            user: user.name,
            home: user.home,
            factors: proofs.factors(),
            is_admin: user.is_admin,
            proofs,
            until,
            share: None,
        }
    }

    /// Creates the login of a visitor of a share: on behalf of its owner, with what the share opens of the owner's files.
    pub(super) fn of_visitor(user: User, share: SharedAccess) -> Self {
        let trees = share.scope.restrict(&user.permissions(), &user.folders());
        let until = share.ends_at(&user);
        let proofs = Proofs::repeated(&user, &BTreeSet::new());
        Self {
            permissions: trees.home,
            folders: trees.folders,
            share: Some(share),
            ..Self::new(user, proofs, until)
        }
    }

    /// Returns the number of the share, if this is the login of a visitor.
    pub fn share(&self) -> Option<i64> {
        self.share.as_ref().map(|share| share.id)
    }

    /// Returns the name of the user.
    pub fn user(&self) -> &UserName {
        &self.user
    }
    /// Returns the incarnation of the user's record: another user who gets the same name later has another one.
    pub fn incarnation(&self) -> i64 {
        self.proofs.incarnation
    }
    /// Returns where the record of the user comes from.
    pub fn source(&self) -> UserSource {
        self.source
    }
    /// Returns the absolute path of the home on disk.
    pub fn home(&self) -> &Path {
        &self.home
    }
    /// Returns the permissions of the user in the home, by directory.
    pub fn permissions(&self) -> &PermissionRules {
        &self.permissions
    }
    /// Returns the folders of the user, with the permissions in each.
    pub fn folders(&self) -> &[(Folder, PermissionRules)] {
        &self.folders
    }
    /// Returns the modes and the group of what the user creates in the home, where they differ from the server's.
    pub fn creation(&self) -> &CreationChoice {
        &self.creation
    }
    /// Returns the quota of the home at the time of the sign-in.
    pub fn quota(&self) -> Quota {
        self.quota
    }
    /// Returns the most sessions that the user may have at once, if the user's record contains a limit.
    pub fn max_sessions(&self) -> Option<u32> {
        self.max_sessions
    }
    /// Returns what the user's record said about rates at the time of the sign-in.
    pub fn rates(&self) -> RateRules {
        self.rates
    }
    /// Returns when the user or the key expires, as known at the sign-in. [`super::Authenticator::review`] returns the
    /// current value.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
    /// Returns the factors that were passed, for the log.
    pub fn factors(&self) -> &BTreeSet<Factor> {
        &self.factors
    }

    /// Returns whether the user was an administrator at the sign-in.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Returns the id of the token, if the user has signed in by one.
    pub fn token(&self) -> Option<i64> {
        self.proofs.token()
    }

    /// Returns the proofs, of the sign-in.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Returns how many recovery codes the user had left at the sign-in, if one was used.
    pub fn recovery_codes_left(&self) -> Option<u64> {
        self.proofs.recovery_codes_left()
    }

    /// Returns what the log shows of the certificate, if the user has signed in by one.
    pub fn certificate(&self) -> Option<CertificateIdentity> {
        self.proofs.certificate()
    }

    /// Decides whether a session of this login from `peer` may continue with the user's current record. Returns the
    /// time until which it may, if the record does not change.
    ///
    /// # Errors
    /// Returns what the user has lost since the sign-in.
    pub fn review(
        &self,
        user: Option<&User>,
        peer: IpAddr,
        now: Timestamp,
        trust: &KeyTrust,
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
        let current = match &self.share {
            Some(share) => share.scope.restrict(&user.permissions(), &user.folders()),
            None => SharedTrees {
                home: user.permissions(),
                folders: user.folders(),
            },
        };
        if let Some((_, lost)) = self.permissions.lost_in(&current.home) {
            return Err(Revocation::Permission(lost));
        }
        self.review_folders(&current.folders)?;
        if let Some(share) = &self.share {
            return share.review(user, now);
        }
        if !allowed(user.allowed_from(), peer) {
            return Err(Revocation::Address);
        }
        if !self.proofs.missing(user).is_empty() {
            return Err(Revocation::Factors);
        }
        self.proofs.accepted_until(&Circumstances {
            user,
            peer,
            now,
            trust,
        })
    }

    /// Checks that a session still has its folders, and its permissions in them.
    fn review_folders(&self, now: &[(Folder, PermissionRules)]) -> Result<(), Revocation> {
        for (folder, rules) in &self.folders {
            let Some((current, current_rules)) = now.iter().find(|(current, _)| current.name == folder.name)
            else {
                return Err(Revocation::Folder);
            };
            if current.path != folder.path {
                return Err(Revocation::FolderMoved);
            }
            if let Some((_, lost)) = rules.lost_in(current_rules) {
                return Err(Revocation::FolderPermission(lost));
            }
        }
        Ok(())
    }
}

/// An attempt to sign in, which has not been judged.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The user name as the peer sent it, not yet checked.
    pub user: &'a str,
    /// The address that the connection comes from.
    pub peer: IpAddr,
    /// The credential that the peer presents.
    pub credential: Credential<'a>,
    /// The earlier proofs of this connection for the same user name.
    pub passed: Proofs,
    /// What was read when the key was offered, if no record has changed since.
    pub offered: Option<OfferedKey>,
}

impl Attempt<'_> {
    /// Checks that the user may sign in at all, independently of the proofs.
    pub(super) fn admits(
        &self,
        settings: &AuthSettings,
        user: &User,
        now: Timestamp,
    ) -> Result<(), DenialReason> {
        let factor = self.credential.factor();
        if settings.methods_for(factor).next().is_none() {
            return Err(DenialReason::MethodOff);
        }
        may_sign_in(user, self.peer, now)?;
        let has_code = factor == Factor::Totp && user.totp.is_some();
        if !user.require().is_empty() && !user.require().contains(&factor) && !has_code {
            return Err(DenialReason::FactorNotAccepted);
        }
        Ok(())
    }

    /// Returns the circumstances under which the user's proofs are judged.
    pub(super) fn circumstances<'a>(
        &self,
        user: &'a User,
        now: Timestamp,
        trust: &'a KeyTrust,
    ) -> Circumstances<'a> {
        Circumstances {
            user,
            peer: self.peer,
            now,
            trust,
        }
    }
}

/// Checks that a user may sign in from this address now, whatever is proven and by which method.
pub(super) fn may_sign_in(user: &User, peer: IpAddr, now: Timestamp) -> Result<(), DenialReason> {
    if !user.enabled {
        return Err(DenialReason::Disabled);
    }
    if user.expires_at.is_some_and(|end| now >= end) {
        return Err(DenialReason::Expired);
    }
    match allowed(user.allowed_from(), peer) {
        true => Ok(()),
        false => Err(DenialReason::AddressNotAllowed),
    }
}

/// A key that was offered and would be accepted with a valid signature. With it, the attempt that follows needs no second
/// query of the store; everything else is checked again.
#[derive(Debug, Clone)]
pub struct OfferedKey {
    pub(super) name: UserName,
    /// The key, and its certificate if there is one: [`super::PresentedKey::identity`].
    pub(super) identity: String,
    pub(super) user: User,
}

impl OfferedKey {
    /// Returns the user's record, if it was read for this name and key.
    pub(super) fn record(&self, name: &UserName, identity: &str) -> Option<User> {
        (self.name == *name && self.identity == identity).then(|| self.user.clone())
    }
}

/// The result of a review of a session against its user's current record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// The session may continue with the user's current record.
    Continues {
        /// The time until which the session may continue, if the record does not change.
        until: Option<Timestamp>,
        /// The most sessions that the user may have at once, if the record contains a limit.
        max_sessions: Option<u32>,
        /// What the record says about rates.
        rates: RateRules,
    },
    /// The session must end, because the user has lost something that it needs.
    Ends(Revocation),
}

impl Review {
    /// Returns the result for the user's current record, if there is one.
    pub(super) fn of(user: Option<&User>, reviewed: Result<Option<Timestamp>, Revocation>) -> Self {
        match reviewed {
            Ok(until) => Self::Continues {
                until,
                max_sessions: user.and_then(User::max_sessions),
                rates: user.map(User::rates).unwrap_or_default(),
            },
            Err(lost) => Self::Ends(lost),
        }
    }
}
