//! The table of the disk usage of homes and folders, under their stored paths.

use std::path::Path;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::UsageRecord;
use super::many_rows::json_list;
use super::relative::HomeLocations;

/// A row, with the columns in the order of the queries below.
type UsageRow = (String, i64, i64, bool, Option<String>);

/// Reads the stored usage of a home.
pub(super) async fn read(
    pool: &SqlitePool,
    homes: &HomeLocations,
    home: &Path,
) -> sqlx::Result<Option<UsageRecord>> {
    let sql = "SELECT home, bytes, files, exact, measured_at FROM home_usage WHERE home = $1";
    let row: Option<UsageRow> = sqlx::query_as(sql)
        .bind(stored(homes, home)?)
        .fetch_optional(pool)
        .await?;
    row.map(|row| record(homes, row)).transpose()
}

/// Reads the stored usage of all homes.
pub(super) async fn read_all(pool: &SqlitePool, homes: &HomeLocations) -> sqlx::Result<Vec<UsageRecord>> {
    let sql = "SELECT home, bytes, files, exact, measured_at FROM home_usage";
    let rows: Vec<UsageRow> = sqlx::query_as(sql).fetch_all(pool).await?;
    rows.into_iter().map(|row| record(homes, row)).collect()
}

fn record(
    homes: &HomeLocations,
    (home, bytes, files, exact, measured_at): UsageRow,
) -> sqlx::Result<UsageRecord> {
    Ok(UsageRecord {
        home: homes.located(&home),
        bytes: u64::try_from(bytes).map_err(|e| sqlx::Error::Decode(e.into()))?,
        files: u64::try_from(files).map_err(|e| sqlx::Error::Decode(e.into()))?,
        exact,
        measured_at: measured_at
            .map(|at| at.parse::<Timestamp>())
            .transpose()
            .map_err(|e| sqlx::Error::Decode(e.into()))?,
    })
}

/// Stores the usage of a home or a folder, if it is in use. One that was removed must not reappear.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    record: &UsageRecord,
) -> sqlx::Result<()> {
    let sql = "INSERT INTO home_usage (home, bytes, files, exact, measured_at) SELECT $1, $2, $3, $4, $5 \
               WHERE (EXISTS (SELECT 1 FROM users WHERE home = $1) OR EXISTS (SELECT 1 FROM folders WHERE path = $1)) \
               ON CONFLICT (home) DO UPDATE SET bytes = excluded.bytes, files = excluded.files, \
               exact = excluded.exact, measured_at = excluded.measured_at";
    sqlx::query(sql)
        .bind(stored(homes, &record.home)?)
        // A sum of sizes above 2^63 comes from sparse files; it only needs to be above every limit.
        .bind(i64::try_from(record.bytes).unwrap_or(i64::MAX))
        .bind(i64::try_from(record.files).unwrap_or(i64::MAX))
        .bind(record.exact)
        .bind(record.measured_at.map(|at| at.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives the usage of a home to another path, to which the home was moved.
pub(super) async fn rename(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    from: &Path,
    to: &Path,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE OR REPLACE home_usage SET home = $2 WHERE home = $1")
        .bind(stored(homes, from)?)
        .bind(stored(homes, to)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the usage of a home that no user has any more.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    home: &Path,
) -> sqlx::Result<()> {
    forget_all(connection, homes, &[home]).await
}

/// Removes the usage of those homes and folders that nobody has any more.
pub(super) async fn forget_all(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    directories: &[&Path],
) -> sqlx::Result<()> {
    let paths = directories.iter().map(|directory| stored(homes, directory));
    let paths: Vec<String> = paths.collect::<sqlx::Result<_>>()?;
    let sql = "DELETE FROM home_usage WHERE home IN (SELECT value FROM json_each($1)) \
               AND NOT EXISTS (SELECT 1 FROM users WHERE users.home = home_usage.home) \
               AND NOT EXISTS (SELECT 1 FROM folders WHERE folders.path = home_usage.home)";
    sqlx::query(sql)
        .bind(json_list(paths.iter().map(String::as_str)))
        .execute(connection)
        .await?;
    Ok(())
}

fn stored(homes: &HomeLocations, home: &Path) -> sqlx::Result<String> {
    let refused = || sqlx::Error::Encode("the path of a home is not UTF-8".into());
    home.to_str().map(|home| homes.stored(home)).ok_or_else(refused)
}
