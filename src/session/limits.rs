//! How many sessions there may be at once: of one user, and of the visitors of shares, who never use up the sessions of
//! the share's owner.

use super::budget::Exhausted;
use super::rate::Rates;
use crate::auth::Login;
use crate::domain::user::UserName;

/// The most sessions of the visitors of one share. A visitor has one for each address.
pub const VISITORS_OF_SHARE: usize = 20;

/// The most sessions of the visitors of all shares.
pub const VISITORS_OF_ALL_SHARES: usize = 200;

/// Why a sign-in that was accepted did not become a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// The user has as many sessions as are allowed.
    #[error("too many sessions of this user (the limit is {limit})")]
    TooMany {
        /// The number of sessions that are allowed.
        limit: usize,
    },
    /// The share, or all shares together, have as many visitors as are allowed.
    #[error("too many visitors at once (the limit is {limit})")]
    TooManyVisitors {
        /// The number of sessions that are allowed.
        limit: usize,
    },
    /// The user, or all users together, have as many open files as are allowed.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

impl NotRegistered {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(self) -> &'static str {
        match self {
            NotRegistered::TooMany { .. } => "too_many_sessions",
            NotRegistered::TooManyVisitors { .. } => "too_many_visitors",
            NotRegistered::Exhausted(_) => "too_many_open_files",
        }
    }
}

/// Returns how many sessions a user may have at once: the limit of the record, or `usual` if it has none.
pub fn session_limit(of_record: Option<u32>, usual: usize) -> usize {
    of_record.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What one user may have, unless the user's record says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// The number of sessions at once.
    pub sessions: usize,
    /// The rates of all sessions together.
    pub rates: Rates,
}

/// Sessions that share their limits and their budget: those of one user, or those of the visitors of one share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionClass<'a> {
    user: &'a UserName,
    share: Option<i64>,
}

impl<'a> SessionClass<'a> {
    /// Returns the class of a login's sessions.
    pub(super) fn of(login: &'a Login) -> Self {
        Self {
            user: login.user(),
            share: login.share(),
        }
    }

    /// Returns the class of the sessions of a user who has signed in.
    pub(super) fn of_user(user: &'a UserName) -> Self {
        Self { user, share: None }
    }

    /// Whether a login's sessions belong to the class.
    pub(super) fn has(self, login: &Login) -> bool {
        SessionClass::of(login) == self
    }

    /// Checks that there may be another session beside those of the logins `open`. `of_record` is the limit of the user's record, and `usual` that of users
    /// whose records have none.
    ///
    /// # Errors
    /// Returns the limit that is reached.
    pub(super) fn check<'s>(
        self,
        open: impl Iterator<Item = &'s Login>,
        of_record: Option<u32>,
        usual: usize,
    ) -> Result<(), NotRegistered> {
        let (mut of_class, mut visitors) = (0_usize, 0_usize);
        for login in open {
            of_class = of_class.saturating_add(usize::from(self.has(login)));
            visitors = visitors.saturating_add(usize::from(login.share().is_some()));
        }
        if self.share.is_none() {
            let limit = session_limit(of_record, usual);
            return match of_class >= limit {
                true => Err(NotRegistered::TooMany { limit }),
                false => Ok(()),
            };
        }
        for (number, limit) in [(of_class, VISITORS_OF_SHARE), (visitors, VISITORS_OF_ALL_SHARES)] {
            if number >= limit {
                return Err(NotRegistered::TooManyVisitors { limit });
            }
        }
        Ok(())
    }
}
