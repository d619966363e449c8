//! Finds the users of a home, and checks that homes do not lie inside each other. All queries use the index on homes,
//! so their cost does not grow with the number of users.

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::relative::HomeLocations;
use super::rows::UserRow;
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// A user's name and home, with the home's quota in bytes and files.
type OverlappingHome = (String, String, Option<i64>, Option<i64>);

const COLUMNS: &str = "SELECT name, home, quota_bytes, quota_files FROM users";

/// Refuses a home inside another one: each quota would count the other's files, and one user could read the other's
/// files. Users of the same home share one account, so their quotas must be equal.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    row: &UserRow,
    old_name: Option<&UserName>,
    homes: &HomeLocations,
) -> sqlx::Result<Result<()>> {
    let us = old_name.map_or(row.name.as_str(), UserName::as_str);
    for (name, home, bytes, files) in overlapping_homes(connection, &row.home).await? {
        if name == us {
            continue;
        }
        let (ours, theirs) = (homes.located(&row.home), homes.located(&home));
        let refused = || Error::new(format!("cannot use the home {ours:?}"));
        if home != row.home {
            let (inside, around) = if theirs.as_os_str().len() < ours.as_os_str().len() {
                (&ours, &theirs)
            } else {
                (&theirs, &ours)
            };
            return Ok(Err(refused()
                .because(format!(
                    "the user \"{name}\" has {theirs:?}, and {inside:?} lies inside {around:?}"
                ))
                .hint("homes must be separate, or the same")));
        }
        if (bytes, files) != (row.quota_bytes, row.quota_files) {
            return Ok(Err(refused()
                .because(format!(
                    "the user \"{name}\" has the same home with another quota"
                ))
                .hint("users of one home share its quota: give both the same")));
        }
    }
    Ok(Ok(()))
}

/// Returns two of the users who have this home, two of those who have a home inside it, and those who have a home
/// around it. Two are enough, because one may be the user whom the query is about.
async fn overlapping_homes(
    connection: &mut SqliteConnection,
    home: &str,
) -> sqlx::Result<Vec<OverlappingHome>> {
    let same = format!("{COLUMNS} WHERE home = $1 ORDER BY name LIMIT 2");
    let mut found: Vec<OverlappingHome> = sqlx::query_as(sqlx::AssertSqlSafe(same))
        .bind(home)
        .fetch_all(&mut *connection)
        .await?;
    // Paths that begin with "HOME/" sort before "HOME0", because '0' is the character after '/'.
    let inside = format!("{COLUMNS} WHERE home > $1 || '/' AND home < $1 || '0' ORDER BY home LIMIT 2");
    let inside: Vec<OverlappingHome> = sqlx::query_as(sqlx::AssertSqlSafe(inside))
        .bind(home)
        .fetch_all(&mut *connection)
        .await?;
    found.extend(inside);
    for above in Path::new(home).ancestors().skip(1).filter_map(Path::to_str) {
        let around = format!("{COLUMNS} WHERE home = $1 ORDER BY name LIMIT 2");
        let around: Vec<OverlappingHome> = sqlx::query_as(sqlx::AssertSqlSafe(around))
            .bind(above)
            .fetch_all(&mut *connection)
            .await?;
        found.extend(around);
    }
    Ok(found)
}

/// Returns the name of a user other than this one whose home is this one, or lies inside or around it.
pub(super) async fn overlapping_user(
    connection: &mut SqliteConnection,
    home: &str,
    user: &UserName,
) -> sqlx::Result<Option<String>> {
    let found = overlapping_homes(connection, home).await?;
    let mut others = found.into_iter().map(|(name, ..)| name);
    Ok(others.find(|name| name != user.as_str()))
}

/// Returns the names of the users who have this home, in their order.
pub(super) async fn users_of(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    home: &Path,
) -> sqlx::Result<Vec<String>> {
    let home = home.to_str().map(|home| homes.stored(home));
    sqlx::query_scalar("SELECT name FROM users WHERE home = $1 ORDER BY name")
        .bind(home)
        .fetch_all(connection)
        .await
}

/// Returns the quota, in bytes and files, of the users who have this home.
pub(super) async fn quota_of(
    pool: &SqlitePool,
    home: &str,
) -> sqlx::Result<Option<(Option<i64>, Option<i64>)>> {
    sqlx::query_as("SELECT quota_bytes, quota_files FROM users WHERE home = $1 LIMIT 1")
        .bind(home)
        .fetch_optional(pool)
        .await
}
