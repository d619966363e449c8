//! How users are shown: the stable JSON, and text for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::keys::KeyView;
use super::usage::HomeUsage;
use crate::domain::user::User;
use crate::telemetry::escape::in_json;
use base::error::{Error, Result};
use base::size::Size;

/// A user as `--json` shows it. The names and meanings of fields are stable; fields may be added.
#[derive(Debug, Serialize)]
pub struct UserView {
    name: String,
    enabled: bool,
    home: String,
    keys: Vec<KeyView>,
    has_password: bool,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    usage_exact: bool,
    #[serde(skip)]
    used: String,
    max_sessions: Option<u32>,
    permissions: Vec<&'static str>,
    allowed_from: Vec<String>,
    require: Vec<&'static str>,
    expires_at: Option<String>,
}

impl UserView {
    /// The record, put into words. Nothing secret is in it.
    pub fn new(user: &User, usage: Option<&HomeUsage>) -> Self {
        Self {
            name: user.name.to_string(),
            enabled: user.enabled,
            home: user.home.display().to_string(),
            keys: user.keys.iter().map(|line| KeyView::new(line)).collect(),
            has_password: user.password_hash.is_some(),
            quota_bytes: user.quota.bytes,
            quota_files: user.quota.files,
            used_bytes: usage.and_then(|usage| usage.used_bytes),
            used_files: usage.and_then(|usage| usage.used_files),
            usage_exact: usage.is_some_and(|usage| usage.usage_exact),
            used: usage.map(HomeUsage::used).unwrap_or_default(),
            max_sessions: user.max_sessions,
            permissions: user.permissions.iter().map(|p| p.name()).collect(),
            allowed_from: user.allowed_from.iter().map(ToString::to_string).collect(),
            require: user.require.iter().map(|f| f.name()).collect(),
            expires_at: user.expires_at.map(|t| t.to_string()),
        }
    }

    /// For people: a line for each thing.
    pub fn text(&self) -> String {
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let bytes = self.quota_bytes.map(|b| Size(b).to_string());
        let files = self.quota_files.map(|n| format!("{n} files"));
        let quota: Vec<String> = bytes.into_iter().chain(files).collect();
        let rows = [
            ("name", self.name.clone()),
            ("enabled", if self.enabled { "yes" } else { "no" }.to_owned()),
            ("home", self.home.clone()),
            (
                "password",
                if self.has_password { "set" } else { "none" }.to_owned(),
            ),
            ("used", or(self.used.clone(), "not measured yet")),
            ("quota", or(quota.join(", "), "unlimited")),
            (
                "sessions",
                self.max_sessions
                    .map_or("the server's limit".into(), |n| n.to_string()),
            ),
            ("permissions", or(self.permissions.join(", "), "none")),
            ("from", or(self.allowed_from.join(", "), "anywhere")),
            (
                "sign-in needs",
                or(self.require.join(" and "), "a key or the password"),
            ),
            ("expires", self.expires_at.clone().unwrap_or("never".into())),
        ];
        let mut text = lines(&rows);
        for key in &self.keys {
            let _ = writeln!(text, "{:<14} {} {}", "key", key.fingerprint, key.comment);
        }
        text
    }
}

/// A line for each name and value.
pub fn lines(rows: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<14} {value}");
    }
    text
}

/// All users, a line each; `usages` are theirs, in the same order.
pub fn table(users: &[User], usages: &[HomeUsage]) -> String {
    let header = ["NAME", "STATE", "USED", "QUOTA", "SIGNS IN WITH", "HOME"];
    let mut rows = vec![header.map(str::to_owned)];
    for (user, usage) in users.iter().zip(usages) {
        let mut ways = Vec::new();
        if user.password_hash.is_some() {
            ways.push("password".to_owned());
        }
        match user.keys.len() {
            0 => {}
            1 => ways.push("1 key".to_owned()),
            n => ways.push(format!("{n} keys")),
        }
        rows.push([
            user.name.to_string(),
            if user.enabled { "enabled" } else { "disabled" }.to_owned(),
            usage.used_bytes(),
            user.quota
                .bytes
                .map_or("unlimited".to_owned(), |b| Size(b).to_string()),
            if ways.is_empty() {
                "nothing".to_owned()
            } else {
                ways.join(", ")
            },
            user.home.display().to_string(),
        ]);
    }
    columns(&rows)
}

/// Rows of text in columns; the last is not padded.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Pretty JSON with a newline at its end. Terminals read it, too: what a peer called itself is escaped further than
/// JSON demands.
pub fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new("cannot write JSON").because(e))?;
    // The only line ends are those between values.
    Ok(text.lines().map(|line| in_json(line) + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_speak_to_a_terminal() {
        let shown = json(&["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]).unwrap();
        assert_eq!(
            shown,
            "[\n  \"a\\u009b31m\",\n  \"b\\n\\u2028\\u001b\",\n  \"\\u202eé\"\n]\n"
        );
        let back: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, ["a\u{9b}31m", "b\n\u{2028}\u{1b}", "\u{202e}é"]);
    }
}
