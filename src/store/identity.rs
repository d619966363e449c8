//! The tables of the store's id and of the places that have had the store's marker.

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::relative::HomeLocations;

/// Returns the id of the store.
pub(super) async fn id(connection: &mut SqliteConnection) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT id FROM store_identity")
        .fetch_one(connection)
        .await
}

/// Reads from the store, so that SQLite opens the log's index.
pub(super) async fn touch(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT 1 FROM store_identity")
        .execute(connection)
        .await
        .map(|_| ())
}

/// Whether homes that are older than the id still need markers at their places.
pub(super) async fn marks_known_homes(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT marks_known_homes FROM store_identity")
        .fetch_one(connection)
        .await
}

/// Records that no home needs a marker any more.
pub(super) async fn known_homes_are_marked(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("UPDATE store_identity SET marks_known_homes = 0")
        .execute(pool)
        .await
        .map(|_| ())
}

/// Whether this place has had the store's marker.
pub(super) async fn knows(pool: &SqlitePool, place: &Path) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM storage_places WHERE path = $1)")
        .bind(text(place)?)
        .fetch_one(pool)
        .await
}

/// Records that the place has had the store's marker.
pub(super) async fn record(connection: &mut SqliteConnection, place: &Path) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO storage_places (path) VALUES ($1) ON CONFLICT (path) DO NOTHING")
        .bind(text(place)?)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Returns the homes that are stored as absolute paths but would now be stored relative: they are older than the
/// store's id, or `[storage] homes` has changed since.
pub(super) async fn absolute_homes(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
) -> sqlx::Result<Vec<String>> {
    // The range of paths that begin with a slash can use the index.
    let sql = "SELECT home FROM users WHERE home >= '/' AND home < '0' \
               UNION SELECT home FROM home_usage WHERE home >= '/' AND home < '0'";
    let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(connection).await?;
    Ok(found
        .into_iter()
        .filter(|home| homes.stored(home) != *home)
        .collect())
}

/// Converts the stored paths of these homes to their relative form.
pub(super) async fn rewrite_homes(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    absolute: &[String],
) -> sqlx::Result<()> {
    for home in absolute {
        for sql in [
            "UPDATE users SET home = $1 WHERE home = $2",
            // If both forms have a record, the relative one is in use.
            "UPDATE OR IGNORE home_usage SET home = $1 WHERE home = $2",
            "DELETE FROM home_usage WHERE home = $2 AND $1 <> $2",
        ] {
            sqlx::query(sql)
                .bind(homes.stored(home))
                .bind(home)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

fn text(place: &Path) -> sqlx::Result<&str> {
    let refused = || sqlx::Error::Encode("the path of a place for homes is not UTF-8".into());
    place.to_str().ok_or_else(refused)
}
