//! Formats users, and changes of users, as text.

use std::fmt::Write as _;

use crate::cli::{output, sharing};
use crate::domain::user::UserSource;
use crate::ops::users::change::{ConfirmedChange, UserChange};
use crate::ops::users::view::UserView;
use base::size::Size;

/// Formats a user, with a line for each property.
pub fn user(view: &UserView) -> String {
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let networks: Vec<String> = view.allowed_from.iter().map(ToString::to_string).collect();
    let factors: Vec<&str> = view.require.iter().map(|f| f.name()).collect();
    let sessions = view.max_sessions.map(|n| n.to_string());
    let expires = view.expires_at.map(output::time);
    let rows = [
        ("name", view.name.to_string()),
        (
            "group",
            view.group.as_ref().map_or("none".into(), ToString::to_string),
        ),
        ("enabled", if view.enabled { "yes" } else { "no" }.to_owned()),
        (
            "administrator",
            if view.is_admin { "yes" } else { "no" }.to_owned(),
        ),
        ("home", view.home.display().to_string()),
        (
            "password",
            match (view.source, view.password_kind) {
                (UserSource::External, _) => {
                    "judged by the outside source of users ([auth.external])".to_owned()
                }
                (UserSource::Local, None) => "none".to_owned(),
                (UserSource::Local, Some("argon2id")) => "set".to_owned(),
                (UserSource::Local, Some(other)) => format!("set (hashed by {other} until the next sign-in)"),
            },
        ),
        ("second factor", second_factor(view)),
        ("used", view.usage.used()),
        ("quota", sharing::quota(view.quota)),
        ("sessions", sessions.unwrap_or("the server's limit".into())),
        ("permissions", sharing::rules(&view.permissions)),
        ("from", or(networks.join(", "), "anywhere")),
        (
            "sign-in needs",
            or(factors.join(" and "), needed_by_default(view)),
        ),
        ("expires", expires.unwrap_or("never".into())),
        ("uploads", format!("{} (rate)", view.rates.up)),
        ("downloads", format!("{} (rate)", view.rates.down)),
    ];
    let mut text = output::lines(&rows);
    // Writing into a string does not fail.
    text.push_str(&sharing::folders(&view.folders, &view.folder_usage));
    text.push_str(&sharing::creation(&view.creation));
    if let Some(time) = view.last_sign_in {
        let _ = writeln!(text, "{:<14} {}", "last sign-in", output::time(time));
    }
    if let Some(count) = view.sessions {
        let _ = writeln!(text, "{:<14} {count}", "signed in");
    }
    if !view.comment.is_empty() {
        let _ = writeln!(text, "{:<14} {}", "comment", view.comment);
    }
    for key in &view.keys {
        let _ = writeln!(text, "{:<14} {} {}", "key", key.fingerprint, key.comment);
    }
    for principal in &view.principals {
        let _ = writeln!(text, "{:<14} {principal}", "principal");
    }
    text
}

/// Returns what a user shows of whom nothing is required by name.
fn needed_by_default(view: &UserView) -> &'static str {
    match view.totp {
        None => "a key or the password",
        Some(_) => "a key, or the password and a code",
    }
}

fn second_factor(view: &UserView) -> String {
    match view.totp.map(|totp| totp.recovery_codes_left) {
        None => "none".to_owned(),
        Some(1) => "one-time codes, 1 recovery code left".to_owned(),
        Some(left) => format!("one-time codes, {left} recovery codes left"),
    }
}

/// Formats a table of users, with a line for each.
pub fn table(users: &[UserView]) -> String {
    let header = ["NAME", "STATE", "USED", "QUOTA", "SIGNS IN WITH", "HOME"];
    let mut rows = vec![header.map(str::to_owned)];
    for user in users {
        let quota = user.quota.bytes.map(|b| Size(b).to_string());
        rows.push([
            user.name.to_string(),
            if user.enabled { "enabled" } else { "disabled" }.to_owned(),
            user.usage.used_bytes.map_or_else(
                || "-".to_owned(),
                |bytes| format!("{}{}", user.usage.at_most(), Size(bytes)),
            ),
            quota.unwrap_or("unlimited".to_owned()),
            ways_to_sign_in(user),
            user.home.display().to_string(),
        ]);
    }
    output::columns(&rows)
}

fn ways_to_sign_in(user: &UserView) -> String {
    let source = (user.source == UserSource::External).then(|| "outside source".to_owned());
    let password = user.has_password.then(|| "password".to_owned());
    let keys = match user.keys.len() {
        0 => None,
        n => Some(output::counted(n, "key")),
    };
    let codes = user.totp.map(|_| "codes".to_owned());
    let ways: Vec<String> = source
        .into_iter()
        .chain(password)
        .chain(keys)
        .chain(codes)
        .collect();
    match ways.is_empty() {
        true => "nothing".to_owned(),
        false => ways.join(", "),
    }
}

/// Formats a change that is in force: what was done, and how many sessions were ended by it.
pub fn change(change: &ConfirmedChange) -> String {
    let mut text = match change.is_change {
        true => what(change),
        false => format!("unchanged: {}", change.user),
    };
    text.push_str(&sharing::ended(change.effect, change.is_change));
    text.push('\n');
    if let Some(note) = note(change) {
        text.push_str(&format!("{note}\n"));
    }
    text.push_str(&sharing::busy(change.effect));
    text
}

/// Formats what was done, as a clause.
fn what(change: &ConfirmedChange) -> String {
    let user = &change.user;
    match &change.what {
        UserChange::Added { home, home_existed } => {
            let existed = if *home_existed {
                ", which was there already"
            } else {
                ""
            };
            format!("added {user}, at home in \"{}\"{existed}", home.display())
        }
        UserChange::Set { .. } => format!("changed {user}"),
        UserChange::Moved { from, to } => format!(
            "moved the home of {user} from \"{}\" to \"{}\"",
            from.display(),
            to.display()
        ),
        UserChange::Enabled(true) => format!("{user} is enabled"),
        UserChange::Enabled(false) => format!("{user} is disabled"),
        UserChange::PasswordSet => format!("password of {user} changed"),
        UserChange::TotpEnrolled => format!("{user} has a new second factor, which is in force"),
        UserChange::TotpReset => format!("the second factor of {user} was taken away"),
        UserChange::TokenRemoved(id) => format!("removed token {id} of {user}"),
        UserChange::Renamed { old_name, .. } => format!("renamed {old_name} to {user}"),
        UserChange::KeysAdded(fingerprints) => {
            let lines = fingerprints
                .iter()
                .map(|print| format!("added {print} to {user}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        UserChange::KeyRemoved(fingerprint) => format!("removed {fingerprint} from {user}"),
        UserChange::Removed {
            home,
            home_deleted: true,
        } => format!("removed {user} and deleted \"{}\"", home.display()),
        UserChange::Removed { .. } => format!("removed {user}"),
    }
}

/// Formats a second line, about what stays the same.
fn note(change: &ConfirmedChange) -> Option<String> {
    match &change.what {
        UserChange::Renamed { home, .. } => Some(format!("the home stays \"{}\"", home.display())),
        UserChange::Set {
            left_home: Some(home),
        }
        | UserChange::Removed {
            home,
            home_deleted: false,
        } => Some(format!("the files in \"{}\" stay there", home.display())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::running::Effect;
    use crate::shapes::json::ChangeJson;

    #[test]
    fn what_has_come_of_a_change_is_said_in_words_and_in_json() {
        let confirmed =
            |left_home: Option<&str>, is_change, effect: Option<(usize, usize)>| ConfirmedChange {
                user: "calvin".parse().unwrap(),
                what: UserChange::Set {
                    left_home: left_home.map(Into::into),
                },
                is_change,
                effect: effect.map(|(sessions_ended, still_busy)| Effect {
                    sessions_ended,
                    still_busy,
                }),
            };
        let check = |confirmed: ConfirmedChange, text: &str, json: serde_json::Value| {
            assert_eq!(change(&confirmed), text);
            let shown = output::json(&ChangeJson::from(&confirmed)).unwrap();
            let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(shown, json);
        };
        let json = |changed: bool, confirmed: bool, ended: usize, busy: usize| {
            serde_json::json!({
                "v": 1, "user": "calvin", "changed": changed, "confirmed": confirmed,
                "sessions_ended": ended, "still_busy": busy,
            })
        };
        let done = |effect| confirmed(None, true, effect);
        check(done(None), "changed calvin\n", json(true, false, 0, 0));
        check(
            done(Some((0, 0))),
            "changed calvin; 0 sessions ended\n",
            json(true, true, 0, 0),
        );
        let text = "changed calvin; 1 session ended\nthe files in \"/old\" stay there\n";
        check(
            confirmed(Some("/old"), true, Some((1, 0))),
            text,
            json(true, true, 1, 0),
        );
        let same = |effect| confirmed(None, false, effect);
        check(same(None), "unchanged: calvin\n", json(false, false, 0, 0));
        check(same(Some((0, 0))), "unchanged: calvin\n", json(false, true, 0, 0));
        check(
            same(Some((2, 0))),
            "unchanged: calvin; 2 sessions ended\n",
            json(false, true, 2, 0),
        );
        let busy = done(Some((3, 1)));
        let text = change(&busy);
        assert!(text.contains("; 3 sessions ended\nfor 1 of these"), "{text}");
        assert!(busy.is_busy());
    }
}
