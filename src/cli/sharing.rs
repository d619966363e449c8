//! Formats what users, groups and folders have in common, and changes of groups and folders, as text.

use std::collections::BTreeMap;

use super::grammar::SharedOutputArgs;
use super::output;
use crate::domain::folder::{CreationChoice, FolderName};
use crate::domain::permission::PermissionRules;
use crate::domain::quota::Quota;
use crate::ops::running::Effect;
use crate::ops::sharing::{ConfirmedSharing, SharedChange};
use crate::ops::usage::HomeUsage;
use crate::shapes::json::SharedChangeJson;
use base::error::Result;
use base::size::{Size, counted};

/// Formats permissions: their names, or each directory with those that it has.
pub fn rules(rules: &PermissionRules) -> String {
    let names =
        |permissions: &crate::domain::permission::Permissions| permissions.to_string().replace(',', ", ");
    match rules.as_uniform() {
        Some(permissions) => names(permissions),
        None => {
            let rules: Vec<String> = rules
                .iter()
                .map(|(path, permissions)| format!("{path}={permissions}"))
                .collect();
            rules.join("  ")
        }
    }
}

/// Formats folders, with a line for each, and another one for its use if that is among `usages`.
pub fn folders(
    folders: &BTreeMap<FolderName, PermissionRules>,
    usages: &BTreeMap<FolderName, HomeUsage>,
) -> String {
    let lines = |(name, permissions): (&FolderName, &PermissionRules)| {
        let mut text = output::lines(&[("folder", format!("/{name}: {}", rules(permissions)))]);
        if let Some(usage) = usages.get(name) {
            text.push_str(&output::lines(&[("  used", used_of(usage))]));
        }
        text
    };
    folders.iter().map(lines).collect()
}

/// Formats use and quota in one line: `1.0 MiB, 12 files; quota 10.0 GiB, 1000 files`.
pub fn used_of(usage: &HomeUsage) -> String {
    format!("{}; quota {}", usage.used(), quota(usage.quota))
}

/// Formats a quota in one clause.
pub fn quota(quota: Quota) -> String {
    let bytes = quota.bytes.map(|bytes| Size(bytes).to_string());
    let files = quota.files.map(|count| counted(count, "file"));
    let limits: Vec<String> = bytes.into_iter().chain(files).collect();
    match limits.is_empty() {
        true => "unlimited".to_owned(),
        false => limits.join(", "),
    }
}

/// Formats the modes and the group of what is created, with a line for each that differs from the server's.
pub fn creation(choice: &CreationChoice) -> String {
    let mode = |mode: Option<u32>| mode.map(|mode| format!("{mode:04o}"));
    let values = [
        ("file mode", mode(choice.file_mode)),
        ("directory mode", mode(choice.dir_mode)),
        ("file group", choice.file_group.clone()),
    ];
    let set = values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    set.map(|row| output::lines(&[row])).collect()
}

/// Formats how many sessions a change has ended, as the end of a clause.
pub fn ended(effect: Option<Effect>, is_change: bool) -> String {
    match effect {
        Some(Effect { sessions_ended, .. }) if is_change || sessions_ended > 0 => {
            let plural = if sessions_ended == 1 { "" } else { "s" };
            format!("; {sessions_ended} session{plural} ended")
        }
        _ => String::new(),
    }
}

/// Formats that calls still wait for a disk that hangs; empty if there are none.
pub fn busy(effect: Option<Effect>) -> String {
    match effect.unwrap_or_default().still_busy {
        0 => String::new(),
        still_busy => format!(
            "for {still_busy} of these sessions and homes a call that had begun still waits for a disk that does \
             not answer, and may still be carried out; no further one begins\n"
        ),
    }
}

/// Formats a change of a group or a folder that is in force, as text or JSON.
pub fn report(change: &ConfirmedSharing, args: &SharedOutputArgs) -> Result<String> {
    match args.json {
        true => output::json(&SharedChangeJson::from(change)),
        false => Ok(text(change)),
    }
}

fn text(change: &ConfirmedSharing) -> String {
    let (kind, name) = (change.thing.kind(), change.thing.name());
    let mut text = match (&change.what, change.is_change) {
        (_, false) => format!("unchanged: {kind} {name}"),
        (SharedChange::Added, _) => format!("added {kind} {name}"),
        (SharedChange::FolderAdded { path, existed }, _) => {
            let existed = if *existed { ", which was there already" } else { "" };
            format!("added {kind} {name}, in \"{}\"{existed}", path.display())
        }
        (
            SharedChange::Set {
                old_name: Some(old), ..
            },
            _,
        ) => format!("renamed {kind} {old} to {name}"),
        (SharedChange::Set { .. }, _) => format!("changed {kind} {name}"),
        (SharedChange::Removed { .. }, _) => format!("removed {kind} {name}"),
    };
    text.push_str(&ended(change.effect, change.is_change));
    text.push('\n');
    if let SharedChange::Set { left: Some(left), .. } | SharedChange::Removed { left: Some(left) } =
        &change.what
    {
        text.push_str(&format!("the files in \"{}\" stay there\n", left.display()));
    }
    if let SharedChange::FolderAdded { .. } = &change.what {
        text.push_str(&format!(
            "nobody has it yet: homeportd user set NAME --folder {name}=list,read\n"
        ));
    }
    text.push_str(&busy(change.effect));
    text
}

/// Formats names in one line, and counts those beyond the first twenty.
pub fn names<T: ToString>(names: &[T]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=SHOWN => shown.join(", "),
        count => format!("{} and {} more", shown.join(", "), count - SHOWN),
    }
}
