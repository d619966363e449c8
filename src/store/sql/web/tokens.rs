//! The statements about tokens.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::columns::{bytes, time, time_if_any, user};
use crate::domain::user::UserName;
use crate::store::rows::columns::{bad, column, parsed};
use crate::store::rows::settings::SqlQuery;
use crate::store::web::TokenRecord;
use base::error::Result;

/// Returns the query for the token with this hash.
pub(super) fn by_hash(hash: &[u8; 32]) -> SqlQuery<'static> {
    let sql = "SELECT t.* FROM tokens t JOIN users u ON u.name = t.user_name AND u.incarnation = t.incarnation \
               WHERE t.hash = $1";
    sqlx::query(sql).bind(hash.to_vec())
}

/// Returns the query for the tokens of a user, or of all.
pub(super) fn of(name: Option<&UserName>) -> SqlQuery<'static> {
    let sql = "SELECT t.* FROM tokens t JOIN users u ON u.name = t.user_name AND u.incarnation = t.incarnation \
               WHERE $1 IS NULL OR t.user_name = $1 ORDER BY t.user_name, t.id";
    sqlx::query(sql).bind(name.map(ToString::to_string))
}

/// Reads a row.
pub(super) fn read(row: &SqliteRow) -> Result<TokenRecord> {
    Ok(TokenRecord {
        id: column(row, "id")?,
        user: user(row)?,
        incarnation: column(row, "incarnation")?,
        hash: bytes(row, "hash")?,
        scope: parsed(row, "scope")?.ok_or_else(|| bad("scope"))?,
        comment: column(row, "comment")?,
        created_at: time(row, "created_at")?,
        expires_at: time_if_any(row, "expires_at")?,
        last_used_at: time_if_any(row, "last_used_at")?,
    })
}

/// Returns the statement that adds a token. The id is the store's choice.
pub(super) fn insert(record: &TokenRecord) -> SqlQuery<'static> {
    let sql = "INSERT INTO tokens (user_name, incarnation, hash, scope, comment, created_at, expires_at, last_used_at) \
               SELECT name, incarnation, $3, $4, $5, $6, $7, $8 FROM users WHERE name = $1 AND incarnation = $2";
    sqlx::query(sql)
        .bind(record.user.to_string())
        .bind(record.incarnation)
        .bind(record.hash.to_vec())
        .bind(record.scope.name())
        .bind(record.comment.clone())
        .bind(record.created_at.as_second())
        .bind(record.expires_at.map(Timestamp::as_second))
        .bind(record.last_used_at.map(Timestamp::as_second))
}

/// Returns the statement that removes one token of a user.
pub(super) fn remove(name: &UserName, id: i64) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM tokens WHERE user_name = $1 AND id = $2")
        .bind(name.to_string())
        .bind(id)
}

/// Returns the statement that notes a use.
pub(super) fn used(id: i64, at: Timestamp) -> SqlQuery<'static> {
    sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND coalesce(last_used_at, 0) < $2")
        .bind(id)
        .bind(at.as_second())
}

/// Returns the statement that removes the tokens that have expired by then.
pub(super) fn remove_expired(before: Timestamp) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM tokens WHERE expires_at <= $1").bind(before.as_second())
}
