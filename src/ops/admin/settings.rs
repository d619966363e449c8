//! The settings of users, groups and folders as events have them: by their names in JSON, and without secrets.

use crate::domain::event::{Setting, SettingValue};
use crate::domain::folder::{CreationChoice, Folder};
use crate::domain::group::Group;
use crate::domain::permission::PermissionRules;
use crate::domain::rate::RateRule;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Limit, SessionLimit, User};
use crate::ops::keys::KeyView;

/// Returns the settings of a user that are in force.
pub(super) fn of_user(user: &User) -> Vec<Setting> {
    let folders = user.folders();
    let folders = folders
        .iter()
        .map(|(folder, rules)| format!("{}: {rules}", folder.name));
    let keys = user.keys.iter().map(|line| KeyView::new(line).fingerprint);
    let expires = user.expires_at.map(|time| time.to_string());
    let mut settings = settings([
        ("name", text(&user.name)),
        ("home", text(user.home.display())),
        ("enabled", SettingValue::Flag(user.enabled)),
        ("admin", SettingValue::Flag(user.is_admin)),
        ("comment", text(&user.comment)),
        ("group", user.group.as_ref().map_or(SettingValue::Nothing, text)),
        ("principals", list(user.principals.clone())),
        ("totp", SettingValue::Flag(user.totp.is_some())),
        ("folders", list(folders)),
        ("has_password", SettingValue::Flag(user.password_hash.is_some())),
        ("keys", list(keys)),
        ("quota_bytes", number(user.quota().bytes)),
        ("quota_files", number(user.quota().files)),
        ("permissions", list(permissions(&user.permissions()))),
        ("allowed_from", list(user.allowed_from())),
        ("require", list(user.require().iter().map(|factor| factor.name()))),
        ("max_sessions", number(user.max_sessions().map(u64::from))),
        ("rate_up", number(user.rates().up.as_number())),
        ("rate_down", number(user.rates().down.as_number())),
        (
            "expires_at",
            expires.map_or(SettingValue::Nothing, SettingValue::Text),
        ),
    ]);
    settings.extend(creation(&user.creation()));
    settings
}

/// Returns the settings of a group. What it leaves open is nothing, and no limit is `unlimited`.
pub(super) fn of_group(group: &Group) -> Vec<Setting> {
    let MemberSettings {
        quota_bytes,
        quota_files,
        max_sessions,
        rates,
        permissions: rules,
        allowed_from,
        require,
        folders,
        creation: choice,
    } = &group.settings;
    let limit = |limit: &Option<Limit<u64>>| match limit {
        None => SettingValue::Nothing,
        Some(Limit(None)) => text("unlimited"),
        Some(Limit(Some(value))) => SettingValue::Number(*value),
    };
    let sessions = |limit: SessionLimit| match limit.number() {
        None => text(SessionLimit::USUAL),
        Some(most) => SettingValue::Number(most.into()),
    };
    let rate = |rule: RateRule| match rule {
        RateRule::Usual => text(RateRule::USUAL),
        RateRule::Inherited | RateRule::Unlimited | RateRule::Limited(_) => number(rule.as_number()),
    };
    let or_nothing = |value: Option<SettingValue>| value.unwrap_or(SettingValue::Nothing);
    let mut settings = settings([
        ("name", text(&group.name)),
        ("comment", text(&group.comment)),
        ("quota_bytes", limit(quota_bytes)),
        ("quota_files", limit(quota_files)),
        ("max_sessions", or_nothing(max_sessions.map(sessions))),
        ("rate_up", rate(rates.up)),
        ("rate_down", rate(rates.down)),
        (
            "permissions",
            or_nothing(rules.as_ref().map(|rules| list(permissions(rules)))),
        ),
        ("allowed_from", or_nothing(allowed_from.as_ref().map(list))),
        (
            "require",
            or_nothing(
                require
                    .as_ref()
                    .map(|factors| list(factors.iter().map(|factor| factor.name()))),
            ),
        ),
        (
            "folders",
            list(folders.iter().map(|(name, rules)| format!("{name}: {rules}"))),
        ),
    ]);
    settings.extend(creation(choice));
    settings
}

/// Returns the settings of a folder.
pub(super) fn of_folder(folder: &Folder) -> Vec<Setting> {
    let mut settings = settings([
        ("name", text(&folder.name)),
        ("path", text(folder.path.display())),
        ("comment", text(&folder.comment)),
        ("quota_bytes", number(folder.quota.bytes)),
        ("quota_files", number(folder.quota.files)),
    ]);
    settings.extend(creation(&folder.creation));
    settings
}

fn creation(choice: &CreationChoice) -> Vec<Setting> {
    let mode = |mode: Option<u32>| mode.map_or(SettingValue::Nothing, |mode| text(format!("{mode:04o}")));
    settings([
        ("file_mode", mode(choice.file_mode)),
        ("dir_mode", mode(choice.dir_mode)),
        (
            "file_group",
            choice.file_group.as_ref().map_or(SettingValue::Nothing, text),
        ),
    ])
}

/// Returns permissions: their names, or each as `PATH=NAMES` where they differ by directory.
fn permissions(rules: &PermissionRules) -> Vec<String> {
    match rules.as_uniform() {
        Some(permissions) => permissions.iter().map(|one| one.name().to_owned()).collect(),
        None => rules.iter().map(|(path, set)| format!("{path}={set}")).collect(),
    }
}

fn settings<const N: usize>(values: [(&str, SettingValue); N]) -> Vec<Setting> {
    let setting = |(name, value): (&str, SettingValue)| Setting {
        name: name.to_owned(),
        value,
    };
    values.into_iter().map(setting).collect()
}

fn number(number: Option<u64>) -> SettingValue {
    number.map_or(SettingValue::Nothing, SettingValue::Number)
}

fn text(text: impl ToString) -> SettingValue {
    SettingValue::Text(text.to_string())
}

fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> SettingValue {
    SettingValue::List(values.into_iter().map(|value| value.to_string()).collect())
}
