//! The settings of users, groups and folders in words, as the API of the web page takes them: each has the name and the
//! values of the command line's option. What is left out stays as it is.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use super::values::{
    Expiry, Factors, GroupChoice, Networks, OrInherit, Principal, SessionCap, bytes, change, dir_mode,
    exact_size, file_mode,
};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::GroupName;
use crate::domain::permission::change::{FolderEntry, FoldersChange, RuleEntry, RulesChange};
use crate::domain::permission::{PermissionRules, Permissions, RulePath};
use crate::domain::rate::RateRule;
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::domain::user::{Limit, SessionLimit};
use crate::ops::folders::FolderChanges;
use crate::ops::groups::GroupChanges;
use crate::ops::users::settings::{CreationChanges, MemberChanges, SettingChange, SettingChanges};
use base::error::{Error, Result};
use base::size::Size;

/// The settings of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the options of `homeportd user set` say what they are"
)]
pub struct UserWords {
    pub quota: Option<String>,
    pub max_files: Option<String>,
    pub permissions: Option<Vec<String>>,
    pub max_sessions: Option<String>,
    pub rate_up: Option<String>,
    pub rate_down: Option<String>,
    pub allow_from: Option<String>,
    pub require: Option<String>,
    pub folders: Option<Vec<String>>,
    pub no_folders: Option<Vec<String>>,
    pub file_mode: Option<String>,
    pub dir_mode: Option<String>,
    pub file_group: Option<String>,
    pub group: Option<String>,
    pub comment: Option<String>,
    pub expires: Option<String>,
    pub principals: Option<Vec<String>>,
    /// Whether the user is an administrator.
    pub admin: Option<bool>,
}

/// The settings of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the options of `homeportd folder set` say what they are"
)]
pub struct FolderWords {
    pub quota: Option<String>,
    pub max_files: Option<String>,
    pub comment: Option<String>,
    pub file_mode: Option<String>,
    pub dir_mode: Option<String>,
    pub file_group: Option<String>,
}

/// Parses the value of one setting; an error names the setting.
fn word<T: FromStr>(name: &str, text: Option<String>) -> Result<Option<T>>
where
    T::Err: Display,
{
    let parsed = text.map(|text| text.trim().parse::<T>());
    parsed
        .transpose()
        .map_err(|error| Error::new(format!("{name}: {error}")))
}

/// Parses the values of a list.
fn words<T: FromStr>(name: &str, texts: Option<Vec<String>>) -> Result<Vec<T>>
where
    T::Err: Display,
{
    let texts = texts.unwrap_or_default().into_iter();
    let parsed = texts.map(|text| word(name, Some(text)));
    Ok(parsed
        .collect::<Result<Vec<Option<T>>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// Checks the value of a setting by a function of its own.
fn checked<T, E: Display>(
    name: &str,
    text: Option<String>,
    check: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<Option<T>> {
    let checked = text.map(|text| check(text.trim()));
    checked
        .transpose()
        .map_err(|error| Error::new(format!("{name}: {error}")))
}

fn quota(text: Option<String>) -> Result<SettingChange<Limit<u64>>> {
    Ok(change(word::<OrInherit<Limit<Size>>>("quota", text)?, bytes))
}

fn max_files(text: Option<String>) -> Result<SettingChange<Limit<u64>>> {
    Ok(change(
        word::<OrInherit<Limit<u64>>>("max_files", text)?,
        |limit| limit,
    ))
}

fn comment(text: Option<String>) -> Result<SettingChange<String>> {
    Ok(checked("comment", text, texts::comment)?.into())
}

fn creation(file: Option<String>, dir: Option<String>, group: Option<String>) -> Result<CreationChanges> {
    Ok(CreationChanges {
        file_mode: change(checked("file_mode", file, file_mode)?, |mode| mode),
        dir_mode: change(checked("dir_mode", dir, dir_mode)?, |mode| mode),
        file_group: change(word::<OrInherit<String>>("file_group", group)?, |group| group),
    })
}

fn unlimited() -> String {
    "unlimited".to_owned()
}

fn mode_word(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Joins values by commas; no values are `any`.
fn joined(values: impl Iterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    match values.is_empty() {
        true => "any".to_owned(),
        false => values.join(","),
    }
}

/// Returns an entry for the whole tree, if there is one, and one for each directory.
fn rule_words(rules: &PermissionRules) -> Vec<String> {
    let word = |(path, set): (&RulePath, &Permissions)| match *path == RulePath::root() {
        true => set.to_string(),
        false => format!("{path}={set}"),
    };
    rules.iter().map(word).collect()
}

fn folder_words(name: &FolderName, rules: &PermissionRules) -> Vec<String> {
    let word = |(path, set): (&RulePath, &Permissions)| match *path == RulePath::root() {
        true => format!("{name}={set}"),
        false => format!("{name}{path}={set}"),
    };
    rules.iter().map(word).collect()
}

impl UserWords {
    /// Returns the changes of a user's settings.
    ///
    /// # Errors
    /// Returns an error that names the first setting whose value cannot be used.
    pub fn changes(self) -> Result<SettingChanges> {
        let (own, member) = self.split();
        let principals = match own.principals {
            None => SettingChange::Keep,
            Some(names) => {
                let names: Vec<Principal> = words("principals", Some(names))?;
                SettingChange::To(names.into_iter().filter_map(|Principal(name)| name).collect())
            }
        };
        Ok(SettingChanges {
            member: member.member_changes()?,
            group: word("group", own.group)?.map(|GroupChoice(group)| group).into(),
            comment: comment(own.comment)?,
            principals,
            expires_at: word("expires", own.expires)?.map(|Expiry(at)| at).into(),
            is_admin: own.admin.into(),
        })
    }

    /// Returns the words that set what these settings say. What they leave open has none.
    pub fn of_member(settings: &MemberSettings) -> Self {
        let size = |Limit(bytes): Limit<u64>| bytes.map_or_else(unlimited, exact_size);
        let number = |Limit(number): Limit<u64>| number.map_or_else(unlimited, |number| number.to_string());
        let sessions = |limit: SessionLimit| match limit.number() {
            None => SessionLimit::USUAL.to_owned(),
            Some(number) => number.to_string(),
        };
        let rate = |rule: RateRule| match rule {
            RateRule::Inherited => None,
            RateRule::Usual => Some(RateRule::USUAL.to_owned()),
            RateRule::Unlimited => Some(unlimited()),
            RateRule::Limited(bytes) => Some(exact_size(bytes)),
        };
        let networks = settings.allowed_from.as_ref();
        let factors = settings.require.as_ref();
        let folders = settings.folders.iter();
        let folders: Vec<String> = folders
            .flat_map(|(name, rules)| folder_words(name, rules))
            .collect();
        Self {
            quota: settings.quota_bytes.map(size),
            max_files: settings.quota_files.map(number),
            permissions: settings.permissions.as_ref().map(rule_words),
            max_sessions: settings.max_sessions.map(sessions),
            rate_up: rate(settings.rates.up),
            rate_down: rate(settings.rates.down),
            allow_from: networks.map(|networks| joined(networks.iter())),
            require: factors.map(|factors| joined(factors.iter().map(|factor| factor.name()))),
            folders: Some(folders).filter(|folders| !folders.is_empty()),
            file_mode: settings.creation.file_mode.map(mode_word),
            dir_mode: settings.creation.dir_mode.map(mode_word),
            file_group: settings.creation.file_group.clone(),
            ..Self::default()
        }
    }

    /// Returns the changes of a group, which has no settings of single users.
    ///
    /// # Errors
    /// Returns an error that names the first setting whose value cannot be used.
    pub fn group_changes(self, name: Option<GroupName>) -> Result<GroupChanges> {
        let (own, member) = self.split();
        let comment = comment(own.comment.clone())?;
        let only_comment = Self {
            comment: own.comment.clone(),
            ..Self::default()
        };
        if own != only_comment {
            return Err(Error::new(
                "group, expires, principals and admin are settings of users, not of groups",
            ));
        }
        Ok(GroupChanges {
            name,
            comment,
            member: member.member_changes()?,
        })
    }

    /// Divides the settings into those that a user alone has, and those that groups have, too.
    fn split(self) -> (Self, Self) {
        let own = Self {
            group: self.group.clone(),
            comment: self.comment.clone(),
            expires: self.expires.clone(),
            principals: self.principals.clone(),
            admin: self.admin,
            ..Self::default()
        };
        (own, self)
    }

    fn member_changes(self) -> Result<MemberChanges> {
        let cap = |SessionCap(cap)| cap.map_or(SettingChange::Unset, SettingChange::To);
        let rules: Vec<RuleEntry> = words("permissions", self.permissions)?;
        let folders: Vec<FolderEntry> = words("folders", self.folders)?;
        let no_folders: Vec<FolderName> = words("no_folders", self.no_folders)?;
        let rate = |name, text| Ok::<_, Error>(change(word::<OrInherit<RateRule>>(name, text)?, |rate| rate));
        Ok(MemberChanges {
            quota_bytes: quota(self.quota)?,
            quota_files: max_files(self.max_files)?,
            permissions: RulesChange::new(rules)?,
            max_sessions: word("max_sessions", self.max_sessions)?.map_or(SettingChange::Keep, cap),
            rate_up: rate("rate_up", self.rate_up)?,
            rate_down: rate("rate_down", self.rate_down)?,
            allowed_from: change(
                word::<OrInherit<Networks>>("allow_from", self.allow_from)?,
                |Networks(networks)| networks,
            ),
            require: change(
                word::<OrInherit<Factors>>("require", self.require)?,
                |Factors(factors)| factors,
            ),
            folders: FoldersChange::new(folders, no_folders)?,
            creation: creation(self.file_mode, self.dir_mode, self.file_group)?,
        })
    }
}

impl FolderWords {
    /// Returns the words that set what a folder has.
    pub fn of(folder: &Folder) -> Self {
        Self {
            quota: Some(folder.quota.bytes.map_or_else(unlimited, exact_size)),
            max_files: Some(
                folder
                    .quota
                    .files
                    .map_or_else(unlimited, |number| number.to_string()),
            ),
            comment: Some(folder.comment.clone()),
            file_mode: folder.creation.file_mode.map(mode_word),
            dir_mode: folder.creation.dir_mode.map(mode_word),
            file_group: folder.creation.file_group.clone(),
        }
    }

    /// Returns the changes of a folder.
    ///
    /// # Errors
    /// Returns an error that names the first setting whose value cannot be used.
    pub fn changes(self, name: Option<FolderName>) -> Result<FolderChanges> {
        Ok(FolderChanges {
            name,
            path: None,
            comment: comment(self.comment)?,
            quota_bytes: quota(self.quota)?,
            quota_files: max_files(self.max_files)?,
            creation: creation(self.file_mode, self.dir_mode, self.file_group)?,
        })
    }
}

#[cfg(test)]
mod tests;
