//! The statements that read and write users and their keys.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::keys::key_lines;
use super::relative::HomeLocations;
use super::rows::{UserRow, read_user};
use crate::domain::user::{User, UserName};
use base::error::Result;

/// Selects a user with each key as `key_line`, or NULL.
pub(super) const USER: &str = "SELECT users.*, user_keys.line AS key_line FROM users \
     LEFT JOIN user_keys ON user_keys.user_name = users.name \
     WHERE users.name = $1 ORDER BY user_keys.position";

/// Reads the user with this name, in one statement: see [`keys`](super::keys).
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &UserName,
    homes: &HomeLocations,
) -> sqlx::Result<Option<Result<User>>> {
    let rows = sqlx::query(USER)
        .bind(name.as_str())
        .fetch_all(connection)
        .await?;
    let keys = key_lines(&rows)?;
    Ok(rows.first().map(|row| read_user(row, keys, homes)))
}

/// Reads all users, in the order of their names.
pub(super) async fn read_all(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
) -> sqlx::Result<Result<Vec<User>>> {
    let rows = sqlx::query("SELECT * FROM users ORDER BY name")
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
        users.push(read_user(&row, keys.remove(&name).unwrap_or_default(), homes));
    }
    Ok(users.into_iter().collect())
}

/// Sets the row's quota for all users of the row's home.
pub(super) async fn share_quota(connection: &mut SqliteConnection, row: &UserRow) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE users SET quota_bytes = $1, quota_files = $2 WHERE home = $3 \
                 AND (quota_bytes IS DISTINCT FROM $1 OR quota_files IS DISTINCT FROM $2)",
    )
    .bind(row.quota_bytes)
    .bind(row.quota_files)
    .bind(&row.home)
    .execute(connection)
    .await
    .map(|_| ())
}

/// The incarnation is the revision that adding the record creates. Every change creates a new revision, so no
/// incarnation is repeated.
const INSERT: &str = "INSERT INTO users (name, password_hash, home, enabled, expires_at, quota_bytes, quota_files, \
     max_sessions, permissions, allowed_from, require, rate_up, rate_down, incarnation) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, number + 1 FROM users_revision";

const UPDATE: &str = "UPDATE users SET name = $1, password_hash = $2, home = $3, enabled = $4, expires_at = $5, \
     quota_bytes = $6, quota_files = $7, max_sessions = $8, permissions = $9, allowed_from = $10, require = $11, \
     rate_up = $12, rate_down = $13 WHERE name = $14";

/// Adds the user of a row, without keys.
pub(super) async fn insert(connection: &mut SqliteConnection, row: &UserRow) -> sqlx::Result<()> {
    bind(INSERT, row).execute(connection).await.map(|_| ())
}

/// Replaces the record of `old_name` by the row.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    old_name: &UserName,
    row: &UserRow,
) -> sqlx::Result<()> {
    let query = bind(UPDATE, row).bind(old_name.as_str());
    query.execute(connection).await.map(|_| ())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds a row's values in the order of the columns in [`INSERT`] and [`UPDATE`].
fn bind<'q>(sql: &'static str, row: &'q UserRow) -> Query<'q> {
    sqlx::query(sql)
        .bind(&row.name)
        .bind(&row.password_hash)
        .bind(&row.home)
        .bind(row.enabled)
        .bind(&row.expires_at)
        .bind(row.quota_bytes)
        .bind(row.quota_files)
        .bind(row.max_sessions)
        .bind(&row.permissions)
        .bind(&row.allowed_from)
        .bind(&row.require)
        .bind(row.rate_up)
        .bind(row.rate_down)
}

/// Replaces the keys of a user.
pub(super) async fn write_keys(connection: &mut SqliteConnection, user: &User) -> sqlx::Result<()> {
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

/// Removes a user and their keys, and returns the stored form of the home, or `None` if there is no such user. No other
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
