//! The statements that read and write users and their keys.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::folders::{FolderOwner, write_folders};
use super::references::{RecordContext, References};
use super::rows::settings::{SettingsRow, SqlQuery};
use super::rows::{UserRow, read_user};
use crate::domain::user::{PasswordHash, User, UserName};
use base::error::Result;

/// The columns of a user, and the folders of the user's own settings as a JSON object.
macro_rules! user_columns {
    () => {
        "users.*, (SELECT json_group_object(folder, permissions) FROM user_folders \
         WHERE user_name = users.name) AS folders"
    };
}
pub(super) use user_columns;

/// Selects a user with each key as `key_line`, or NULL.
pub(super) const USER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", user_keys.line AS key_line FROM users LEFT JOIN user_keys ON user_keys.user_name = users.name \
     WHERE users.name = $1 ORDER BY user_keys.position"
);

/// Reads the user with this name, in one statement: see [`keys`](super::keys). Another one follows for a user who has a
/// group, and one for a user who has folders.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &UserName,
    context: &RecordContext,
) -> sqlx::Result<Option<Result<User>>> {
    let rows = sqlx::query(USER)
        .bind(name.as_str())
        .fetch_all(&mut *connection)
        .await?;
    let keys = key_lines(&rows)?;
    match rows.first().map(|row| read_user(row, keys, &context.homes)) {
        Some(Ok(user)) => with_inherited(connection, user, context).await.map(Some),
        other => Ok(other),
    }
}

/// Fills in what a user's record refers to.
pub(super) async fn with_inherited(
    connection: &mut SqliteConnection,
    mut user: User,
    context: &RecordContext,
) -> sqlx::Result<Result<User>> {
    let references = References::of(connection, &user, context).await?;
    Ok(references.and_then(|references| {
        user.inherited = references.of_user(&user, context)?;
        Ok(user)
    }))
}

/// Reads all users, in the order of their names.
pub(super) async fn read_all(
    connection: &mut SqliteConnection,
    context: &RecordContext,
) -> sqlx::Result<Result<Vec<User>>> {
    let references = match References::all(connection, context).await? {
        Ok(references) => references,
        Err(error) => return Ok(Err(error)),
    };
    let rows = sqlx::query(concat!("SELECT ", user_columns!(), " FROM users ORDER BY name"))
        .fetch_all(&mut *connection)
        .await?;
    let lines: Vec<(String, String)> =
        sqlx::query_as("SELECT user_name, line FROM user_keys ORDER BY user_name, position")
            .fetch_all(&mut *connection)
            .await?;
    let mut keys: HashMap<String, Vec<String>> = HashMap::new();
    for (name, line) in lines {
        keys.entry(name).or_default().push(line);
    }
    let mut users = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("name")?;
        let user = read_user(&row, keys.remove(&name).unwrap_or_default(), &context.homes);
        users.push(user.and_then(|mut user| {
            user.inherited = references.of_user(&user, context)?;
            Ok(user)
        }));
    }
    Ok(users.into_iter().collect())
}

/// Sets the row's quota for all users of the row's home.
pub(super) async fn share_quota(connection: &mut SqliteConnection, row: &UserRow) -> sqlx::Result<()> {
    let (bytes, files) = row.settings.quota();
    sqlx::query(
        "UPDATE users SET quota_bytes = $1, quota_files = $2 WHERE home = $3 \
                 AND (quota_bytes IS DISTINCT FROM $1 OR quota_files IS DISTINCT FROM $2)",
    )
    .bind(bytes)
    .bind(files)
    .bind(&row.home)
    .execute(connection)
    .await
    .map(|_| ())
}

/// The columns that [`bind`] binds, in its order.
const COLUMNS: [&str; 11] = [
    "name",
    "comment",
    "group_name",
    "password_hash",
    "password_set_at",
    "principals",
    "totp",
    "home",
    "enabled",
    "expires_at",
    "source",
];

fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain(SettingsRow::COLUMNS)
}

/// The incarnation is the revision that adding the record creates. Every change creates a new revision, so no
/// incarnation is repeated.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = columns().collect();
    let values: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO users ({names}, incarnation) SELECT {values}, number + 1 FROM users_revision")
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let pairs: Vec<String> = columns()
        .zip(1..)
        .map(|(name, number)| format!("{name} = ${number}"))
        .collect();
    format!(
        "UPDATE users SET {} WHERE name = ${}",
        pairs.join(", "),
        pairs.len() + 1
    )
});

/// Adds the user of a row, without keys and folders.
pub(super) async fn insert(connection: &mut SqliteConnection, row: &UserRow) -> sqlx::Result<()> {
    bind(&INSERT, row).execute(connection).await.map(|_| ())
}

/// Replaces the record of `old_name` by the row.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    old_name: &UserName,
    row: &UserRow,
) -> sqlx::Result<()> {
    let query = bind(&UPDATE, row).bind(old_name.as_str());
    query.execute(connection).await.map(|_| ())
}

/// Binds a row's values in the order of [`columns`].
fn bind<'q>(sql: &'static str, row: &'q UserRow) -> SqlQuery<'q> {
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&row.name)
        .bind(&row.comment)
        .bind(&row.group_name)
        .bind(&row.password_hash)
        .bind(&row.password_set_at)
        .bind(&row.principals)
        .bind(&row.totp)
        .bind(&row.home)
        .bind(row.enabled)
        .bind(&row.expires_at)
        .bind(row.source);
    row.settings.bind(query)
}

/// Replaces a password's hash by a better one of the same password, if the record still has the old one. It is no change
/// of the record: sessions go on.
pub(super) async fn replace_hash(
    connection: &mut SqliteConnection,
    user: &User,
    better: &PasswordHash,
) -> sqlx::Result<bool> {
    let sql =
        "UPDATE users SET password_hash = $1 WHERE name = $2 AND incarnation = $3 AND password_hash = $4";
    let done = sqlx::query(sql)
        .bind(better.as_phc())
        .bind(user.name.as_str())
        .bind(user.incarnation)
        .bind(user.password_hash.as_ref().map(PasswordHash::as_phc))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Replaces the keys and the folders of a user, where they differ.
pub(super) async fn write_lists(connection: &mut SqliteConnection, user: &User) -> sqlx::Result<()> {
    write_keys(connection, user).await?;
    write_folders(connection, FolderOwner::User(&user.name), &user.settings.folders).await
}

async fn write_keys(connection: &mut SqliteConnection, user: &User) -> sqlx::Result<()> {
    let there: Vec<String> =
        sqlx::query_scalar("SELECT line FROM user_keys WHERE user_name = $1 ORDER BY position")
            .bind(user.name.as_str())
            .fetch_all(&mut *connection)
            .await?;
    if there == user.keys {
        return Ok(());
    }
    sqlx::query("DELETE FROM user_keys WHERE user_name = $1")
        .bind(user.name.as_str())
        .execute(&mut *connection)
        .await?;
    for (position, line) in (0_i64..).zip(&user.keys) {
        sqlx::query("INSERT INTO user_keys (user_name, position, line) VALUES ($1, $2, $3)")
            .bind(user.name.as_str())
            .bind(position)
            .bind(line)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes a user and all that belongs to the record, and returns the stored form of the home, or `None` if there is no such user. No other
/// field of the record is read, so that an unreadable record can be removed.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    name: &UserName,
) -> sqlx::Result<Option<String>> {
    sqlx::query("DELETE FROM user_keys WHERE user_name = $1")
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    let home: Option<Vec<u8>> =
        sqlx::query_scalar("DELETE FROM users WHERE name = $1 RETURNING CAST(home AS BLOB)")
            .bind(name.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    Ok(home.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the column `key_line` of those rows that have one.
pub(super) fn key_lines(rows: &[SqliteRow]) -> sqlx::Result<Vec<String>> {
    rows.iter()
        .filter_map(|row| row.try_get("key_line").transpose())
        .collect()
}
