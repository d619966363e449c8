//! Changes of a user's settings.

use std::collections::BTreeSet;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::domain::rate::RateRule;
use crate::domain::user::{Factor, Limit, PermissionRules, User};

/// The change of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettingChange<T> {
    /// The setting stays as it is.
    #[default]
    Keep,
    /// The setting gets this value.
    To(T),
}

impl<T: Clone> SettingChange<T> {
    fn apply(&self, field: &mut T) {
        if let SettingChange::To(value) = self {
            field.clone_from(value);
        }
    }
}

impl<T: Clone> SettingChange<T> {
    /// Sets a field that may be unset.
    fn apply_to_set(&self, field: &mut Option<T>) {
        if let SettingChange::To(value) = self {
            *field = Some(value.clone());
        }
    }
}

impl<T> From<Option<T>> for SettingChange<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(SettingChange::Keep, SettingChange::To)
    }
}

/// The changes of a user's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingChanges {
    /// The quota of the home in bytes.
    pub quota_bytes: SettingChange<Limit<u64>>,
    /// The quota of the home in files, directories and links.
    pub quota_files: SettingChange<Limit<u64>>,
    /// The permissions that the user has in the home.
    pub permissions: SettingChange<PermissionRules>,
    /// The time from which the user cannot sign in; `None` means never.
    pub expires_at: SettingChange<Option<Timestamp>>,
    /// The most sessions at once; `None` means the server's limit.
    pub max_sessions: SettingChange<Option<u32>>,
    /// The rate of the user's uploads.
    pub rate_up: SettingChange<RateRule>,
    /// The rate of the user's downloads.
    pub rate_down: SettingChange<RateRule>,
    /// The networks from which the user may connect; an empty list means any.
    pub allowed_from: SettingChange<Vec<IpNet>>,
    /// The factors that are all required to sign in; an empty set means that one is enough.
    pub require: SettingChange<BTreeSet<Factor>>,
    /// The principals besides the user's name that certificates may have.
    pub principals: SettingChange<Vec<String>>,
}

impl SettingChanges {
    /// Applies the changes to a user's record.
    pub fn apply(&self, user: &mut User) {
        self.expires_at.apply(&mut user.expires_at);
        self.principals.apply(&mut user.principals);
        let settings = &mut user.settings;
        self.quota_bytes.apply_to_set(&mut settings.quota_bytes);
        self.quota_files.apply_to_set(&mut settings.quota_files);
        self.permissions.apply_to_set(&mut settings.permissions);
        self.max_sessions.apply(&mut settings.max_sessions);
        self.rate_up.apply(&mut settings.rates.up);
        self.rate_down.apply(&mut settings.rates.down);
        self.allowed_from.apply_to_set(&mut settings.allowed_from);
        self.require.apply_to_set(&mut settings.require);
    }
}
