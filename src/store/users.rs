//! The statements that read and write users and their keys.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::folders::{FolderOwners, OwnedFolders, write_folders};
use super::many_rows::{MOST_ROWS, RowsStatement, json_list, numbered_values};
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
const COLUMNS: [&str; 12] = [
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
    "is_admin",
    "source",
];

fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain(SettingsRow::COLUMNS)
}

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
    insert_all(connection, std::slice::from_ref(row)).await
}

/// Adds the users of at most [`MOST_ROWS`] rows, without keys and folders.
///
/// The incarnation is the revision that adding the record creates. Every change creates a new revision, so no
/// incarnation is repeated. All rows are read before the first one is added, since the table has triggers.
pub(super) async fn insert_all(connection: &mut SqliteConnection, rows: &[UserRow]) -> sqlx::Result<()> {
    let names: Vec<&str> = columns().collect();
    let read: Vec<String> = (1..=names.len())
        .map(|number| format!("column{number}"))
        .collect();
    let sql = format!(
        "INSERT INTO users ({}, incarnation) SELECT {}, number + column{} FROM (VALUES {}), users_revision",
        names.join(", "),
        read.join(", "),
        names.len() + 1,
        numbered_values(rows.len(), names.len())
    );
    bind_all(sql, rows).execute(connection).await.map(|_| ())
}

/// Replaces the records that have the names of at most [`MOST_ROWS`] rows.
pub(super) async fn update_all(connection: &mut SqliteConnection, rows: &[UserRow]) -> sqlx::Result<()> {
    let names: Vec<&str> = columns().collect();
    let sql = RowsStatement::Replace.sql("users", &names, rows.len());
    bind_all(sql, rows).execute(connection).await.map(|_| ())
}

/// Replaces the record of `old_name` by the row.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    old_name: &UserName,
    row: &UserRow,
) -> sqlx::Result<()> {
    let query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(UPDATE.as_str()));
    let query = bind(query, row).bind(old_name.as_str());
    query.execute(connection).await.map(|_| ())
}

/// Binds the values of rows, one after the other.
fn bind_all(sql: String, rows: &[UserRow]) -> SqlQuery<'_> {
    let query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
    rows.iter().fold(query, bind)
}

/// Binds a row's values in the order of [`columns`].
fn bind<'q>(query: SqlQuery<'q>, row: &'q UserRow) -> SqlQuery<'q> {
    let query = query
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
        .bind(row.is_admin)
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
    write_all_lists(connection, &[user]).await
}

/// Replaces the keys and the folders of users, where they differ.
pub(super) async fn write_all_lists(connection: &mut SqliteConnection, users: &[&User]) -> sqlx::Result<()> {
    write_keys(connection, users).await?;
    let lists: Vec<OwnedFolders<'_>> = users
        .iter()
        .map(|user| OwnedFolders {
            owner: user.name.as_str(),
            folders: &user.settings.folders,
        })
        .collect();
    write_folders(connection, FolderOwners::Users, &lists).await
}

/// A key of a user.
struct KeyRow<'a> {
    name: &'a str,
    position: i64,
    line: &'a str,
}

async fn write_keys(connection: &mut SqliteConnection, users: &[&User]) -> sqlx::Result<()> {
    let sql = "SELECT user_name, line FROM user_keys WHERE user_name IN (SELECT value FROM json_each($1)) \
               ORDER BY user_name, position";
    let lines: Vec<(String, String)> = sqlx::query_as(sql)
        .bind(json_list(users.iter().map(|user| user.name.as_str())))
        .fetch_all(&mut *connection)
        .await?;
    let mut there: HashMap<String, Vec<String>> = HashMap::new();
    for (name, line) in lines {
        there.entry(name).or_default().push(line);
    }
    let differs = |user: &&User| match there.get(user.name.as_str()) {
        Some(lines) => *lines != user.keys,
        None => !user.keys.is_empty(),
    };
    let changed: Vec<&User> = users.iter().copied().filter(differs).collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM user_keys WHERE user_name IN (SELECT value FROM json_each($1))")
        .bind(json_list(changed.iter().map(|user| user.name.as_str())))
        .execute(&mut *connection)
        .await?;
    let mut rows = Vec::new();
    for user in changed {
        let numbered = (0_i64..).zip(&user.keys);
        rows.extend(numbered.map(|(position, line)| KeyRow {
            name: user.name.as_str(),
            position,
            line,
        }));
    }
    for rows in rows.chunks(MOST_ROWS) {
        let sql = RowsStatement::Add.sql("user_keys", &["user_name", "position", "line"], rows.len());
        let mut query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
        for row in rows {
            query = query.bind(row.name).bind(row.position).bind(row.line);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes a user and all that belongs to the record, and returns the stored form of the home, or `None` if there is no such
/// user.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    name: &UserName,
) -> sqlx::Result<Option<String>> {
    let homes = remove_all(connection, &[name]).await?;
    Ok(homes.into_iter().next())
}

/// Removes those users who exist, and all that belongs to their records, and returns the stored forms of their homes. No
/// other field of a record is read, so that an unreadable record can be removed.
pub(super) async fn remove_all(
    connection: &mut SqliteConnection,
    names: &[&UserName],
) -> sqlx::Result<Vec<String>> {
    let names = json_list(names.iter().map(|name| name.as_str()));
    sqlx::query("DELETE FROM user_keys WHERE user_name IN (SELECT value FROM json_each($1))")
        .bind(&names)
        .execute(&mut *connection)
        .await?;
    let sql = "DELETE FROM users WHERE name IN (SELECT value FROM json_each($1)) \
               RETURNING CAST(home AS BLOB)";
    let homes: Vec<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(&names)
        .fetch_all(&mut *connection)
        .await?;
    let text = |home: &Vec<u8>| String::from_utf8_lossy(home).into_owned();
    Ok(homes.iter().map(text).collect())
}

/// Returns the column `key_line` of those rows that have one.
pub(super) fn key_lines(rows: &[SqliteRow]) -> sqlx::Result<Vec<String>> {
    rows.iter()
        .filter_map(|row| row.try_get("key_line").transpose())
        .collect()
}
