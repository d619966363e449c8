//! The changes of a plan, as they are shown and recorded.

use super::fields::Field;
use crate::domain::event::AdminAct;

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

impl Action {
    /// Returns what makes one record of the other.
    pub(super) fn of<T>(before: Option<&T>, after: Option<&T>) -> Self {
        match (before, after) {
            (None, _) => Action::Add,
            (_, None) => Action::Remove,
            _ => Action::Change,
        }
    }
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

    /// Returns the command that does the same to one record, which the audit log names.
    pub(super) fn command(self, action: Action) -> String {
        let verb = match action {
            Action::Add => "add",
            Action::Change => "set",
            Action::Remove => "remove",
        };
        format!("{} {verb}", self.name())
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

/// One planned change, described as the command for one record describes it in the audit log.
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

/// Returns the settings that differ, in the order of the file.
pub(super) fn differences(before: Option<Vec<Field>>, after: Option<Vec<Field>>) -> Vec<SettingDifference> {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let of = |fields: &[Field], name| fields.iter().find(|field| field.name == name).cloned();
    let mut names: Vec<&'static str> = after.iter().map(|field| field.name).collect();
    let gone = before
        .iter()
        .map(|field| field.name)
        .filter(|name| !names.contains(name));
    let gone: Vec<&'static str> = gone.collect();
    names.extend(gone);
    let differing = names.into_iter().filter_map(|name| {
        let (before, after) = (of(&before, name), of(&after, name));
        (before != after).then(|| SettingDifference {
            name,
            before: before.map(|field| field.shown()),
            after: after.map(|field| field.shown()),
        })
    });
    differing.collect()
}
