//! The settings of records as the file writes them. What `export` prints and what a plan shows is the same text.

use std::path::Path;

use crate::domain::folder::{CreationChoice, Folder};
use crate::domain::group::Group;
use crate::domain::permission::{PermissionRules, Permissions};
use crate::domain::quota::{Limit, SessionLimit};
use crate::domain::rate::RateRule;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{PasswordHash, User};
use crate::ops::keys::KeyView;

/// One setting that a record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name of the setting in the file.
    pub name: &'static str,
    value: FieldValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FieldValue {
    /// A value in the syntax of TOML.
    Toml(String),
    /// Lines of authorized_keys.
    Keys(Vec<String>),
    /// The hash of a password, which only the file itself contains.
    Hash(PasswordHash),
}

impl Field {
    fn new(name: &'static str, toml: String) -> Self {
        Self {
            name,
            value: FieldValue::Toml(toml),
        }
    }

    /// Returns the value in the syntax of TOML, including secrets.
    pub fn toml(&self) -> String {
        match &self.value {
            FieldValue::Toml(text) => text.clone(),
            FieldValue::Hash(hash) => quoted(hash.as_phc()),
            FieldValue::Keys(lines) => match &lines[..] {
                [one] => format!("[{}]", quoted(one)),
                many => {
                    let lines: Vec<String> =
                        many.iter().map(|line| format!("  {},\n", quoted(line))).collect();
                    format!("[\n{}]", lines.concat())
                }
            },
        }
    }

    /// Returns the value for a terminal: keys by their fingerprints, and no secret.
    pub fn shown(&self) -> String {
        match &self.value {
            FieldValue::Toml(text) => text.clone(),
            FieldValue::Hash(_) => "set".to_owned(),
            FieldValue::Keys(lines) => {
                let prints: Vec<String> = lines.iter().map(|line| KeyView::new(line).fingerprint).collect();
                format!("[{}]", prints.join(", "))
            }
        }
    }
}

/// Returns the settings of a group that are set.
pub fn of_group(group: &Group) -> Vec<Field> {
    let mut fields = comment(&group.comment);
    fields.extend(of_settings(&group.settings));
    fields
}

/// Returns the settings of a folder that are set.
pub fn of_folder(folder: &Folder) -> Vec<Field> {
    let mut fields = vec![Field::new("path", quoted(&folder.path.to_string_lossy()))];
    fields.extend(comment(&folder.comment));
    let bytes = folder
        .quota
        .bytes
        .map(|bytes| Field::new("quota_bytes", size(bytes)));
    let files = folder
        .quota
        .files
        .map(|files| Field::new("quota_files", files.to_string()));
    fields.extend(bytes.into_iter().chain(files));
    fields.extend(of_creation(&folder.creation));
    fields
}

/// Returns the settings of a user that are set. `homes` is the directory in which homes are made.
pub fn of_user(user: &User, homes: &Path) -> Vec<Field> {
    let mut fields = comment(&user.comment);
    if let Some(group) = &user.group {
        fields.push(Field::new("group", quoted(group.as_str())));
    }
    if let Some(hash) = &user.password_hash {
        fields.push(Field {
            name: "password_hash",
            value: FieldValue::Hash(hash.clone()),
        });
    }
    if !user.keys.is_empty() {
        fields.push(Field {
            name: "keys",
            value: FieldValue::Keys(user.keys.clone()),
        });
    }
    if !user.principals.is_empty() {
        fields.push(Field::new(
            "principals",
            list(user.principals.iter().map(String::as_str)),
        ));
    }
    if user.home != homes.join(user.name.as_str()) {
        fields.push(Field::new("home", quoted(&user.home.to_string_lossy())));
    }
    if !user.enabled {
        fields.push(Field::new("enabled", "false".to_owned()));
    }
    if user.is_admin {
        fields.push(Field::new("admin", "true".to_owned()));
    }
    if let Some(time) = user.expires_at {
        fields.push(Field::new("expires_at", quoted(&time.to_string())));
    }
    fields.extend(of_settings(&user.settings));
    fields
}

fn comment(text: &str) -> Vec<Field> {
    let field = (!text.is_empty()).then(|| Field::new("comment", quoted(text)));
    field.into_iter().collect()
}

fn of_settings(settings: &MemberSettings) -> Vec<Field> {
    let mut fields = Vec::new();
    if let Some(Limit(bytes)) = settings.quota_bytes {
        fields.push(Field::new("quota_bytes", bytes.map_or_else(unlimited, size)));
    }
    if let Some(Limit(files)) = settings.quota_files {
        fields.push(Field::new(
            "quota_files",
            files.map_or_else(unlimited, |n| n.to_string()),
        ));
    }
    if let Some(most) = settings.max_sessions {
        let usual = || quoted(SessionLimit::USUAL);
        let most = most.number().map_or_else(usual, |most| most.to_string());
        fields.push(Field::new("max_sessions", most));
    }
    for (name, rule) in [("rate_up", settings.rates.up), ("rate_down", settings.rates.down)] {
        match rule {
            RateRule::Inherited => {}
            RateRule::Usual => fields.push(Field::new(name, quoted(RateRule::USUAL))),
            RateRule::Unlimited => fields.push(Field::new(name, unlimited())),
            RateRule::Limited(rate) => fields.push(Field::new(name, size(rate))),
        }
    }
    if let Some(rules) = &settings.permissions {
        fields.push(Field::new("permissions", of_rules(rules)));
    }
    if let Some(networks) = &settings.allowed_from {
        let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
        fields.push(Field::new("allowed_from", list(texts.iter().map(String::as_str))));
    }
    if let Some(factors) = &settings.require {
        fields.push(Field::new(
            "require",
            list(factors.iter().map(|factor| factor.name())),
        ));
    }
    if !settings.folders.is_empty() {
        let folders = settings
            .folders
            .iter()
            .map(|(name, rules)| (key(name.as_str()), of_rules(rules)));
        fields.push(Field::new("folders", table(folders)));
    }
    fields.extend(of_creation(&settings.creation));
    fields
}

fn of_creation(creation: &CreationChoice) -> Vec<Field> {
    let mode = |name, mode: Option<u32>| mode.map(|mode| Field::new(name, format!("\"{mode:04o}\"")));
    let group = creation.file_group.as_ref();
    [
        mode("file_mode", creation.file_mode),
        mode("dir_mode", creation.dir_mode),
        group.map(|group| Field::new("file_group", quoted(group))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_rules(rules: &PermissionRules) -> String {
    match rules.as_uniform() {
        Some(permissions) => of_permissions(permissions),
        None => table(
            rules
                .iter()
                .map(|(path, set)| (quoted(path.as_str()), of_permissions(set))),
        ),
    }
}

fn of_permissions(permissions: &Permissions) -> String {
    match *permissions == Permissions::all() {
        true => quoted("all"),
        false => quoted(&permissions.to_string()),
    }
}

fn unlimited() -> String {
    quoted("unlimited")
}

/// Returns a number of bytes in the largest unit that it is a multiple of.
fn size(bytes: u64) -> String {
    let units = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(shift, _): &&(u32, &str)| bytes != 0 && bytes.trailing_zeros() >= *shift;
    match units.iter().find(fits) {
        Some((shift, unit)) => format!("\"{}{unit}\"", bytes >> shift),
        None => bytes.to_string(),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(quoted).collect();
    format!("[{}]", items.join(", "))
}

/// Formats an inline table. Keys and values are TOML already.
fn table(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key} = {value}")).collect();
    match pairs.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", pairs.join(", ")),
    }
}

/// Formats a key: bare if TOML allows it.
pub fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// Formats a text as a basic string of TOML.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
