//! A change of a user's record: first it is in the store, then the running server confirms that it is in force.

use std::path::PathBuf;

use crate::domain::user::UserName;
use crate::ops::running::{Effect, RunningServer, if_running};
use base::error::{Error, Result};

/// What was done to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// The user is new.
    Added {
        /// The path of the home.
        home: PathBuf,
        /// Whether the home was there already, with what is in it.
        home_existed: bool,
    },
    /// Settings of the user were changed.
    Set {
        /// The home that the user had before, if it is another one now; its files stay there.
        left_home: Option<PathBuf>,
    },
    /// The user can sign in, or cannot.
    Enabled(bool),
    /// A new password was set.
    PasswordSet,
    /// The user has another name.
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
    /// The user does not exist any more.
    Removed {
        /// The home that the user had.
        home: PathBuf,
        /// Whether the home is deleted with the user.
        home_deleted: bool,
    },
}

/// A change of a user's record that is in the store.
#[derive(Debug)]
pub struct StoredChange {
    user: UserName,
    what: UserChange,
    is_change: bool,
}

/// A change that is in force.
#[derive(Debug)]
pub struct ConfirmedChange {
    /// The user whose record was changed, by the name that they have now.
    pub user: UserName,
    /// What the change was to do.
    pub what: UserChange,
    /// Whether anything was changed; otherwise all was so already.
    pub is_change: bool,
    /// What the change has come to in the running server; `None`: no server is running.
    pub effect: Option<Effect>,
}

impl StoredChange {
    /// A change of this user's record. `is_change` is false where all was so already.
    pub fn new(user: &UserName, what: UserChange, is_change: bool) -> Self {
        Self {
            user: user.clone(),
            what,
            is_change,
        }
    }

    /// Waits until the running server, if there is one, has put the change in force. Also where nothing was changed:
    /// the server may not have heard of an earlier change.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn confirm(self, server: &dyn RunningServer) -> Result<ConfirmedChange> {
        let mut users = vec![self.user.clone()];
        if let UserChange::Renamed { old_name, .. } = &self.what {
            users.push(old_name.clone());
        }
        let effect =
            if_running(server.apply_changes(users).await).map_err(|error| self.unconfirmed(error))?;
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
            false => "nothing was to be changed in the store, and the server has not confirmed it",
        };
        Error::new(what).because(error)
    }
}

impl ConfirmedChange {
    /// Whether a call of an ended session, or one that an earlier quota has allowed, still waits for a disk that hangs.
    pub fn is_busy(&self) -> bool {
        self.effect.is_some_and(|effect| effect.still_busy > 0)
    }
}
