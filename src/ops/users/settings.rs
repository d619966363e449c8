//! Changes of the settings of users and groups.

use std::collections::BTreeSet;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::domain::folder::CreationChoice;
use crate::domain::group::GroupName;
use crate::domain::permission::change::{FoldersChange, RulesChange};
use crate::domain::rate::RateRule;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Factor, Limit, SessionLimit, User};
use crate::ops::installation::Installation;
use crate::storage::creation::CreationRules;
use crate::store::{Store, no_such_folder};
use base::error::Result;

/// The change of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettingChange<T> {
    /// The setting stays as it is.
    #[default]
    Keep,
    /// The setting is unset: it is inherited, or has its default value.
    Unset,
    /// The setting gets this value.
    To(T),
}

impl<T: Clone> SettingChange<T> {
    pub(in crate::ops) fn apply(&self, field: &mut T)
    where
        T: Default,
    {
        match self {
            SettingChange::Keep => {}
            SettingChange::Unset => *field = T::default(),
            SettingChange::To(value) => field.clone_from(value),
        }
    }

    /// Sets a field that may be unset.
    pub(in crate::ops) fn apply_to_set(&self, field: &mut Option<T>) {
        match self {
            SettingChange::Keep => {}
            SettingChange::Unset => *field = None,
            SettingChange::To(value) => *field = Some(value.clone()),
        }
    }
}

impl<T> From<Option<T>> for SettingChange<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(SettingChange::Keep, SettingChange::To)
    }
}

/// The changes of the modes and the group of what is created in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreationChanges {
    /// The mode of new files.
    pub file_mode: SettingChange<u32>,
    /// The mode of new directories.
    pub dir_mode: SettingChange<u32>,
    /// The group of new files and directories: its name or its number.
    pub file_group: SettingChange<String>,
}

impl CreationChanges {
    /// Applies the changes.
    pub fn apply(&self, creation: &mut CreationChoice) {
        self.file_mode.apply_to_set(&mut creation.file_mode);
        self.dir_mode.apply_to_set(&mut creation.dir_mode);
        self.file_group.apply_to_set(&mut creation.file_group);
    }

    /// Checks that there is a group of the system with the new name.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub fn check(&self, installation: &Installation) -> Result<()> {
        match &self.file_group {
            SettingChange::To(group) => check_file_group(installation, group),
            SettingChange::Keep | SettingChange::Unset => Ok(()),
        }
    }
}

/// Checks that there is a group of the system with this name or number.
///
/// # Errors
/// Returns an error if there is none.
pub fn check_file_group(installation: &Installation, group: &str) -> Result<()> {
    let choice = CreationChoice {
        file_group: Some(group.to_owned()),
        ..CreationChoice::default()
    };
    CreationRules::of(&installation.storage)?.with(&choice).map(drop)
}

/// The changes of the settings that users inherit from groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberChanges {
    /// The quota of a home in bytes.
    pub quota_bytes: SettingChange<Limit<u64>>,
    /// The quota of a home in files, directories and links.
    pub quota_files: SettingChange<Limit<u64>>,
    /// The permissions in a home.
    pub permissions: RulesChange,
    /// The most sessions at once.
    pub max_sessions: SettingChange<SessionLimit>,
    /// The rate of a user's uploads.
    pub rate_up: SettingChange<RateRule>,
    /// The rate of a user's downloads.
    pub rate_down: SettingChange<RateRule>,
    /// The networks from which a user may connect; an empty list means any.
    pub allowed_from: SettingChange<Vec<IpNet>>,
    /// The factors that are all required to sign in; an empty set means that one is enough.
    pub require: SettingChange<BTreeSet<Factor>>,
    /// The folders, with the permissions in each.
    pub folders: FoldersChange,
    /// The modes and the group of what is created in a home.
    pub creation: CreationChanges,
}

impl MemberChanges {
    /// Applies the changes.
    ///
    /// # Errors
    /// Returns an error if there would be too many folders, or too many rules in one of them or in the home.
    pub fn apply(&self, settings: &mut MemberSettings) -> Result<()> {
        self.quota_bytes.apply_to_set(&mut settings.quota_bytes);
        self.quota_files.apply_to_set(&mut settings.quota_files);
        if !self.permissions.is_empty() {
            settings.permissions = self.permissions.applied_to(settings.permissions.as_ref())?;
        }
        self.max_sessions.apply_to_set(&mut settings.max_sessions);
        self.rate_up.apply(&mut settings.rates.up);
        self.rate_down.apply(&mut settings.rates.down);
        self.allowed_from.apply_to_set(&mut settings.allowed_from);
        self.require.apply_to_set(&mut settings.require);
        self.folders.apply(&mut settings.folders)?;
        self.creation.apply(&mut settings.creation);
        Ok(())
    }

    /// Checks that what the changes name exists: folders, and the group of new files.
    ///
    /// # Errors
    /// Returns an error that names the first one that does not exist.
    pub async fn check_references(&self, installation: &Installation, store: &dyn Store) -> Result<()> {
        for name in self.folders.granted() {
            if store.folder(name).await?.is_none() {
                return Err(no_such_folder(name));
            }
        }
        self.creation.check(installation)
    }
}

/// The changes of a user's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingChanges {
    /// The settings that the user inherits from the group where they are unset.
    pub member: MemberChanges,
    /// The user's group; `None` means none.
    pub group: SettingChange<Option<GroupName>>,
    /// A remark for operators.
    pub comment: SettingChange<String>,
    /// The principals besides the user's name that certificates may have.
    pub principals: SettingChange<Vec<String>>,
    /// The time from which the user cannot sign in; `None` means never.
    pub expires_at: SettingChange<Option<Timestamp>>,
    /// Whether the user is an administrator.
    pub is_admin: SettingChange<bool>,
}

impl SettingChanges {
    /// Applies the changes to a user's record.
    ///
    /// # Errors
    /// Returns an error if there would be too many folders or rules.
    pub fn apply(&self, user: &mut User) -> Result<()> {
        self.member.apply(&mut user.settings)?;
        self.group.apply(&mut user.group);
        self.comment.apply(&mut user.comment);
        self.principals.apply(&mut user.principals);
        self.expires_at.apply(&mut user.expires_at);
        self.is_admin.apply(&mut user.is_admin);
        Ok(())
    }
}
