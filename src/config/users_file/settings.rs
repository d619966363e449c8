//! Reads the settings that users, groups and folders have in common.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::reader::{SectionReader, Value};
use crate::domain::folder::{CreationChoice, FolderName};
use crate::domain::permission::change::{RuleEntry, RulesChange, check_folders};
use crate::domain::permission::{PermissionRules, Permissions, RulePath};
use crate::domain::quota::SessionLimit;
use crate::domain::rate::{RateRule, RateRules, check_rate};
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::domain::user::Factor;
use crate::ops::installation::Installation;
use crate::ops::users::settings::check_file_group;
use crate::ops::users_file::declaration::Reference;
use crate::storage::settings::{DirectoryMode, FileMode};
use base::error::{Error, Result};

/// The groups of the system that the file names for new files. The system is asked once for each.
pub(super) struct FileGroups<'a> {
    installation: &'a Installation,
    known: BTreeSet<String>,
}

impl<'a> FileGroups<'a> {
    pub(super) fn new(installation: &'a Installation) -> Self {
        Self {
            installation,
            known: BTreeSet::new(),
        }
    }

    /// Returns the name or number of a group that exists.
    fn check(&mut self, group: &str) -> Result<String> {
        if !self.known.contains(group) {
            check_file_group(self.installation, group)?;
            self.known.insert(group.to_owned());
        }
        Ok(group.to_owned())
    }
}

/// Reads the settings that users and groups have in common.
pub(super) fn member_settings(
    reader: &mut SectionReader<'_, '_>,
    file_groups: &mut FileGroups<'_>,
) -> MemberSettings {
    MemberSettings {
        quota_bytes: reader.bytes("quota_bytes"),
        quota_files: reader.count("quota_files"),
        max_sessions: sessions(reader, "max_sessions"),
        rates: RateRules {
            up: rate(reader, "rate_up"),
            down: rate(reader, "rate_down"),
        },
        permissions: permissions(reader),
        allowed_from: reader.list("allowed_from", texts::network),
        require: require(reader),
        folders: folders(reader),
        creation: creation(reader, file_groups),
    }
}

/// Reads the modes and the group of what is created.
pub(super) fn creation(
    reader: &mut SectionReader<'_, '_>,
    file_groups: &mut FileGroups<'_>,
) -> CreationChoice {
    let file = reader.parsed("file_mode", |text| {
        FileMode::try_from(text.to_owned()).map_err(Error::new)
    });
    let directory = reader.parsed("dir_mode", |text| {
        DirectoryMode::try_from(text.to_owned()).map_err(Error::new)
    });
    CreationChoice {
        file_mode: file.map(|FileMode(mode)| mode),
        dir_mode: directory.map(|DirectoryMode(mode)| mode),
        file_group: reader.parsed("file_group", |text| file_groups.check(text)),
    }
}

fn sessions(reader: &mut SectionReader<'_, '_>, name: &'static str) -> Option<SessionLimit> {
    reader.number(name, |number| number.to_string().parse(), str::parse)
}

fn require(reader: &mut SectionReader<'_, '_>) -> Option<BTreeSet<Factor>> {
    let factors: BTreeSet<Factor> = reader
        .list("require", str::parse::<Factor>)?
        .into_iter()
        .collect();
    let span = reader.span_of("require")?;
    let checked = Factor::check_required(&factors).map(|()| factors);
    reader.taken("require", span, checked)
}

fn rate(reader: &mut SectionReader<'_, '_>, name: &'static str) -> RateRule {
    let of_number = |number| check_rate(number).map(RateRule::Limited);
    reader.number(name, of_number, str::parse).unwrap_or_default()
}

fn permissions(reader: &mut SectionReader<'_, '_>) -> Option<PermissionRules> {
    let value = reader.get("permissions")?;
    rules(reader, "permissions", value)
}

fn folders(reader: &mut SectionReader<'_, '_>) -> BTreeMap<FolderName, PermissionRules> {
    let mut folders = BTreeMap::new();
    let Some(value) = reader.get("folders") else {
        return folders;
    };
    let DeValue::Table(table) = value.get_ref() else {
        reader.must_be(
            "folders",
            value,
            "a table of permissions by name, such as { public = \"list,read\" }",
        );
        return folders;
    };
    for (key, value) in table {
        let name = key.get_ref().parse::<FolderName>();
        let rules = rules(reader, "folders", value);
        if let Some(name) = reader.taken("folders", key.span(), name) {
            reader.refer(Reference::Folder(name.clone()), Some(key.span()));
            folders.extend(rules.map(|rules| (name, rules)));
        }
    }
    reader.taken("folders", value.span(), check_folders(&folders));
    folders
}

/// Reads permissions by the rules that commands have for them. An empty table unsets them.
fn rules(
    reader: &mut SectionReader<'_, '_>,
    name: &'static str,
    value: Value<'_, '_>,
) -> Option<PermissionRules> {
    let entries = rule_entries(reader, name, value)?;
    let rules = RulesChange::new(entries).and_then(|change| change.applied_to(None));
    reader.taken(name, value.span(), rules).flatten()
}

/// Reads permissions as they are written: a string, or a table of them by directory.
fn rule_entries(
    reader: &mut SectionReader<'_, '_>,
    name: &'static str,
    value: Value<'_, '_>,
) -> Option<Vec<RuleEntry>> {
    match value.get_ref() {
        DeValue::String(text) => {
            let permissions = reader.taken(name, value.span(), text.parse::<Permissions>())?;
            Some(vec![RuleEntry {
                path: None,
                permissions: Some(permissions),
            }])
        }
        DeValue::Table(table) => {
            let mut entries = Vec::new();
            for (key, value) in table {
                let path = reader.taken(name, key.span(), key.get_ref().parse::<RulePath>());
                let Some(text) = value.get_ref().as_str() else {
                    reader.must_be(name, value, "a string for each directory");
                    continue;
                };
                let permissions = reader.taken(name, value.span(), text.parse::<Permissions>());
                if path.is_some() && permissions.is_some() {
                    entries.push(RuleEntry { path, permissions });
                }
            }
            Some(entries)
        }
        _ => {
            reader.must_be(name, value, "a string, or a table of them by directory");
            None
        }
    }
}
