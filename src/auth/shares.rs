//! Visitors of shares: whoever has a share's token, and its password if it has one, acts on behalf of its owner, with what
//! the share opens and no more.
//!
//! The owner's record counts as it is now: the same record, enabled, and not expired. Its `allowed_from` does not count,
//! because it says from where the owner comes, and visitors come from elsewhere; nor do the factors that are required of
//! the owner, who has proven them when the share was made.
//!
//! States of a visit: *asked* (the token is known: [`ShareCheck::find`]), *passed* (there is no password, or it was proven:
//! [`SharePass`]), *signed in* ([`ShareCheck::login`]), *ended* (by [`Login::review`], as sessions of users).

pub(super) mod access;

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::access::SharedAccess;
use super::address::Source;
use super::denial::{Denial, DenialReason};
use super::login::Login;
use super::pacing::{Applicant, Pacing};
use super::password::{MAX_PASSWORD, Verdict};
use super::secret_hash::hash_of;
use super::throttle::DebtTable;
use crate::domain::path::VirtualPath;
use crate::domain::share::{SharePurpose, ShareScope};
use crate::domain::user::{Factor, PasswordHash};
use crate::store::Store;
use crate::store::web::ShareRecord;
use base::secret::Secret;

/// The number of wrong passwords for one share after which none is examined until some are forgiven, as for one user.
const WRONG_PASSWORDS: u32 = 60;
/// The time in which one wrong password for a share is forgiven, in seconds.
const FORGIVEN_AFTER_SECS: u32 = 2;

/// Counts the wrong passwords for each share.
#[derive(Debug)]
pub(super) struct ShareThrottle(Mutex<DebtTable<i64>>);

impl Default for ShareThrottle {
    fn default() -> Self {
        Self(Mutex::new(DebtTable::new(WRONG_PASSWORDS, FORGIVEN_AFTER_SECS)))
    }
}

impl ShareThrottle {
    /// Whether there were too many wrong passwords for this share.
    fn is_full(&self, share: i64) -> bool {
        self.0.lock().full(&share, std::time::Instant::now())
    }

    /// Counts a wrong password.
    fn count(&self, share: i64) {
        self.0.lock().add(share, std::time::Instant::now());
    }
}

/// The proof that a visitor may enter a share: it has no password, or the visitor has given it. Only this module makes one.
#[derive(Debug, Clone)]
pub struct SharePass {
    id: i64,
    password: Option<PasswordHash>,
}

/// Decides who may enter shares: see [`super::Authenticator::shares`].
pub struct ShareCheck<'a> {
    store: &'a dyn Store,
    pacing: &'a Pacing,
    throttle: &'a ShareThrottle,
}

impl<'a> ShareCheck<'a> {
    /// Creates the check for the shares of a store.
    pub(super) fn new(store: &'a dyn Store, pacing: &'a Pacing, throttle: &'a ShareThrottle) -> Self {
        Self {
            store,
            pacing,
            throttle,
        }
    }

    /// Finds the share with this token. An unknown one counts as a failure of the address.
    ///
    /// # Errors
    /// Returns an error if there is none, with the moment at which that is answered, or if the store cannot answer.
    pub async fn find(&self, token: &Secret, peer: IpAddr) -> Result<ShareRecord, Denial> {
        let start = Instant::now();
        let hash = hash_of(token.bytes());
        let reason = match self.store.share_by_hash(&hash).await {
            Ok(Some(share)) => return Ok(share),
            Ok(None) => DenialReason::UnknownShare,
            Err(error) => DenialReason::Store(error),
        };
        let delay = self.pacing.count(Source::from(peer), None, &reason);
        Err(Denial::Failed {
            reason,
            answer_at: start + delay,
        })
    }

    /// Lets a visitor pass who has given the right password, or whom none is asked for. A wrong one counts for the address
    /// and for the share.
    ///
    /// # Errors
    /// Returns why the visitor may not enter, with the moment at which that is answered.
    pub async fn pass(
        &self,
        share: &ShareRecord,
        password: Option<&Secret>,
        peer: IpAddr,
    ) -> Result<SharePass, Denial> {
        let start = Instant::now();
        let at_once = |reason| Denial::Failed {
            reason,
            answer_at: start,
        };
        if share.expires_at.is_some_and(|end| Timestamp::now() >= end) {
            return Err(at_once(DenialReason::ShareExpired));
        }
        match (&share.password_hash, password) {
            (None, _) => {}
            // Nothing was tried, so nothing is counted.
            (Some(_), None) => return Err(at_once(DenialReason::WrongPassword)),
            (Some(_), Some(password)) => self.verify(share, password, peer, start).await?,
        }
        Ok(SharePass {
            id: share.id,
            password: share.password_hash.clone(),
        })
    }

    /// Signs a visitor in on behalf of the share's owner.
    ///
    /// # Errors
    /// Returns an error if the share is not what the pass was given for, or if its owner may not sign in now.
    pub async fn login(&self, share: &ShareRecord, pass: &SharePass) -> Result<Login, Denial> {
        let refused = |reason| Denial::Failed {
            reason,
            answer_at: Instant::now(),
        };
        let now = Timestamp::now();
        if pass.id != share.id || pass.password != share.password_hash {
            return Err(refused(DenialReason::WrongPassword));
        }
        if share.expires_at.is_some_and(|end| now >= end) {
            return Err(refused(DenialReason::ShareExpired));
        }
        let owner = self.store.user(&share.user).await;
        let owner = owner.map_err(|error| refused(DenialReason::Store(error)))?;
        let owner = owner
            .filter(|owner| owner.incarnation == share.incarnation)
            .ok_or_else(|| refused(DenialReason::UnknownUser))?;
        if !owner.enabled {
            return Err(refused(DenialReason::Disabled));
        }
        if owner.expires_at.is_some_and(|end| now >= end) {
            return Err(refused(DenialReason::Expired));
        }
        let scope = scope_of(share).map_err(|error| refused(DenialReason::Store(error)))?;
        Ok(Login::of_visitor(
            owner,
            SharedAccess {
                id: share.id,
                scope,
                expires_at: share.expires_at,
            },
        ))
    }

    /// Verifies the password of a share, at the pace of all sign-ins.
    async fn verify(
        &self,
        share: &ShareRecord,
        password: &Secret,
        peer: IpAddr,
        start: Instant,
    ) -> Result<(), Denial> {
        let failed = |delay: Duration, reason| Denial::Failed {
            reason,
            answer_at: start + delay,
        };
        let source = Source::from(peer);
        // The length is not secret, and a long password must not use memory in the queue.
        if password.bytes().len() > MAX_PASSWORD {
            let reason = DenialReason::PasswordTooLong;
            return Err(failed(self.pacing.count(source, Some(None), &reason), reason));
        }
        let applicant = Applicant {
            source,
            name: None,
            factor: Factor::Password,
            start,
        };
        let admitted = self
            .pacing
            .admit(applicant, |queued| self.pacing.verifier.acquire(queued))
            .await;
        // The attempt has already waited in `admit`, so its answer is not delayed further.
        let permit = admitted.map_err(|reason| failed(Duration::ZERO, reason))?;
        if self.throttle.is_full(share.id) {
            let reason = DenialReason::Throttled;
            return Err(failed(self.pacing.count(source, Some(None), &reason), reason));
        }
        let checking = async {
            let hash = share.password_hash.as_ref();
            match self.pacing.verifier.verify(&permit, password, hash).await {
                Verdict::Right => Ok(()),
                Verdict::Wrong => {
                    self.throttle.count(share.id);
                    Err(DenialReason::WrongPassword)
                }
                Verdict::BadHash => Err(DenialReason::BadHash),
                Verdict::NotVerified => Err(DenialReason::NotVerified),
            }
        };
        // The failure is counted before the permit is released, so that no other attempt runs in between.
        let judged = self.pacing.judged(applicant, checking).await;
        judged.map_err(|(delay, reason)| failed(delay, reason))
    }

    /// Hashes the password of a new share. Returns `None` if memory or threads are missing, or if too many wait.
    pub async fn hash(&self, password: &Secret, peer: IpAddr) -> Option<PasswordHash> {
        let queued = self.pacing.queued(Source::from(peer), None);
        let permit = self.pacing.verifier.acquire(queued).await.ok()?;
        self.pacing.verifier.hash(&permit, password).await
    }
}

/// Returns what a share opens.
///
/// # Errors
/// Returns an error if the record is not one that this version has made.
pub fn scope_of(share: &ShareRecord) -> base::error::Result<ShareScope> {
    let path = VirtualPath::parse(&share.path)
        .map_err(|error| base::error::Error::new("the path of a share cannot be used").because(error))?;
    ShareScope::new(
        &path,
        SharePurpose {
            is_directory: share.is_directory,
            download: share.allows_download,
            upload: share.allows_upload,
        },
    )
}
