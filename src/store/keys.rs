//! Finds a user together with one of their keys, using an index.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::relative::HomeLocations;
use super::rows::read_user;
use crate::domain::user::{User, UserName};
use base::error::Result;

/// The second SELECT returns lines whose key the store could not determine.
pub(super) const LINES: &str = "SELECT line FROM user_keys WHERE user_name = $1 AND data = $2 \
     UNION ALL SELECT line FROM user_keys WHERE user_name = $1 AND data IS NULL";

/// Selects the user. For an unknown name it selects any user, whose record is read and discarded, so that the time does
/// not reveal which users exist.
const USER: &str = "SELECT * FROM users WHERE name = \
     coalesce((SELECT name FROM users WHERE name = $1), (SELECT name FROM users LIMIT 1))";

/// Returns the user with the lines that may contain this key. All queries run whether the user exists or not.
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
