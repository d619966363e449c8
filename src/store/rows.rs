//! Users as rows: the only place that knows how a record's fields are written in SQL.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::relative::HomeLocations;
use crate::domain::rate::{RateRule, RateRules};
use crate::domain::user::{Factor, PasswordHash, Permission, Quota, User, UserName};
use base::advice;
use base::error::{Error, Result};

/// The columns of a user, ready to be bound to a statement.
pub(super) struct UserRow {
    pub name: String,
    pub password_hash: Option<String>,
    pub home: String,
    pub enabled: bool,
    pub expires_at: Option<String>,
    pub quota_bytes: Option<i64>,
    pub quota_files: Option<i64>,
    pub max_sessions: Option<i64>,
    pub rate_up: Option<i64>,
    pub rate_down: Option<i64>,
    pub permissions: String,
    pub allowed_from: String,
    pub require: String,
}

impl UserRow {
    /// Converts a record to a row, and checks what the record's types do not guarantee.
    pub(super) fn new(user: &User, homes: &HomeLocations) -> Result<Self> {
        let refused =
            |error: Error| Error::new(format!("cannot store the user \"{}\"", user.name)).because(error);
        for line in &user.keys {
            if line.contains(['\n', '\r', '\0']) {
                return Err(refused(Error::new("a key has more than one line")));
            }
        }
        Ok(Self {
            name: user.name.to_string(),
            password_hash: user.password_hash.as_ref().map(|hash| hash.as_phc().to_owned()),
            home: homes.stored(&home_text(&user.home).map_err(refused)?),
            enabled: user.enabled,
            expires_at: user.expires_at.map(|at| at.to_string()),
            quota_bytes: limit(user.quota.bytes).map_err(refused)?,
            quota_files: limit(user.quota.files).map_err(refused)?,
            max_sessions: user.max_sessions.map(i64::from),
            rate_up: limit(user.rates.up.as_number()).map_err(refused)?,
            rate_down: limit(user.rates.down.as_number()).map_err(refused)?,
            permissions: join(user.permissions.iter().map(Permission::name)),
            allowed_from: join(user.allowed_from.iter().map(ToString::to_string)),
            require: join(user.require.iter().map(|factor| factor.name())),
        })
    }
}

/// Reads a record from a row that [`UserRow`] wrote.
pub(super) fn read_user(row: &SqliteRow, keys: Vec<String>, homes: &HomeLocations) -> Result<User> {
    let name: String = column(row, "name")?;
    let user = || -> Result<User> {
        Ok(User {
            name: UserName::stored(&name)?,
            incarnation: column(row, "incarnation")?,
            password_hash: column::<Option<String>>(row, "password_hash")?.map(PasswordHash::new),
            keys,
            home: homes.located(&column::<String>(row, "home")?),
            enabled: column(row, "enabled")?,
            expires_at: match column::<Option<String>>(row, "expires_at")? {
                Some(text) => Some(text.parse().map_err(|error| bad("expires_at").because(error))?),
                None => None,
            },
            quota: Quota {
                bytes: unsigned(row, "quota_bytes")?,
                files: unsigned(row, "quota_files")?,
            },
            max_sessions: unsigned(row, "max_sessions")?,
            rates: RateRules {
                up: RateRule::from_number(unsigned(row, "rate_up")?),
                down: RateRule::from_number(unsigned(row, "rate_down")?),
            },
            permissions: words::<Permission>(row, "permissions")?.into_iter().collect(),
            allowed_from: words(row, "allowed_from")?,
            require: words::<Factor>(row, "require")?.into_iter().collect(),
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

/// Reads a quota from its two columns.
pub(super) fn read_quota(bytes: Option<i64>, files: Option<i64>) -> Result<Quota> {
    let limit = |number: Option<i64>, name| {
        let number = number.map(u64::try_from).transpose();
        number.map_err(|_| bad(name))
    };
    Ok(Quota {
        bytes: limit(bytes, "quota_bytes")?,
        files: limit(files, "quota_files")?,
    })
}

/// Returns a home as text: absolute and without `.`, doubled or trailing slashes, so that equal homes are equal texts.
fn home_text(home: &Path) -> Result<String> {
    let refused = |why: &str| Error::new(format!("cannot use the home {home:?}")).because(why.to_owned());
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

fn limit(limit: Option<u64>) -> Result<Option<i64>> {
    limit
        .map(i64::try_from)
        .transpose()
        .map_err(|_| Error::new("a quota or rate is at most 8 EiB").hint("unlimited"))
}

fn join<S: AsRef<str>>(words: impl Iterator<Item = S>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(word.as_ref());
    }
    text
}

fn words<T: FromStr>(row: &SqliteRow, name: &'static str) -> Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = column(row, name)?;
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(|word| word.parse::<T>().map_err(|error| bad(name).because(error)))
        .collect()
}

fn unsigned<T: TryFrom<i64>>(row: &SqliteRow, name: &'static str) -> Result<Option<T>> {
    match column::<Option<i64>>(row, name)? {
        Some(number) => T::try_from(number).map(Some).map_err(|_| bad(name)),
        None => Ok(None),
    }
}

fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| bad(name).because(error))
}

fn bad(name: &'static str) -> Error {
    Error::new(format!("the column {name} has an invalid value"))
}
