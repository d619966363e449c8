//! The changes of a plan, as they are shown and recorded.

use super::fields::Field;
use crate::domain::event::{AdminAct, Setting, SettingValue};

/// What is to be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The record is added.
    Add,
    /// The record is changed.
    Change,
    /// The record is removed.
    Remove,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A group.
    Group,
    /// A folder.
    Folder,
    /// A user.
    User,
}

impl RecordKind {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            RecordKind::Group => "group",
            RecordKind::Folder => "folder",
            RecordKind::User => "user",
        }
    }
}

/// A setting that changes, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDifference {
    /// The name of the setting in the file.
    pub name: &'static str,
    /// The value before; `None` if it was not set.
    pub before: Option<String>,
    /// The value from then on; `None` if it is not set.
    pub after: Option<String>,
}

/// One planned change.
#[derive(Debug, Clone)]
pub struct PlannedChange {
    /// What is to be done.
    pub action: Action,
    /// The kind of the record.
    pub kind: RecordKind,
    /// The name of the record.
    pub name: String,
    /// What changes, for a record that stays.
    pub settings: Vec<SettingDifference>,
    /// What the audit log is to have about it.
    pub act: AdminAct,
}

/// Describes the change of a group or a folder.
pub(super) fn act_of(what: String, name: &str, differences: &[SettingDifference]) -> AdminAct {
    let of = |value: fn(&SettingDifference) -> &Option<String>| -> Vec<Setting> {
        let settings = differences.iter().filter_map(|one| {
            let value = value(one).clone()?;
            Some(Setting {
                name: one.name.to_owned(),
                value: SettingValue::Text(value),
            })
        });
        settings.collect()
    };
    AdminAct {
        what,
        name: name.to_owned(),
        before: of(|one| &one.before),
        after: of(|one| &one.after),
    }
}

/// Returns the settings that differ, in the order of the file.
pub(super) fn differences(before: &[Field], after: &[Field]) -> Vec<SettingDifference> {
    let of = |fields: &[Field], name| fields.iter().find(|field| field.name == name).cloned();
    let mut names: Vec<&'static str> = after.iter().map(|field| field.name).collect();
    let gone = before
        .iter()
        .map(|field| field.name)
        .filter(|name| !names.contains(name));
    let gone: Vec<&'static str> = gone.collect();
    names.extend(gone);
    let differing = names.into_iter().filter_map(|name| {
        let (before, after) = (of(before, name), of(after, name));
        (before != after).then(|| SettingDifference {
            name,
            before: before.map(|field| field.shown()),
            after: after.map(|field| field.shown()),
        })
    });
    differing.collect()
}
