//! A change of a user's record: it is stored first, and then the running server confirms that it is in force.

use std::path::PathBuf;

use crate::domain::event::{AdminAct, AdminRecord};
use crate::domain::user::UserName;
use crate::ops::admin;
use crate::ops::context::{OnWarning, OpsContext};
use crate::ops::running::{Effect, RunningServer, Unanswered, if_running};
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
    is_change: bool,
    record: Option<ChangeRecord>,
}

/// What the audit log is to have about a change.
#[derive(Debug)]
struct ChangeRecord {
    act: AdminAct,
    /// The audit log, if it has a file of its own.
    log: Option<PathBuf>,
    warn: OnWarning,
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
        Self {
            user: user.clone(),
            what,
            is_change,
            record: None,
        }
    }

    /// Has the audit log record the change, if the record was changed.
    #[must_use]
    pub fn recorded_as(self, act: AdminAct, context: &OpsContext<'_>) -> Self {
        let record = ChangeRecord {
            act,
            log: context.installation.audit.clone(),
            warn: context.warn,
        };
        Self {
            record: self.is_change.then_some(record),
            ..self
        }
    }

    /// Waits until the running server, if there is one, has put the change in force. This is necessary even if nothing
    /// was changed, since the server may not have applied an earlier change.
    ///
    /// # Errors
    /// Returns an error if the server does not confirm it.
    pub async fn confirm(self, server: &dyn RunningServer) -> Result<ConfirmedChange> {
        let mut users = vec![self.user.clone()];
        if let UserChange::Renamed { old_name, .. } = &self.what {
            users.push(old_name.clone());
        }
        let record = self.record.as_ref().map(|record| AdminRecord {
            by: server.operator(),
            act: record.act.clone(),
        });
        let answer = server.apply_changes(users, record.clone()).await;
        if let (Err(Unanswered::NotRunning(_)), Some(record), Some(wanted)) = (&answer, record, &self.record)
            && let Err(error) = admin::append(wanted.log.as_deref(), vec![record])
        {
            (wanted.warn)(&error);
        }
        let effect = if_running(answer).map_err(|error| self.unconfirmed(error))?;
        Ok(ConfirmedChange {
            user: self.user,
            what: self.what,
            is_change: self.is_change,
            effect,
        })
    }

    fn unconfirmed(&self, error: Error) -> Error {
        let what = match self.is_change {
            true => "the change is stored, and the server has not confirmed it",
            false => "the store needed no change, and the server has not confirmed it",
        };
        Error::new(what).because(error)
    }
}

impl ConfirmedChange {
    /// Returns whether a call of an ended session, or one that an earlier quota has allowed, still waits for a disk
    /// that hangs.
    pub fn is_busy(&self) -> bool {
        self.effect.is_some_and(|effect| effect.still_busy > 0)
    }
}
