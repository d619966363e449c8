//! The table of tokens.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::rows::columns::column;
use super::web::{NewToken, SecretHash, TokenRecord};
use crate::domain::user::UserName;

/// The most tokens of one user: more than a person can keep apart.
pub(super) const MOST_OF_ONE_USER: i64 = 100;

/// Reads a token; `None` if the row is invalid: one whose end cannot be read would never end.
fn read(row: &SqliteRow) -> Option<TokenRecord> {
    let text = |name| column::<String>(row, name).ok();
    let time = |name| {
        let second: Option<i64> = column(row, name).ok()?;
        second.map(Timestamp::from_second).transpose().ok()
    };
    Some(TokenRecord {
        id: column(row, "id").ok()?,
        incarnation: column(row, "incarnation").ok()?,
        token: NewToken {
            hash: column::<Vec<u8>>(row, "hash").ok()?.try_into().ok()?,
            user: UserName::stored(&text("user_name")?).ok()?,
            scope: text("scope")?.parse().ok()?,
            comment: text("comment")?,
            created_at: time("created_at")??,
            expires_at: time("expires_at")?,
        },
        last_used_at: time("last_used_at")?,
    })
}

/// Adds a token for the user's current record, and returns its number; `None` if there is no such user.
pub(super) async fn add(connection: &mut SqliteConnection, token: &NewToken) -> sqlx::Result<Option<i64>> {
    let sql = "INSERT INTO tokens (hash, user_name, incarnation, scope, comment, created_at, expires_at) \
               SELECT $1, name, incarnation, $3, $4, $5, $6 FROM users WHERE name = $2 RETURNING id";
    sqlx::query_scalar(sql)
        .bind(&token.hash[..])
        .bind(token.user.as_str())
        .bind(token.scope.name())
        .bind(&token.comment)
        .bind(token.created_at.as_second())
        .bind(token.expires_at.map(Timestamp::as_second))
        .fetch_optional(connection)
        .await
}

/// Returns the number of tokens that a user has.
pub(super) async fn count(connection: &mut SqliteConnection, user: &UserName) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM tokens WHERE user_name = $1")
        .bind(user.as_str())
        .fetch_one(connection)
        .await
}

/// Reads the token with this hash.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    hash: &SecretHash,
) -> sqlx::Result<Option<TokenRecord>> {
    let row = sqlx::query("SELECT * FROM tokens WHERE hash = $1")
        .bind(&hash[..])
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().and_then(read))
}

/// Reads the tokens of a user, or all of them.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    user: Option<&UserName>,
) -> sqlx::Result<Vec<TokenRecord>> {
    let sql = "SELECT * FROM tokens WHERE $1 IS NULL OR user_name = $1 ORDER BY id";
    let rows = sqlx::query(sql)
        .bind(user.map(UserName::as_str))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Removes a token of a user, and returns whether it was there.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    user: &UserName,
    id: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM tokens WHERE user_name = $1 AND id = $2")
        .bind(user.as_str())
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Stores that a token was used.
pub(super) async fn used(connection: &mut SqliteConnection, id: i64, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query("UPDATE tokens SET last_used_at = max(coalesce(last_used_at, 0), $2) WHERE id = $1")
        .bind(id)
        .bind(at.as_second())
        .execute(connection)
        .await
        .map(drop)
}

/// Removes the tokens that were not accepted any more at this time, and returns how many.
pub(super) async fn forget(connection: &mut SqliteConnection, before: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM tokens WHERE expires_at <= $1")
        .bind(before.as_second())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
