//! Users as rows: the only place that knows how a record's fields are written in SQL. [`settings`] does the same for what
//! users and groups have in common.

pub(super) mod columns;
pub(super) mod settings;

use std::path::{Component, Path, PathBuf};

use sqlx::sqlite::SqliteRow;

use self::columns::{bad, column, parsed, read_limit};
use self::settings::{SettingsRow, read_settings};
use super::relative::HomeLocations;
use crate::domain::quota::Limit;
use crate::domain::user::{Inherited, PasswordHash, Quota, SealedSecret, User, UserName};
use base::advice;
use base::error::{Error, Result};

/// The columns of a user, ready to be bound to a statement.
pub(super) struct UserRow {
    pub name: String,
    pub comment: String,
    pub group_name: Option<String>,
    pub password_hash: Option<String>,
    pub password_set_at: Option<String>,
    pub principals: String,
    pub totp: Option<String>,
    pub home: String,
    pub enabled: bool,
    pub expires_at: Option<String>,
    pub is_admin: bool,
    pub source: &'static str,
    pub settings: SettingsRow,
}

impl UserRow {
    /// Converts a record to a row, and checks what the record's types do not guarantee.
    pub(super) fn new(user: &User, homes: &HomeLocations) -> Result<Self> {
        let refused =
            |error: Error| Error::new(format!("cannot store the user \"{}\"", user.name)).because(error);
        for line in user.keys.iter().chain(&user.principals) {
            if line.contains(['\n', '\r', '\0']) {
                return Err(refused(Error::new("a key or a principal has more than one line")));
            }
        }
        Ok(Self {
            name: user.name.to_string(),
            comment: user.comment.clone(),
            group_name: user.group.as_ref().map(ToString::to_string),
            password_hash: user.password_hash.as_ref().map(|hash| hash.as_phc().to_owned()),
            password_set_at: user.password_set_at.map(|at| at.to_string()),
            principals: user.principals.join("\n"),
            totp: user.totp.as_ref().map(|secret| secret.as_text().to_owned()),
            home: homes.stored(&directory_text("home", &user.home).map_err(refused)?),
            enabled: user.enabled,
            expires_at: user.expires_at.map(|at| at.to_string()),
            is_admin: user.is_admin,
            source: user.source.name(),
            settings: SettingsRow::new(&user.settings).map_err(refused)?,
        })
    }
}

/// Reads a record from a row that [`UserRow`] wrote, without what it refers to.
pub(super) fn read_user(row: &SqliteRow, keys: Vec<String>, homes: &HomeLocations) -> Result<User> {
    let name: String = column(row, "name")?;
    let user = || -> Result<User> {
        Ok(User {
            name: UserName::stored(&name)?,
            incarnation: column(row, "incarnation")?,
            comment: column(row, "comment")?,
            group: parsed::<_>(row, "group_name")?,
            password_hash: column::<Option<String>>(row, "password_hash")?.map(PasswordHash::new),
            password_set_at: parsed(row, "password_set_at")?,
            keys,
            principals: column::<String>(row, "principals")?
                .lines()
                .map(ToOwned::to_owned)
                .collect(),
            totp: column::<Option<String>>(row, "totp")?.map(SealedSecret::new),
            home: homes.located(&column::<String>(row, "home")?),
            enabled: column(row, "enabled")?,
            expires_at: parsed(row, "expires_at")?,
            is_admin: column(row, "is_admin")?,
            source: parsed(row, "source")?.ok_or_else(|| bad("source"))?,
            settings: read_settings(row)?,
            inherited: Inherited::default(),
        })
    };
    user().map_err(|error| {
        Error::new(format!("cannot read the user \"{}\"", name.escape_debug()))
            .because(error)
            .hint(format!(
                "remove the user and add it again (homeportd user remove {}; the files stay), or restore the store from a backup",
                advice::quoted(Path::new(&name))
            ))
    })
}

/// Reads a quota from its two numbers; what is not set is as in `usual`.
pub(super) fn read_quota(bytes: Option<i64>, files: Option<i64>, usual: Quota) -> Result<Quota> {
    let limit = |number: Option<i64>, name, usual| match number {
        Some(number) => read_limit(number, name).map(|Limit(limit)| limit),
        None => Ok(usual),
    };
    Ok(Quota {
        bytes: limit(bytes, "quota_bytes", usual.bytes)?,
        files: limit(files, "quota_files", usual.files)?,
    })
}

/// Returns a home or a folder (`what`) as text: absolute and without `.`, doubled or trailing slashes, so that equal homes are equal texts.
pub(super) fn directory_text(what: &str, home: &Path) -> Result<String> {
    let refused = |why: &str| Error::new(format!("cannot use the {what} {home:?}")).because(why.to_owned());
    if !home.is_absolute() {
        return Err(refused("it is not an absolute path"));
    }
    if home.components().any(|part| part == Component::ParentDir) {
        return Err(refused("it contains \"..\""));
    }
    let plain: PathBuf = home.components().collect();
    if plain.parent().is_none() {
        return Err(refused("it is the whole system"));
    }
    let text = plain.to_str().ok_or_else(|| refused("it is not valid UTF-8"))?;
    if text.contains('\0') {
        return Err(refused("it contains a NUL byte"));
    }
    Ok(text.to_owned())
}
