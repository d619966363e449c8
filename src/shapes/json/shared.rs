//! Groups and folders as `--json` prints them, and what users have in common with them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::domain::folder::{CreationChoice, FolderName};
use crate::domain::permission::{PermissionRules, Permissions};
use crate::domain::rate::RateRule;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Limit, SessionLimit, UserName};
use crate::ops::folders::FolderView;
use crate::ops::groups::GroupView;
use crate::ops::sharing::ConfirmedSharing;
use crate::ops::usage::HomeUsage;

/// Permissions: a list of names, or an object of such lists by directory.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum JsonRules {
    /// The same permissions in the whole tree.
    Uniform(Vec<&'static str>),
    /// The permissions of each directory that has a rule.
    ByDirectory(BTreeMap<String, Vec<&'static str>>),
}

impl JsonRules {
    /// Converts rules.
    pub fn new(rules: &PermissionRules) -> Self {
        let names = |set: &Permissions| set.iter().map(|one| one.name()).collect();
        match rules.as_uniform() {
            Some(permissions) => Self::Uniform(names(permissions)),
            None => Self::ByDirectory(
                rules
                    .iter()
                    .map(|(path, set)| (path.to_string(), names(set)))
                    .collect(),
            ),
        }
    }
}

/// The modes and the group of what is created in a tree; `null` is inherited, at last from the server.
#[derive(Debug, Serialize)]
pub struct CreationJson<'a> {
    /// Four octal digits.
    file_mode: Option<String>,
    dir_mode: Option<String>,
    file_group: Option<&'a str>,
}

impl<'a> CreationJson<'a> {
    /// Converts a choice.
    pub fn new(choice: &'a CreationChoice) -> Self {
        let mode = |mode: Option<u32>| mode.map(|mode| format!("{mode:04o}"));
        Self {
            file_mode: mode(choice.file_mode),
            dir_mode: mode(choice.dir_mode),
            file_group: choice.file_group.as_deref(),
        }
    }
}

/// A limit that may be unset: `null`, `"unlimited"`, or a number.
#[derive(Debug)]
struct LimitJson(Option<Limit<u64>>);

impl Serialize for LimitJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_none(),
            Some(Limit(None)) => serializer.serialize_str("unlimited"),
            Some(Limit(Some(number))) => serializer.serialize_u64(number),
        }
    }
}

/// A limit of sessions that may be unset: `null`, `"default"` for the server's, or a number.
#[derive(Debug)]
struct SessionLimitJson(Option<SessionLimit>);

impl Serialize for SessionLimitJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_none(),
            Some(SessionLimit::Usual) => serializer.serialize_str(SessionLimit::USUAL),
            Some(SessionLimit::Limited(number)) => serializer.serialize_u32(number),
        }
    }
}

/// A rate that may be unset: `null`, `"default"` for the server's, or a number; 0 is no limit.
#[derive(Debug)]
struct RateJson(RateRule);

impl Serialize for RateJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RateRule::Usual => serializer.serialize_str(RateRule::USUAL),
            RateRule::Inherited | RateRule::Unlimited | RateRule::Limited(_) => {
                self.0.as_number().serialize(serializer)
            }
        }
    }
}

/// The settings of a user or a group. `null` is unset.
#[derive(Debug, Serialize)]
pub struct MemberJson<'a> {
    quota_bytes: LimitJson,
    quota_files: LimitJson,
    max_sessions: SessionLimitJson,
    permissions: Option<JsonRules>,
    allowed_from: Option<Vec<String>>,
    require: Option<Vec<&'static str>>,
    rate_up: RateJson,
    rate_down: RateJson,
    folders: BTreeMap<&'a str, JsonRules>,
    #[serde(flatten)]
    creation: CreationJson<'a>,
}

impl<'a> MemberJson<'a> {
    /// Converts settings.
    pub fn new(settings: &'a MemberSettings) -> Self {
        let networks = settings.allowed_from.as_ref();
        let factors = settings.require.as_ref();
        Self {
            quota_bytes: LimitJson(settings.quota_bytes),
            quota_files: LimitJson(settings.quota_files),
            max_sessions: SessionLimitJson(settings.max_sessions),
            permissions: settings.permissions.as_ref().map(JsonRules::new),
            allowed_from: networks.map(|networks| networks.iter().map(ToString::to_string).collect()),
            require: factors.map(|factors| factors.iter().map(|factor| factor.name()).collect()),
            rate_up: RateJson(settings.rates.up),
            rate_down: RateJson(settings.rates.down),
            folders: folders(&settings.folders),
            creation: CreationJson::new(&settings.creation),
        }
    }
}

/// Converts folders with the permissions in each.
pub fn folders(folders: &BTreeMap<FolderName, PermissionRules>) -> BTreeMap<&str, JsonRules> {
    let folders = folders.iter();
    folders
        .map(|(name, rules)| (name.as_str(), JsonRules::new(rules)))
        .collect()
}

/// The use and the quota of a user's folder. `null` in a quota is unlimited.
#[derive(Debug, Serialize)]
pub struct FolderUsageJson {
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    usage_exact: bool,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
}

impl From<&HomeUsage> for FolderUsageJson {
    fn from(usage: &HomeUsage) -> Self {
        Self {
            used_bytes: usage.used_bytes,
            used_files: usage.used_files,
            usage_exact: usage.is_exact(),
            quota_bytes: usage.quota.bytes,
            quota_files: usage.quota.files,
        }
    }
}

/// A group, as `group show --json` prints it.
#[derive(Debug, Serialize)]
pub struct GroupJson<'a> {
    name: &'a str,
    comment: &'a str,
    members: Vec<&'a str>,
    #[serde(flatten)]
    settings: MemberJson<'a>,
}

impl<'a> From<&'a GroupView> for GroupJson<'a> {
    fn from(view: &'a GroupView) -> Self {
        Self {
            name: view.group.name.as_str(),
            comment: &view.group.comment,
            members: view.members.iter().map(UserName::as_str).collect(),
            settings: MemberJson::new(&view.group.settings),
        }
    }
}

/// A folder, as `folder show --json` prints it. `null` in a quota is unlimited.
#[derive(Debug, Serialize)]
pub struct FolderJson<'a> {
    name: &'a str,
    path: String,
    comment: &'a str,
    users: Vec<&'a str>,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    usage_exact: bool,
    #[serde(flatten)]
    creation: CreationJson<'a>,
}

impl<'a> From<&'a FolderView> for FolderJson<'a> {
    fn from(view: &'a FolderView) -> Self {
        Self {
            name: view.folder.name.as_str(),
            path: view.folder.path.display().to_string(),
            comment: &view.folder.comment,
            users: view.users.iter().map(UserName::as_str).collect(),
            quota_bytes: view.folder.quota.bytes,
            quota_files: view.folder.quota.files,
            used_bytes: view.usage.used_bytes,
            used_files: view.usage.used_files,
            usage_exact: view.usage.is_exact(),
            creation: CreationJson::new(&view.folder.creation),
        }
    }
}

/// A change of a group or a folder, as every command that changes them prints it.
#[derive(Debug, Serialize)]
pub struct SharedChangeJson<'a> {
    /// `group` or `folder`, with the name.
    #[serde(flatten)]
    thing: BTreeMap<&'static str, &'a str>,
    changed: bool,
    /// Whether a server is running and has put the change in force.
    confirmed: bool,
    sessions_ended: usize,
    still_busy: usize,
}

impl<'a> From<&'a ConfirmedSharing> for SharedChangeJson<'a> {
    fn from(change: &'a ConfirmedSharing) -> Self {
        let effect = change.effect.unwrap_or_default();
        Self {
            thing: [(change.thing.kind(), change.thing.name())].into(),
            changed: change.is_change,
            confirmed: change.effect.is_some(),
            sessions_ended: effect.sessions_ended,
            still_busy: effect.still_busy,
        }
    }
}
