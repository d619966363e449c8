//! A change of a user's record: it is stored first, and then the running server confirms that it is in force.

use std::path::PathBuf;

use crate::domain::event::AdminAct;
use crate::domain::user::{User, UserName, UserSource};
use crate::ops::announcement::Announcement;
use crate::ops::context::OpsContext;
use crate::ops::running::{Effect, RunningServer};
use base::error::{Error, Result};

/// What was done to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// The user was added, and the home exists.
    Added {
        /// The path of the home.
        home: PathBuf,
        /// Whether the home existed already, and may contain files.
        home_existed: bool,
    },
    /// Settings of the user were changed.
    Set {
        /// The home that the user had before, if it has changed; its files stay there.
        left_home: Option<PathBuf>,
    },
    /// The home was moved with its files, for all users who share it.
    Moved {
        /// The path that the home had.
        from: PathBuf,
        /// The path of the home.
        to: PathBuf,
    },
    /// The user was enabled (`true`) or disabled.
    Enabled(bool),
    /// A new password was set.
    PasswordSet,
    /// The user was renamed; the old name is free again.
    Renamed {
        /// The name that the user had before.
        old_name: UserName,
        /// The home, which stays where it is.
        home: PathBuf,
    },
    /// Public keys with these fingerprints were added.
    KeysAdded(Vec<String>),
    /// The public key with this fingerprint was removed.
    KeyRemoved(String),
    /// The user was given a second factor.
    TotpEnrolled,
    /// The user's second factor was taken away.
    TotpReset,
    /// The token with this number was removed.
    TokenRemoved(i64),
    /// The user was removed, with all keys and settings.
    Removed {
        /// The home that the user had.
        home: PathBuf,
        /// Whether the home is deleted with the user.
        home_deleted: bool,
    },
}

/// A change of a user's record that is stored.
#[derive(Debug)]
pub struct StoredChange {
    user: UserName,
    what: UserChange,
    announcement: Announcement,
}

/// A change that is in force.
#[derive(Debug)]
pub struct ConfirmedChange {
    /// The current name of the user whose record was changed.
    pub user: UserName,
    /// The change that was requested.
    pub what: UserChange,
    /// Whether the record has changed; `false` if it already had these values.
    pub is_change: bool,
    /// The effect on the running server; `None` if no server is running.
    pub effect: Option<Effect>,
}

impl StoredChange {
    /// Creates a change of this user's record. `is_change` is `false` if the record already had these values.
    pub fn new(user: &UserName, what: UserChange, is_change: bool) -> Self {
        let mut users = vec![user.clone()];
        if let UserChange::Renamed { old_name, .. } = &what {
            users.push(old_name.clone());
        }
        Self {
            user: user.clone(),
            what,
            announcement: Announcement::new(users, is_change),
        }
    }

    /// Has the audit log record the change, if the record was changed.
    #[must_use]
    pub fn recorded_as(self, act: AdminAct, context: &OpsContext<'_>) -> Self {
        Self {
            announcement: self.announcement.recorded_as(act, context),
            ..self
        }
    }

    /// Waits until the running server, if there is one, has put the change in force; see [`Announcement::confirm`].
    ///
    /// # Errors
    /// Returns an error if the server does not confirm it.
    pub async fn confirm(self, server: &dyn RunningServer) -> Result<ConfirmedChange> {
        Ok(ConfirmedChange {
            user: self.user,
            what: self.what,
            is_change: self.announcement.is_change(),
            effect: self.announcement.confirm(server).await?,
        })
    }
}

impl ConfirmedChange {
    /// Returns whether a call of an ended session, or one that an earlier quota has allowed, still waits for a disk
    /// that hangs.
    pub fn is_busy(&self) -> bool {
        self.effect.is_some_and(|effect| effect.still_busy > 0)
    }
}

/// Refuses what only an outside source decides about its users: their names, passwords and keys.
pub(in crate::ops) fn require_local(user: &User) -> Result<()> {
    match user.source {
        UserSource::Local => Ok(()),
        UserSource::External => Err(Error::new(format!(
            "\"{}\" is a user of the outside source ([auth.external]), which decides about names, passwords and keys",
            user.name
        ))
        .hint("change it there; user remove and user add make a user of this server's own")),
    }
}
