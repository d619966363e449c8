//! The table of unfinished uploads.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::rows::columns::column;
use super::web::UploadRecord;
use crate::domain::user::UserName;

/// Reads an upload; `None` if the row is invalid.
fn read(row: &SqliteRow) -> Option<UploadRecord> {
    let time = |name| Timestamp::from_second(column(row, name).ok()?).ok();
    let sha256: Option<Vec<u8>> = column(row, "sha256").ok()?;
    Some(UploadRecord {
        id: column::<Vec<u8>>(row, "id").ok()?.try_into().ok()?,
        user: UserName::stored(&column::<String>(row, "user_name").ok()?).ok()?,
        incarnation: column(row, "incarnation").ok()?,
        share: column(row, "share").ok()?,
        path: column(row, "path").ok()?,
        size: column::<i64>(row, "size").ok()?.try_into().ok()?,
        mtime: column(row, "mtime").ok()?,
        sha256: sha256.map(TryInto::try_into).transpose().ok()?,
        created_at: time("created_at")?,
        expires_at: time("expires_at")?,
    })
}

/// Adds an upload, unless the user's record is another one by now.
pub(super) async fn add(connection: &mut SqliteConnection, upload: &UploadRecord) -> sqlx::Result<()> {
    let sql = "INSERT INTO uploads \
               (id, user_name, incarnation, share, path, size, mtime, sha256, created_at, expires_at) \
               SELECT $1, name, incarnation, $4, $5, $6, $7, $8, $9, $10 FROM users \
               WHERE name = $2 AND incarnation = $3";
    sqlx::query(sql)
        .bind(&upload.id[..])
        .bind(upload.user.as_str())
        .bind(upload.incarnation)
        .bind(upload.share)
        .bind(&upload.path)
        // No file is larger.
        .bind(i64::try_from(upload.size).unwrap_or(i64::MAX))
        .bind(upload.mtime)
        .bind(upload.sha256.as_ref().map(|digest| &digest[..]))
        .bind(upload.created_at.as_second())
        .bind(upload.expires_at.as_second())
        .execute(connection)
        .await
        .map(drop)
}

/// Reads the upload with this number.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: &[u8; 16],
) -> sqlx::Result<Option<UploadRecord>> {
    let row = sqlx::query("SELECT * FROM uploads WHERE id = $1")
        .bind(&id[..])
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().and_then(read))
}

/// Reads the uploads of a user, the oldest first.
pub(super) async fn of_user(
    connection: &mut SqliteConnection,
    user: &UserName,
) -> sqlx::Result<Vec<UploadRecord>> {
    let rows = sqlx::query("SELECT * FROM uploads WHERE user_name = $1 ORDER BY created_at, id")
        .bind(user.as_str())
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Reads uploads that have expired by now, the oldest first, and at most so many.
pub(super) async fn expired(
    connection: &mut SqliteConnection,
    now: Timestamp,
    most: usize,
) -> sqlx::Result<Vec<UploadRecord>> {
    let rows = sqlx::query("SELECT * FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2")
        .bind(now.as_second())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Removes an upload, and returns whether it was there.
pub(super) async fn remove(connection: &mut SqliteConnection, id: &[u8; 16]) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM uploads WHERE id = $1")
        .bind(&id[..])
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
