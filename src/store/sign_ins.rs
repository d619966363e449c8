//! The tables of sign-ins, which say from where users have signed in, and when they have done so last.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnection;

use super::{LastSignIn, SignIn};
use crate::domain::user::UserName;

/// The most rows that are read. It is more than are kept in memory.
const MOST: i64 = 128 * 1024;

/// Reads the sign-ins since this time, the latest first. Invalid rows are left out.
pub(super) async fn read(connection: &mut SqliteConnection, since: Timestamp) -> sqlx::Result<Vec<SignIn>> {
    let sql = "SELECT user_name, source, at FROM sign_ins WHERE at >= $1 ORDER BY at DESC LIMIT $2";
    let rows: Vec<SignInRow> = sqlx::query_as(sql)
        .bind(since.as_second())
        .bind(MOST)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().filter_map(sign_in).collect())
}

/// The columns of a row: name, source, second.
type SignInRow = (String, String, i64);

fn sign_in((user, source, at): SignInRow) -> Option<SignIn> {
    Some(SignIn {
        user: UserName::stored(&user).ok()?,
        source: source.parse().ok()?,
        at: Timestamp::from_second(at).ok()?,
    })
}

/// Reads the sign-ins of one user, the latest first.
pub(super) async fn of_user(connection: &mut SqliteConnection, user: &UserName) -> sqlx::Result<Vec<SignIn>> {
    let sql = "SELECT user_name, source, at FROM sign_ins WHERE user_name = $1 ORDER BY at DESC";
    let rows: Vec<SignInRow> = sqlx::query_as(sql)
        .bind(user.as_str())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().filter_map(sign_in).collect())
}

/// Adds a sign-in unless the user does not exist any more, and removes those beyond the latest `per_user` of the same
/// user.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    sign_in: &SignIn,
    per_user: usize,
) -> sqlx::Result<()> {
    let sql = "INSERT INTO sign_ins (user_name, source, at) SELECT name, $2, $3 FROM users WHERE name = $1 \
               ON CONFLICT (user_name, source) DO UPDATE SET at = max(at, excluded.at)";
    sqlx::query(sql)
        .bind(sign_in.user.as_str())
        .bind(sign_in.source.to_string())
        .bind(sign_in.at.as_second())
        .execute(&mut *connection)
        .await?;
    let sql = "DELETE FROM sign_ins WHERE user_name = $1 AND source NOT IN \
               (SELECT source FROM sign_ins WHERE user_name = $1 ORDER BY at DESC LIMIT $2)";
    sqlx::query(sql)
        .bind(sign_in.user.as_str())
        .bind(i64::try_from(per_user).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map(drop)
}

/// Records when a user has last signed in, unless the user does not exist any more, or a later time is known.
pub(super) async fn write_last(connection: &mut SqliteConnection, sign_in: &LastSignIn) -> sqlx::Result<()> {
    let sql = "INSERT INTO last_sign_ins (user_name, at) SELECT name, $2 FROM users WHERE name = $1 \
               ON CONFLICT (user_name) DO UPDATE SET at = max(at, excluded.at)";
    sqlx::query(sql)
        .bind(sign_in.user.as_str())
        .bind(sign_in.at.as_second())
        .execute(connection)
        .await
        .map(drop)
}

/// Reads when each user, or the user with this name, has last signed in. Invalid rows are left out.
pub(super) async fn last(
    pool: &SqlitePool,
    name: Option<&UserName>,
) -> sqlx::Result<HashMap<UserName, Timestamp>> {
    let sql = "SELECT user_name, at FROM last_sign_ins WHERE $1 IS NULL OR user_name = $1";
    let rows: Vec<(String, i64)> = sqlx::query_as(sql)
        .bind(name.map(UserName::as_str))
        .fetch_all(pool)
        .await?;
    let pair =
        |(user, at): (String, i64)| Some((UserName::stored(&user).ok()?, Timestamp::from_second(at).ok()?));
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// Removes the rows that are older than `before`.
pub(super) async fn forget(connection: &mut SqliteConnection, before: Timestamp) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sign_ins WHERE at < $1")
        .bind(before.as_second())
        .execute(connection)
        .await
        .map(drop)
}
