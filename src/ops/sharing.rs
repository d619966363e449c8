//! Changes of what users share, groups and folders: stored first, and then in force in the running server.

use std::path::PathBuf;

use super::announcement::Announcement;
use super::context::OpsContext;
use super::running::Effect;
use crate::domain::event::AdminAct;
use crate::domain::user::UserName;
use base::error::Result;

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedThing {
    /// The group with this name.
    Group(String),
    /// The folder with this name.
    Folder(String),
}

impl SharedThing {
    /// Returns the word for what it is, which is stable.
    pub fn kind(&self) -> &'static str {
        match self {
            SharedThing::Group(_) => "group",
            SharedThing::Folder(_) => "folder",
        }
    }

    /// Returns the name, after the change.
    pub fn name(&self) -> &str {
        match self {
            SharedThing::Group(name) | SharedThing::Folder(name) => name,
        }
    }
}

/// What was done to a group or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedChange {
    /// A group was added.
    Added,
    /// A folder was added, and its directory exists.
    FolderAdded {
        /// The path of the directory.
        path: PathBuf,
        /// Whether the directory existed already, and may contain files.
        existed: bool,
    },
    /// Settings were changed.
    Set {
        /// The name before, if it has changed.
        old_name: Option<String>,
        /// The directory before, if it has changed; its files stay there.
        left: Option<PathBuf>,
    },
    /// It was removed.
    Removed {
        /// The directory of a folder, which stays.
        left: Option<PathBuf>,
    },
}

/// A change of a group or a folder that is in force.
#[derive(Debug)]
pub struct ConfirmedSharing {
    /// What was changed.
    pub thing: SharedThing,
    /// What was done.
    pub what: SharedChange,
    /// Whether anything was changed; `false` if it was so already.
    pub is_change: bool,
    /// The effect on the running server; `None` if no server is running.
    pub effect: Option<Effect>,
}

impl ConfirmedSharing {
    /// Waits until the running server has put a change in force. `users` are those whom it concerns.
    pub(super) async fn of(
        (thing, what): (SharedThing, SharedChange),
        users: Vec<UserName>,
        is_change: bool,
        act: AdminAct,
        context: &OpsContext<'_>,
    ) -> Result<Self> {
        let announcement = Announcement::new(users, is_change).recorded_as(act, context);
        Ok(Self {
            thing,
            what,
            is_change,
            effect: announcement.confirm(context.server).await?,
        })
    }
}
