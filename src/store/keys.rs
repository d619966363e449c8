//! Finds a user together with one of their keys, using an index.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::references::RecordContext;
use super::rows::read_user;
use super::users::{key_lines, user_columns, with_inherited};
use crate::domain::user::{User, UserName};
use base::error::Result;

/// Selects the user, with each line that may contain the key as `key_line`, or NULL. The second SELECT of lines returns
/// those whose key the store could not determine. For an unknown name it selects any user, whose record is read and
/// discarded, so that the time does not reveal which users exist. It is one statement, because each costs a wake-up of
/// the connection's thread and one of the caller's.
pub(super) const USER_WITH_KEY: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", lines.line AS key_line FROM users LEFT JOIN \
     (SELECT line FROM user_keys WHERE user_name = $1 AND data = $2 \
     UNION ALL SELECT line FROM user_keys WHERE user_name = $1 AND data IS NULL) AS lines \
     WHERE users.name = coalesce((SELECT name FROM users WHERE name = $1), (SELECT name FROM users LIMIT 1))"
);

/// Returns the user with the lines that may contain this key.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &UserName,
    data: &str,
    context: &RecordContext,
) -> sqlx::Result<Option<Result<User>>> {
    let rows = sqlx::query(USER_WITH_KEY)
        .bind(name.as_str())
        .bind(data)
        .fetch_all(&mut *connection)
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let found: String = row.try_get("name")?;
    let user = match read_user(row, key_lines(&rows)?, &context.homes) {
        Ok(user) => with_inherited(connection, user, context).await?,
        Err(error) => Err(error),
    };
    Ok((found == name.as_str()).then_some(user))
}
