//! Views as `--json` prints them and the API of the web page answers with them, except for those that the control socket
//! also transmits. Names and meanings of fields are stable; fields may be added.

mod shared;

use std::collections::BTreeMap;

use serde::Serialize;

use self::shared::{CreationJson, FolderUsageJson, JsonRules, MemberJson, folders};
pub use self::shared::{FolderJson, GroupJson, SharedChangeJson};

use crate::domain::group::GroupName;
use crate::ops::host_keys::{ChangedHostKeys, HostKeyView};
use crate::ops::keys::KeyView;
use crate::ops::tokens::{AddedToken, TokenView};
use crate::ops::users::change::ConfirmedChange;
use crate::ops::users::view::UserView;

/// A user, as `user show --json` prints it. `null` in a quota is unlimited, and in a rate the server's.
#[derive(Debug, Serialize)]
pub struct UserJson<'a> {
    name: &'a str,
    group: Option<&'a str>,
    comment: &'a str,
    /// `local` or `external`.
    source: &'static str,
    enabled: bool,
    admin: bool,
    home: String,
    keys: Vec<KeyJson<'a>>,
    principals: &'a [String],
    has_password: bool,
    password_kind: Option<&'static str>,
    totp: bool,
    /// `null` for a user without a second factor.
    recovery_codes_left: Option<u64>,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    usage_exact: bool,
    max_sessions: Option<u32>,
    permissions: JsonRules,
    allowed_from: Vec<String>,
    require: Vec<&'static str>,
    expires_at: Option<String>,
    rate_up: Option<u64>,
    rate_down: Option<u64>,
    folders: BTreeMap<&'a str, JsonRules>,
    folder_usage: BTreeMap<&'a str, FolderUsageJson>,
    #[serde(flatten)]
    creation: CreationJson<'a>,
    own: MemberJson<'a>,
    last_sign_in: Option<String>,
    sessions: Option<usize>,
}

impl<'a> From<&'a UserView> for UserJson<'a> {
    fn from(view: &'a UserView) -> Self {
        Self {
            name: view.name.as_str(),
            group: view.group.as_ref().map(GroupName::as_str),
            comment: &view.comment,
            source: view.source.name(),
            enabled: view.enabled,
            admin: view.is_admin,
            home: view.home.display().to_string(),
            keys: view.keys.iter().map(Into::into).collect(),
            principals: &view.principals,
            has_password: view.has_password,
            password_kind: view.password_kind,
            totp: view.totp.is_some(),
            recovery_codes_left: view.totp.map(|totp| totp.recovery_codes_left),
            quota_bytes: view.quota.bytes,
            quota_files: view.quota.files,
            used_bytes: view.usage.used_bytes,
            used_files: view.usage.used_files,
            usage_exact: view.usage.is_exact(),
            max_sessions: view.max_sessions,
            permissions: JsonRules::new(&view.permissions),
            allowed_from: view.allowed_from.iter().map(ToString::to_string).collect(),
            require: view.require.iter().map(|f| f.name()).collect(),
            expires_at: view.expires_at.map(|t| t.to_string()),
            rate_up: view.rates.up.as_number(),
            rate_down: view.rates.down.as_number(),
            folders: folders(&view.folders),
            folder_usage: view
                .folder_usage
                .iter()
                .map(|(name, usage)| (name.as_str(), usage.into()))
                .collect(),
            creation: CreationJson::new(&view.creation),
            own: MemberJson::new(&view.own),
            last_sign_in: view.last_sign_in.map(|time| time.to_string()),
            sessions: view.sessions,
        }
    }
}

/// A public key, as `user key list --json` prints it.
#[derive(Debug, Serialize)]
pub struct KeyJson<'a> {
    fingerprint: &'a str,
    comment: &'a str,
    line: &'a str,
}

impl<'a> From<&'a KeyView> for KeyJson<'a> {
    fn from(view: &'a KeyView) -> Self {
        Self {
            fingerprint: &view.fingerprint,
            comment: &view.comment,
            line: &view.line,
        }
    }
}

/// A token, as `token list --json` prints it, and `token add --json` together with the token itself.
#[derive(Serialize)]
pub struct TokenJson<'a> {
    user: &'a str,
    id: i64,
    /// `files` or `admin`.
    scope: &'static str,
    comment: &'a str,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    /// The token, when it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl<'a> From<&'a TokenView> for TokenJson<'a> {
    fn from(view: &'a TokenView) -> Self {
        Self {
            user: view.user.as_str(),
            id: view.id,
            scope: view.scope.name(),
            comment: &view.comment,
            created_at: view.created_at.to_string(),
            expires_at: view.expires_at.map(|time| time.to_string()),
            last_used_at: view.last_used_at.map(|time| time.to_string()),
            token: None,
        }
    }
}

impl<'a> From<&'a AddedToken> for TokenJson<'a> {
    fn from(added: &'a AddedToken) -> Self {
        Self {
            token: Some(added.token.reveal()),
            ..Self::from(&added.view)
        }
    }
}

/// A host key, as `hostkey list --json` prints it.
#[derive(Debug, Serialize)]
pub struct HostKeyJson<'a> {
    algorithm: &'a str,
    fingerprint: &'a str,
    file: String,
    /// `in_use`, `next` or `retired`.
    state: &'static str,
}

impl<'a> From<&'a HostKeyView> for HostKeyJson<'a> {
    fn from(view: &'a HostKeyView) -> Self {
        Self {
            algorithm: &view.algorithm,
            fingerprint: &view.fingerprint,
            file: view.file.display().to_string(),
            state: view.stage.name(),
        }
    }
}

/// A change of host keys, as every command that changes them prints it.
#[derive(Debug, Serialize)]
pub struct HostKeyChangeJson<'a> {
    changed: bool,
    /// Whether a server is running and has read its keys again.
    confirmed: bool,
    key: Option<HostKeyJson<'a>>,
}

impl<'a> From<&'a ChangedHostKeys> for HostKeyChangeJson<'a> {
    fn from(changed: &'a ChangedHostKeys) -> Self {
        Self {
            changed: changed.is_change,
            confirmed: changed.confirmed,
            key: changed.key.as_ref().map(Into::into),
        }
    }
}

/// A change of a user, as every command that changes users prints it.
#[derive(Debug, Serialize)]
pub struct ChangeJson<'a> {
    user: &'a str,
    changed: bool,
    /// Whether a server is running and has put the change in force.
    confirmed: bool,
    sessions_ended: usize,
    /// The number of ended sessions, and of homes with another quota, for which a call that had begun is still in
    /// progress because their disk hangs. No further call begins, so the change is in force and the exit code is 0.
    still_busy: usize,
    /// The password, if it was generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl<'a> ChangeJson<'a> {
    /// Returns the change with the password that was generated for it.
    pub fn with_password(change: &'a ConfirmedChange, password: Option<&'a str>) -> Self {
        Self {
            password,
            ..Self::from(change)
        }
    }
}

impl<'a> From<&'a ConfirmedChange> for ChangeJson<'a> {
    fn from(change: &'a ConfirmedChange) -> Self {
        let effect = change.effect.unwrap_or_default();
        Self {
            user: change.user.as_str(),
            changed: change.is_change,
            confirmed: change.effect.is_some(),
            sessions_ended: effect.sessions_ended,
            still_busy: effect.still_busy,
            password: None,
        }
    }
}

/// What has come of ending sessions, as `sessions kick --json` prints it.
#[derive(Debug, Serialize)]
pub struct DisconnectedJson {
    /// The number of sessions that were ended.
    pub sessions_ended: usize,
}
