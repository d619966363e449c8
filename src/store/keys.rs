//! A user with one key of theirs, by index.

use sqlx::sqlite::SqliteConnection;

use super::relative::Homes;
use super::rows::read_user;
use crate::error::Result;
use crate::user::{User, UserName};

/// The second question is for lines whose key the store cannot tell by itself.
pub(super) const LINES: &str = "SELECT line FROM user_keys WHERE user_name = $1 AND data = $2 \
     UNION ALL SELECT line FROM user_keys WHERE user_name = $1 AND data IS NULL";

/// The user with the lines that may be of this key. All questions are asked whether the user exists or not.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &UserName,
    data: &str,
    homes: &Homes,
) -> sqlx::Result<Option<Result<User>>> {
    let row = sqlx::query("SELECT * FROM users WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let lines = sqlx::query_scalar(LINES)
        .bind(name.as_str())
        .bind(data)
        .fetch_all(&mut *connection)
        .await?;
    Ok(row.map(|row| read_user(&row, lines, homes)))
}
