//! Views as JSON: what the control socket transmits, and what `--json` prints of the same views. Names and meanings of
//! fields are stable; fields may be added.

pub mod sessions;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::accounts::account::UsageAccuracy;
use crate::accounts::measure::Unreadable;
use crate::domain::user::{Quota, UserName};
use crate::ops::hooks::{HookEntryState, HookEntryView};
use crate::ops::running::{ChangedFile, Effect, ReloadView};
use crate::ops::usage::{AccountHolder, HomeUsage, Remeasurement};
use base::error::{Error, Result};

/// What a reload has changed, as `reload --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadJson {
    /// The sections whose changes apply to new connections from now on.
    applied: Vec<String>,
    /// The sections with changes that apply only after a restart.
    waiting_for_restart: Vec<String>,
    /// The files that settings name and whose content has changed.
    #[serde(default)]
    files: Vec<ChangedFileJson>,
    /// The number of sessions that were ended.
    #[serde(default)]
    sessions_ended: usize,
}

/// A file that a setting names, and whose content has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ChangedFileJson {
    setting: String,
    path: String,
}

impl From<ChangedFile> for ChangedFileJson {
    fn from(file: ChangedFile) -> Self {
        Self {
            setting: file.setting,
            path: file.path.to_string_lossy().into_owned(),
        }
    }
}

impl From<ChangedFileJson> for ChangedFile {
    fn from(json: ChangedFileJson) -> Self {
        Self {
            setting: json.setting,
            path: json.path.into(),
        }
    }
}

impl From<ReloadView> for ReloadJson {
    fn from(view: ReloadView) -> Self {
        Self {
            applied: view.applied,
            waiting_for_restart: view.waiting_for_restart,
            files: view.files.into_iter().map(Into::into).collect(),
            sessions_ended: view.sessions_ended,
        }
    }
}

impl From<ReloadJson> for ReloadView {
    fn from(json: ReloadJson) -> Self {
        Self {
            applied: json.applied,
            waiting_for_restart: json.waiting_for_restart,
            files: json.files.into_iter().map(Into::into).collect(),
            sessions_ended: json.sessions_ended,
        }
    }
}

/// An event that waits for a hook, as `hooks list --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookEntryJson {
    id: u64,
    hook: String,
    event: String,
    /// The time of the event (RFC 3339, UTC).
    time: String,
    user: Option<String>,
    path: Option<String>,
    state: String,
    attempts: u32,
    error: Option<String>,
}

impl From<HookEntryView> for HookEntryJson {
    fn from(view: HookEntryView) -> Self {
        Self {
            id: view.id,
            hook: view.hook,
            event: view.event,
            time: view.time,
            user: view.user,
            path: view.path,
            state: view.state.name().to_owned(),
            attempts: view.attempts,
            error: view.error,
        }
    }
}

impl TryFrom<HookEntryJson> for HookEntryView {
    type Error = Error;

    fn try_from(json: HookEntryJson) -> Result<Self> {
        let state = HookEntryState::ALL
            .into_iter()
            .find(|state| state.name() == json.state);
        Ok(Self {
            id: json.id,
            hook: json.hook,
            event: json.event,
            time: json.time,
            user: json.user,
            path: json.path,
            state: state.ok_or_else(|| Error::new("the server's answer has an unknown state of a hook"))?,
            attempts: json.attempts,
            error: json.error,
        })
    }
}

/// The use and the quota of a user's home or of a folder, as `quota show --json` prints it. `null` means unlimited in a
/// quota, and unknown in a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeUsageJson {
    /// The name of the user or the folder.
    name: String,
    #[serde(default)]
    kind: HolderJson,
    /// The absolute path on disk of the home or the folder.
    home: String,
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
    usage_exact: bool,
    standing: AccuracyJson,
    /// The number of entries that could not be read. It is left out if it is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    unreadable_entries: u64,
    /// The absolute path of one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable_example: Option<String>,
}

/// Whose use it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderJson {
    #[default]
    User,
    Folder,
}

/// How far the numbers can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AccuracyJson {
    Exact,
    AtMost,
    Unmeasurable,
    Unknown,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&HomeUsage> for HomeUsageJson {
    fn from(usage: &HomeUsage) -> Self {
        let example = usage.unreadable.first.as_ref();
        Self {
            name: usage.holder.to_string(),
            kind: match usage.holder {
                AccountHolder::User(_) => HolderJson::User,
                AccountHolder::Folder(_) => HolderJson::Folder,
            },
            home: usage.home.display().to_string(),
            used_bytes: usage.used_bytes,
            used_files: usage.used_files,
            quota_bytes: usage.quota.bytes,
            quota_files: usage.quota.files,
            usage_exact: usage.is_exact(),
            standing: match usage.accuracy {
                Some(UsageAccuracy::Exact) => AccuracyJson::Exact,
                Some(UsageAccuracy::AtCeiling) => AccuracyJson::AtMost,
                Some(UsageAccuracy::Unmeasurable) => AccuracyJson::Unmeasurable,
                None => AccuracyJson::Unknown,
            },
            unreadable_entries: usage.unreadable.count,
            unreadable_example: example.map(|path| path.display().to_string()),
        }
    }
}

impl TryFrom<HomeUsageJson> for HomeUsage {
    type Error = Error;

    fn try_from(json: HomeUsageJson) -> Result<Self> {
        Ok(Self {
            holder: match json.kind {
                HolderJson::User => AccountHolder::User(UserName::stored(&json.name)?),
                HolderJson::Folder => AccountHolder::Folder(json.name.parse()?),
            },
            home: json.home.into(),
            used_bytes: json.used_bytes,
            used_files: json.used_files,
            quota: Quota {
                bytes: json.quota_bytes,
                files: json.quota_files,
            },
            accuracy: match json.standing {
                AccuracyJson::Exact => Some(UsageAccuracy::Exact),
                AccuracyJson::AtMost => Some(UsageAccuracy::AtCeiling),
                AccuracyJson::Unmeasurable => Some(UsageAccuracy::Unmeasurable),
                AccuracyJson::Unknown => None,
            },
            unreadable: Unreadable {
                count: json.unreadable_entries,
                first: json.unreadable_example.map(PathBuf::from),
            },
        })
    }
}

/// The use of a home before and after it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasurementJson {
    before: HomeUsageJson,
    after: HomeUsageJson,
}

impl From<&Remeasurement> for MeasurementJson {
    fn from(measurement: &Remeasurement) -> Self {
        Self {
            before: (&measurement.before).into(),
            after: (&measurement.after).into(),
        }
    }
}

impl TryFrom<MeasurementJson> for Remeasurement {
    type Error = Error;

    fn try_from(json: MeasurementJson) -> Result<Self> {
        Ok(Self {
            before: json.before.try_into()?,
            after: json.after.try_into()?,
        })
    }
}

/// The effect of a change of users' records on the running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectJson {
    sessions_ended: usize,
    still_busy: usize,
}

impl From<Effect> for EffectJson {
    fn from(effect: Effect) -> Self {
        Self {
            sessions_ended: effect.sessions_ended,
            still_busy: effect.still_busy,
        }
    }
}

impl From<EffectJson> for Effect {
    fn from(json: EffectJson) -> Self {
        Self {
            sessions_ended: json.sessions_ended,
            still_busy: json.still_busy,
        }
    }
}
