//! The host keys that clients know this server by, in SQL.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnection;

/// Reads the names of the algorithms, and the fingerprint of the key of each.
pub(super) async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as("SELECT algorithm, fingerprint FROM host_keys ORDER BY algorithm")
        .fetch_all(connection)
        .await
}

/// Stores the key of an algorithm, and replaces an earlier one.
pub(super) async fn record(pool: &SqlitePool, algorithm: &str, fingerprint: &str) -> sqlx::Result<()> {
    let sql = "INSERT INTO host_keys (algorithm, fingerprint) VALUES ($1, $2) \
               ON CONFLICT (algorithm) DO UPDATE SET fingerprint = excluded.fingerprint";
    let written = sqlx::query(sql).bind(algorithm).bind(fingerprint);
    written.execute(pool).await.map(|_| ())
}

/// Removes the key of an algorithm.
pub(super) async fn forget(pool: &SqlitePool, algorithm: &str) -> sqlx::Result<()> {
    let deleted = sqlx::query("DELETE FROM host_keys WHERE algorithm = $1").bind(algorithm);
    deleted.execute(pool).await.map(|_| ())
}
