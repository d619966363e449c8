//! The settings of users, groups and folders in words, as the API of the web page takes them: each has the name and the
//! values of the command line's option. What is left out stays as it is.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use super::values::{
    Expiry, Factors, GroupChoice, Networks, OrInherit, Principal, SessionCap, bytes, change, dir_mode,
    file_mode,
};
use crate::domain::folder::FolderName;
use crate::domain::group::GroupName;
use crate::domain::permission::change::{FolderEntry, FoldersChange, RuleEntry, RulesChange};
use crate::domain::rate::RateRule;
use crate::domain::texts;
use crate::domain::user::Limit;
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
mod tests {
    use super::*;

    fn user(json: serde_json::Value) -> Result<SettingChanges> {
        let words: UserWords = serde_json::from_value(json).unwrap();
        words.changes()
    }

    #[test]
    fn words_are_those_of_the_command_line() {
        let changes = user(serde_json::json!({
            "quota": "10GiB", "max_files": "inherit", "permissions": ["list,read", "/in=create"],
            "max_sessions": "3", "rate_up": "unlimited", "allow_from": "10.0.0.0/8", "require": "any",
            "folders": ["team=all"], "no_folders": ["old"], "file_mode": "0640", "group": "none",
            "comment": "a remark", "expires": "never", "principals": ["none"], "admin": true,
        }))
        .unwrap();
        assert_eq!(
            changes.member.quota_bytes,
            SettingChange::To(Limit(Some(10 << 30)))
        );
        assert_eq!(changes.member.quota_files, SettingChange::Unset);
        assert_eq!(changes.member.rate_up, SettingChange::To(RateRule::Unlimited));
        assert_eq!(changes.member.rate_down, SettingChange::Keep);
        assert_eq!(changes.group, SettingChange::To(None));
        assert_eq!(changes.expires_at, SettingChange::To(None));
        assert_eq!(changes.principals, SettingChange::To(Vec::new()));
        assert_eq!(changes.is_admin, SettingChange::To(true));
        assert_eq!(user(serde_json::json!({})).unwrap(), SettingChanges::default());
    }

    #[test]
    fn an_error_names_the_setting() {
        let check = |json: serde_json::Value, expected: &str| {
            let error = user(json).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(serde_json::json!({"quota": "much"}), "quota: \"much\" is not");
        check(serde_json::json!({"expires": "tomorrow"}), "expires: ");
        check(serde_json::json!({"file_mode": "9"}), "file_mode: ");
        check(serde_json::json!({"permissions": ["fly"]}), "permissions: ");
        let unknown = serde_json::from_value::<UserWords>(serde_json::json!({"qouta": "1"}));
        assert!(unknown.unwrap_err().to_string().contains("qouta"));
    }

    #[test]
    fn groups_have_no_settings_of_single_users() {
        let words = |json| serde_json::from_value::<UserWords>(json).unwrap();
        let changes = words(serde_json::json!({"comment": "x", "quota": "1G"})).group_changes(None);
        assert_eq!(changes.unwrap().comment, SettingChange::To("x".to_owned()));
        let refused = words(serde_json::json!({"expires": "never"})).group_changes(None);
        assert!(refused.is_err());
    }
}
