//! Records in the audit log what operators change: users, keys, quotas, host keys, sessions.
//!
//! The running server writes the events. If none is running, the command appends to the audit log itself, if there is
//! one already. A change that cannot be recorded is in force even so, and the operator is warned.

mod settings;

use std::collections::BTreeSet;
use std::path::Path;

use super::context::OpsContext;
use super::running::{RunningServer, Unanswered};
use crate::domain::event::{AdminAct, AdminRecord, Operator, Setting, SettingValue};
use crate::domain::folder::Folder;
use crate::domain::group::Group;
use crate::domain::user::User;
use crate::telemetry;
use base::error::{Error, Result};

/// The most values of a list that an event has. The rest is counted.
const MOST_LISTED: usize = 50;
/// The most bytes of each value of a list that an event has.
const LONGEST_TEXT: usize = 400;

/// Returns who runs this process. It must be called before root becomes another user.
pub fn operator_of_process() -> Operator {
    Operator {
        uid: rustix::process::getuid().as_raw(),
        sudo_user: std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty()),
        web_user: None,
    }
}

/// Records a change that no session has to learn of.
pub async fn record(act: AdminAct, context: &OpsContext<'_>) {
    let record = AdminRecord {
        by: context.server.operator(),
        act,
    };
    let recorded = match context.server.record(record.clone()).await {
        Err(Unanswered::NotRunning(_)) => append(context.installation.audit.as_deref(), vec![record]),
        recorded => recorded.map_err(|error| not_recorded(error.into())),
    };
    if let Err(error) = recorded {
        (context.warn)(&error);
    }
}

/// Records many changes, which the running server gets in as few requests as they fit into.
pub async fn record_all(acts: Vec<AdminAct>, context: &OpsContext<'_>) {
    let by = context.server.operator();
    let records: Vec<AdminRecord> = acts
        .into_iter()
        .map(|act| AdminRecord { by: by.clone(), act })
        .collect();
    let recorded = match context.server.record_all(&records).await {
        Err(Unanswered::NotRunning(_)) => append(context.installation.audit.as_deref(), records),
        recorded => recorded.map_err(|error| not_recorded(error.into())),
    };
    if let Err(error) = recorded {
        (context.warn)(&error);
    }
}

/// Appends changes to the audit log while no server runs. Without a log, there is nothing to append to.
///
/// # Errors
/// Returns an error if the log exists and cannot be written.
pub fn append(log: Option<&Path>, records: Vec<AdminRecord>) -> Result<()> {
    match log {
        Some(file) => telemetry::append_admin(file, records).map_err(not_recorded),
        None => Ok(()),
    }
}

fn not_recorded(cause: Error) -> Error {
    Error::new("the change is in force, but not in the audit log").because(cause)
}

/// Records what an operator has the running server do.
///
/// # Errors
/// Returns an error if the server does not confirm it.
pub async fn record_by_server(act: AdminAct, server: &dyn RunningServer) -> Result<()> {
    let by = server.operator();
    server.record(AdminRecord { by, act }).await?;
    Ok(())
}

/// Describes the change of a user's record. Without `before`, the user is new; without `after`, removed.
pub fn user_changed(what: &str, before: Option<&User>, after: Option<&User>) -> AdminAct {
    let name = before.or(after).map(|user| user.name.to_string());
    changed(
        what,
        name,
        before.map(settings::of_user),
        after.map(settings::of_user),
    )
}

/// Describes the change of a group, like [`user_changed`].
pub fn group_changed(what: &str, before: Option<&Group>, after: Option<&Group>) -> AdminAct {
    let name = before.or(after).map(|group| group.name.to_string());
    changed(
        what,
        name,
        before.map(settings::of_group),
        after.map(settings::of_group),
    )
}

/// Describes the change of a folder, like [`user_changed`].
pub fn folder_changed(what: &str, before: Option<&Folder>, after: Option<&Folder>) -> AdminAct {
    let name = before.or(after).map(|folder| folder.name.to_string());
    changed(
        what,
        name,
        before.map(settings::of_folder),
        after.map(settings::of_folder),
    )
}

/// Describes a change by the settings that differ.
fn changed(
    what: &str,
    name: Option<String>,
    before: Option<Vec<Setting>>,
    after: Option<Vec<Setting>>,
) -> AdminAct {
    let both = before.is_some() && after.is_some();
    let (mut old, mut new) = (before.unwrap_or_default(), after.unwrap_or_default());
    if both {
        let same: BTreeSet<String> = old
            .iter()
            .filter(|setting| new.contains(setting))
            .map(|setting| setting.name.clone())
            .collect();
        old.retain(|setting| !same.contains(&setting.name));
        new.retain(|setting| !same.contains(&setting.name));
        for (old, new) in old.iter_mut().zip(&mut new) {
            differences_first(&mut old.value, &mut new.value);
        }
    }
    old.iter_mut().chain(&mut new).for_each(shorten);
    AdminAct {
        what: what.to_owned(),
        name: name.unwrap_or_default(),
        before: old,
        after: new,
    }
}

/// Puts what only one of two lists has before what both have, so that a long list shows what was changed.
fn differences_first(old: &mut SettingValue, new: &mut SettingValue) {
    let (SettingValue::List(old), SettingValue::List(new)) = (old, new) else {
        return;
    };
    let both: BTreeSet<String> = old.iter().filter(|text| new.contains(text)).cloned().collect();
    for list in [old, new] {
        if list.len() > MOST_LISTED {
            list.sort_by_key(|text| both.contains(text));
        }
    }
}

/// Cuts long texts, and counts what a list has beyond [`MOST_LISTED`] values.
fn shorten(setting: &mut Setting) {
    let SettingValue::List(listed) = &mut setting.value else {
        return;
    };
    let more = listed.len().saturating_sub(MOST_LISTED);
    listed.truncate(MOST_LISTED);
    for text in listed.iter_mut().filter(|text| text.len() > LONGEST_TEXT) {
        let end = text.floor_char_boundary(LONGEST_TEXT);
        text.truncate(end);
        text.push('…');
    }
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::MemberSettings;

    fn names(settings: &[Setting]) -> Vec<&str> {
        settings.iter().map(|setting| &setting.name[..]).collect()
    }

    #[test]
    fn only_what_was_changed_is_described() {
        let before = User::blank("calvin".parse().unwrap());
        let after = User {
            enabled: false,
            settings: MemberSettings {
                max_sessions: Some(3.into()),
                ..MemberSettings::default()
            },
            ..before.clone()
        };
        let act = user_changed("user set", Some(&before), Some(&after));
        assert_eq!((&act.what[..], &act.name[..]), ("user set", "calvin"));
        assert_eq!(names(&act.before), ["enabled", "max_sessions"]);
        assert_eq!(names(&act.after), ["enabled", "max_sessions"]);
        assert_eq!(act.before[0].value, SettingValue::Flag(true));
        assert_eq!(act.after[1].value, SettingValue::Number(3));
        let act = user_changed("user add", None, Some(&after));
        assert!(act.before.is_empty() && act.after.len() > 10);
        let act = user_changed("user remove", Some(&before), None);
        assert!(act.after.is_empty() && act.before.len() > 10);
    }

    #[test]
    fn a_long_list_shows_what_was_changed_and_counts_the_rest() {
        let network = |n: u8| format!("10.0.{n}.0/24").parse().unwrap();
        let before = User {
            settings: MemberSettings {
                allowed_from: Some((0..60).map(network).collect()),
                ..MemberSettings::default()
            },
            ..User::blank("calvin".parse().unwrap())
        };
        let mut after = before.clone();
        after.settings.allowed_from.as_mut().unwrap().push(network(99));
        let act = user_changed("user set", Some(&before), Some(&after));
        let SettingValue::List(listed) = &act.after[0].value else {
            panic!("a list stays one")
        };
        assert_eq!(listed.len(), MOST_LISTED + 1);
        assert_eq!(listed[0], "10.0.99.0/24");
        assert_eq!(listed[MOST_LISTED], "and 11 more");
    }
}
