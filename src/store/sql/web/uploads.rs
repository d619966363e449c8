//! The statements about unfinished uploads.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::columns::{bytes, number, storable, time, user};
use crate::domain::user::UserName;
use crate::store::rows::columns::{bad, column};
use crate::store::rows::settings::SqlQuery;
use crate::store::web::UploadRecord;
use base::error::Result;

/// Returns the query for the upload with this id.
pub(super) fn by_id(id: &[u8; 16]) -> SqlQuery<'static> {
    let sql = "SELECT p.* FROM uploads p JOIN users u ON u.name = p.user_name AND u.incarnation = p.incarnation \
               WHERE p.id = $1";
    sqlx::query(sql).bind(id.to_vec())
}

/// Returns the query for the uploads of a user.
pub(super) fn of(name: &UserName) -> SqlQuery<'static> {
    let sql = "SELECT p.* FROM uploads p JOIN users u ON u.name = p.user_name AND u.incarnation = p.incarnation \
               WHERE p.user_name = $1 ORDER BY p.created_at, p.id";
    sqlx::query(sql).bind(name.to_string())
}

/// Returns the query for uploads that have expired.
pub(super) fn expired(now: Timestamp, most: u32) -> SqlQuery<'static> {
    let sql = "SELECT p.* FROM uploads p JOIN users u ON u.name = p.user_name AND u.incarnation = p.incarnation \
               WHERE p.expires_at <= $1 ORDER BY p.expires_at, p.id LIMIT $2";
    sqlx::query(sql).bind(now.as_second()).bind(i64::from(most))
}

/// Reads a row.
pub(super) fn read(row: &SqliteRow) -> Result<UploadRecord> {
    let sha256: Option<Vec<u8>> = column(row, "sha256")?;
    Ok(UploadRecord {
        id: bytes(row, "id")?,
        user: user(row)?,
        incarnation: column(row, "incarnation")?,
        share: column(row, "share")?,
        path: column(row, "path")?,
        size: number(row, "size")?,
        mtime: column(row, "mtime")?,
        sha256: sha256
            .map(|digest| digest.try_into().map_err(|_| bad("sha256")))
            .transpose()?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
    })
}

/// Returns the statement that adds an upload.
pub(super) fn insert(record: &UploadRecord) -> Result<SqlQuery<'static>> {
    let sql = "INSERT INTO uploads (id, user_name, incarnation, share, path, size, mtime, sha256, created_at, \
               expires_at) SELECT $1, name, incarnation, $4, $5, $6, $7, $8, $9, $10 \
               FROM users WHERE name = $2 AND incarnation = $3";
    Ok(sqlx::query(sql)
        .bind(record.id.to_vec())
        .bind(record.user.to_string())
        .bind(record.incarnation)
        .bind(record.share)
        .bind(record.path.clone())
        .bind(storable(record.size, "a file")?)
        .bind(record.mtime)
        .bind(record.sha256.map(|digest| digest.to_vec()))
        .bind(record.created_at.as_second())
        .bind(record.expires_at.as_second()))
}

/// Returns the statement that removes one upload.
pub(super) fn remove(id: &[u8; 16]) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM uploads WHERE id = $1").bind(id.to_vec())
}
