//! The statements about shares.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::columns::{bytes, number, number_if_any, storable, time, time_if_any, user};
use crate::domain::user::{PasswordHash, UserName};
use crate::store::rows::columns::column;
use crate::store::rows::settings::SqlQuery;
use crate::store::web::ShareRecord;
use base::error::Result;

/// Returns the query for the share with this hash.
pub(super) fn by_hash(hash: &[u8; 32]) -> SqlQuery<'static> {
    let sql = "SELECT s.* FROM shares s JOIN users u ON u.name = s.user_name AND u.incarnation = s.incarnation \
               WHERE s.hash = $1";
    sqlx::query(sql).bind(hash.to_vec())
}

/// Returns the query for the shares of a user, or of all.
pub(super) fn of(name: Option<&UserName>) -> SqlQuery<'static> {
    let sql = "SELECT s.* FROM shares s JOIN users u ON u.name = s.user_name AND u.incarnation = s.incarnation \
               WHERE $1 IS NULL OR s.user_name = $1 ORDER BY s.user_name, s.id";
    sqlx::query(sql).bind(name.map(ToString::to_string))
}

/// Reads a row.
pub(super) fn read(row: &SqliteRow) -> Result<ShareRecord> {
    Ok(ShareRecord {
        id: column(row, "id")?,
        hash: bytes(row, "hash")?,
        user: user(row)?,
        incarnation: column(row, "incarnation")?,
        title: column(row, "title")?,
        path: column(row, "path")?,
        is_directory: column(row, "is_directory")?,
        allows_download: column(row, "allows_download")?,
        allows_upload: column(row, "allows_upload")?,
        password_hash: column::<Option<String>>(row, "password_hash")?.map(PasswordHash::new),
        expires_at: time_if_any(row, "expires_at")?,
        uses_left: number_if_any(row, "uses_left")?,
        bytes_left: number_if_any(row, "bytes_left")?,
        created_at: time(row, "created_at")?,
        used: number(row, "used")?,
    })
}

/// Returns the statement that adds a share. The id is the store's choice.
pub(super) fn insert(record: &ShareRecord) -> Result<SqlQuery<'static>> {
    let sql = "INSERT INTO shares (user_name, incarnation, hash, title, path, is_directory, allows_download, \
               allows_upload, password_hash, expires_at, uses_left, bytes_left, created_at, used) \
               SELECT name, incarnation, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
               FROM users WHERE name = $1 AND incarnation = $2";
    let uses = record
        .uses_left
        .map(|uses| storable(uses, "a number of uses"))
        .transpose()?;
    let bytes = record
        .bytes_left
        .map(|bytes| storable(bytes, "a limit of bytes"))
        .transpose()?;
    let password = record.password_hash.as_ref();
    Ok(sqlx::query(sql)
        .bind(record.user.to_string())
        .bind(record.incarnation)
        .bind(record.hash.to_vec())
        .bind(record.title.clone())
        .bind(record.path.clone())
        .bind(record.is_directory)
        .bind(record.allows_download)
        .bind(record.allows_upload)
        .bind(password.map(|hash| hash.as_phc().to_owned()))
        .bind(record.expires_at.map(Timestamp::as_second))
        .bind(uses)
        .bind(bytes)
        .bind(record.created_at.as_second())
        .bind(storable(record.used, "a number of uses")?))
}

/// Returns the statement that removes one share of a user.
pub(super) fn remove(name: &UserName, id: i64) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM shares WHERE user_name = $1 AND id = $2")
        .bind(name.to_string())
        .bind(id)
}

/// Returns the statement that takes one use. It compares and subtracts at once, so that visitors at the same time never
/// take more than are left.
pub(super) fn take_use(id: i64) -> SqlQuery<'static> {
    let sql = "UPDATE shares SET uses_left = uses_left - 1, used = used + 1 \
               WHERE id = $1 AND (uses_left IS NULL OR uses_left > 0)";
    sqlx::query(sql).bind(id)
}

/// Returns the statement that takes bytes, like [`take_use`].
pub(super) fn take_bytes(id: i64, bytes: i64) -> SqlQuery<'static> {
    let sql = "UPDATE shares SET bytes_left = bytes_left - $2 \
               WHERE id = $1 AND (bytes_left IS NULL OR bytes_left >= $2)";
    sqlx::query(sql).bind(id).bind(bytes)
}

/// Returns the statement that removes the shares that have expired by then.
pub(super) fn remove_expired(before: Timestamp) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM shares WHERE expires_at <= $1").bind(before.as_second())
}
