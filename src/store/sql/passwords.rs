//! The password hashes of all users, in the SQLite file.

use super::SqlStore;
use super::database::Database;
use crate::domain::user::PasswordHash;
use crate::store::PasswordStore;
use base::error::Result;

/// Selects the hashes. Their beginnings are compared as bytes.
const UNUSUAL: &str = "SELECT DISTINCT password_hash FROM users WHERE password_hash IS NOT NULL \
     AND substr(password_hash, 1, length($1)) <> $1 \
     AND ($2 < 0 OR name IN (SELECT name FROM changed_users WHERE number > $2))";

#[async_trait::async_trait]
impl PasswordStore for SqlStore {
    async fn unusual_hashes(&self, usual: &str, since: i64) -> Result<Vec<PasswordHash>> {
        let hashes = read(&self.db, usual, since).await;
        let hashes = hashes.map_err(|e| self.db.failed(e))?;
        Ok(hashes.into_iter().map(PasswordHash::new).collect())
    }
}

async fn read(db: &Database, usual: &str, since: i64) -> sqlx::Result<Vec<String>> {
    let mut reader = db.reader.acquire(&db.pool).await?;
    let hashes: sqlx::Result<Vec<String>> = sqlx::query_scalar(UNUSUAL)
        .bind(usual)
        .bind(since)
        .fetch_all(reader.connection()?)
        .await;
    reader.ended(hashes)
}
