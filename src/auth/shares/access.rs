//! What the login of a share's visitor is limited to.

use jiff::Timestamp;

use crate::auth::revocation::Revocation;
use crate::domain::share::ShareScope;
use crate::domain::user::User;

/// What the login of a visitor is limited to.
#[derive(Debug, Clone)]
pub(in crate::auth) struct SharedAccess {
    /// The number of the share.
    pub(in crate::auth) id: i64,
    /// What the share opens.
    pub(in crate::auth) scope: ShareScope,
    /// When the share ends.
    pub(in crate::auth) expires_at: Option<Timestamp>,
}

impl SharedAccess {
    /// Returns when the share or its owner expires.
    pub(in crate::auth) fn ends_at(&self, owner: &User) -> Option<Timestamp> {
        [self.expires_at, owner.expires_at].into_iter().flatten().min()
    }

    /// Decides whether a visit may continue, as far as the share says it; the owner's record is reviewed before.
    ///
    /// # Errors
    /// Returns an error if the share has expired.
    pub(in crate::auth) fn review(
        &self,
        owner: &User,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Revocation> {
        match self.expires_at.is_some_and(|end| now >= end) {
            true => Err(Revocation::Share),
            false => Ok(self.ends_at(owner)),
        }
    }
}
