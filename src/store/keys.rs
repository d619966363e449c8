//! Finds a user with one of their keys, by index.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::relative::HomeLocations;
use super::rows::read_user;
use crate::domain::user::{User, UserName};
use base::error::Result;

/// The second question is for lines whose key the store cannot tell by itself.
pub(super) const LINES: &str = "SELECT line FROM user_keys WHERE user_name = $1 AND data = $2 \
     UNION ALL SELECT line FROM user_keys WHERE user_name = $1 AND data IS NULL";

/// The user; for a name that nobody has, any user, whose record is read and thrown away: else the time that this takes
/// would tell who exists.
const USER: &str = "SELECT * FROM users WHERE name = \
     coalesce((SELECT name FROM users WHERE name = $1), (SELECT name FROM users LIMIT 1))";

/// The user with the lines that may be of this key. All is asked and read whether the user exists or not.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &UserName,
    data: &str,
    homes: &HomeLocations,
) -> sqlx::Result<Option<Result<User>>> {
    let row = sqlx::query(USER)
        .bind(name.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let lines = sqlx::query_scalar(LINES)
        .bind(name.as_str())
        .bind(data)
        .fetch_all(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let user = read_user(&row, lines, homes);
    let found: String = row.try_get("name")?;
    Ok((found == name.as_str()).then_some(user))
}
