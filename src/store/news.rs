//! The tables that say which users and homes were changed last, and by which revision.

use sqlx::sqlite::SqliteConnection;

use super::News;
use super::relative::Homes;
use crate::user::UserName;

/// What was changed after the revision `seen`.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    seen: i64,
    located: &Homes,
) -> sqlx::Result<News> {
    let number = sqlx::query_scalar("SELECT number FROM users_revision")
        .fetch_one(&mut *connection)
        .await?;
    if number == seen {
        return Ok(News {
            number,
            ..News::default()
        });
    }
    let users: Vec<String> = sqlx::query_scalar("SELECT name FROM changed_users WHERE number > $1")
        .bind(seen)
        .fetch_all(&mut *connection)
        .await?;
    let homes: Vec<String> = sqlx::query_scalar("SELECT home FROM changed_homes WHERE number > $1")
        .bind(seen)
        .fetch_all(&mut *connection)
        .await?;
    Ok(News {
        number,
        // A name that none can have was written by hand, and nobody signs in by it.
        users: users
            .iter()
            .filter_map(|name| UserName::stored(name).ok())
            .collect(),
        homes: homes.iter().map(|home| located.located(home)).collect(),
    })
}
