//! What the store keeps for the web page and the API, in the SQLite file: the transactions. The statements of each table
//! are in a module of their own.

mod browser_sessions;
mod columns;
mod shares;
mod tokens;
mod uploads;

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::user::UserName;
use crate::store::WebStore;
use crate::store::rows::settings::SqlQuery;
use crate::store::web::{
    BrowserSessionRecord, KEPT_AFTER_EXPIRY_HOURS, MOST_SHARES, MOST_TOKENS, MOST_UPLOADS, ShareRecord,
    TokenRecord, UploadRecord,
};
use base::error::{Error, Result};

/// A limit on the rows of a table that belong to one user.
struct RowLimit {
    table: &'static str,
    /// What a row is, in plural.
    what: &'static str,
    most: u32,
    hint: &'static str,
}

impl RowLimit {
    /// Returns an error if the user has as many rows as are allowed.
    async fn check(&self, db: &Database, write: &mut SqliteConnection, owner: &UserName) -> Result<()> {
        let sql = format!("SELECT COUNT(*) FROM {} WHERE user_name = $1", self.table);
        let count: sqlx::Result<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(owner.as_str())
            .fetch_one(write)
            .await;
        match count.map_err(|e| db.failed(e))? < i64::from(self.most) {
            true => Ok(()),
            false => Err(Error::new(format!(
                "{} has {} {}, and more are not allowed",
                owner, self.most, self.what
            ))
            .hint(self.hint)),
        }
    }
}

/// Adds one row for a user, after the rows of the user were counted. Returns the number of the row.
async fn add(
    db: &Database,
    owner: &UserName,
    limit: RowLimit,
    statement: impl Fn() -> Result<SqlQuery<'static>> + Sync,
) -> Result<i64> {
    retry_if_disk_was_full(|| add_once(db, owner, &limit, &statement)).await
}

async fn add_once(
    db: &Database,
    owner: &UserName,
    limit: &RowLimit,
    statement: &(impl Fn() -> Result<SqlQuery<'static>> + Sync),
) -> Result<i64> {
    let mut write = db.begin_write().await?;
    limit.check(db, &mut write, owner).await?;
    let done = statement()?.execute(&mut *write).await;
    let done = done.map_err(|e| db.failed(e))?;
    must_be_added(done.rows_affected(), owner)?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(done.last_insert_rowid())
}

/// Every INSERT selects the user's record, so that nothing is added for a record that is not there any more.
fn must_be_added(rows: u64, owner: &UserName) -> Result<()> {
    match rows {
        0 => Err(Error::new(format!("the user \"{owner}\" was removed or renamed meanwhile")).not_found()),
        _ => Ok(()),
    }
}

/// Runs one statement, and returns the number of rows that it has changed.
async fn run(db: &Database, statement: impl Fn() -> SqlQuery<'static> + Sync) -> Result<u64> {
    retry_if_disk_was_full(|| run_once(db, &statement)).await
}

async fn run_once(db: &Database, statement: &(impl Fn() -> SqlQuery<'static> + Sync)) -> Result<u64> {
    let mut write = db.begin_write().await?;
    let done = statement().execute(&mut *write).await;
    let done = done.map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(done.rows_affected())
}

/// Reads at most one row.
async fn read_one<T>(
    db: &Database,
    query: SqlQuery<'static>,
    read: impl Fn(&SqliteRow) -> Result<T>,
) -> Result<Option<T>> {
    let row = query.fetch_optional(&db.pool).await;
    row.map_err(|e| db.failed(e))?.as_ref().map(read).transpose()
}

/// Reads all rows. One that cannot be read is an error.
async fn read_all<T>(
    db: &Database,
    query: SqlQuery<'static>,
    read: impl Fn(&SqliteRow) -> Result<T>,
) -> Result<Vec<T>> {
    let rows = query.fetch_all(&db.pool).await;
    rows.map_err(|e| db.failed(e))?.iter().map(read).collect()
}

#[async_trait::async_trait]
impl WebStore for SqlStore {
    async fn add_browser_session(&self, record: &BrowserSessionRecord) -> Result<()> {
        retry_if_disk_was_full(|| add_browser_session(&self.db, record)).await
    }

    async fn browser_session(&self, id_hash: &[u8; 32]) -> Result<Option<BrowserSessionRecord>> {
        read_one(
            &self.db,
            browser_sessions::by_hash(id_hash),
            browser_sessions::read,
        )
        .await
    }

    async fn browser_sessions_of(&self, name: &UserName) -> Result<Vec<BrowserSessionRecord>> {
        read_all(&self.db, browser_sessions::of(name), browser_sessions::read).await
    }

    async fn touch_browser_session(&self, id_hash: &[u8; 32], at: Timestamp, address: IpAddr) -> Result<()> {
        run(&self.db, || browser_sessions::touch(id_hash, at, address))
            .await
            .map(drop)
    }

    async fn remove_browser_session(&self, id_hash: &[u8; 32]) -> Result<bool> {
        let removed = run(&self.db, || browser_sessions::remove(id_hash)).await?;
        Ok(removed > 0)
    }

    async fn remove_browser_sessions_of(&self, name: &UserName, except: Option<&[u8; 32]>) -> Result<u64> {
        run(&self.db, || browser_sessions::remove_of(name, except)).await
    }

    async fn remove_expired(&self, now: Timestamp) -> Result<()> {
        let kept = SignedDuration::from_hours(KEPT_AFTER_EXPIRY_HOURS);
        let long_ago = now.checked_sub(kept).unwrap_or(Timestamp::UNIX_EPOCH);
        run(&self.db, || browser_sessions::remove_expired(now)).await?;
        run(&self.db, || tokens::remove_expired(long_ago)).await?;
        run(&self.db, || shares::remove_expired(long_ago)).await.map(drop)
    }

    async fn add_token(&self, record: &TokenRecord) -> Result<i64> {
        let limit = RowLimit {
            table: "tokens",
            what: "tokens",
            most: MOST_TOKENS,
            hint: "homeportd token remove USER ID",
        };
        add(&self.db, &record.user, limit, || Ok(tokens::insert(record))).await
    }

    async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>> {
        read_one(&self.db, tokens::by_hash(hash), tokens::read).await
    }

    async fn tokens(&self, name: Option<&UserName>) -> Result<Vec<TokenRecord>> {
        read_all(&self.db, tokens::of(name), tokens::read).await
    }

    async fn remove_token(&self, name: &UserName, id: i64) -> Result<bool> {
        let removed = run(&self.db, || tokens::remove(name, id)).await?;
        Ok(removed > 0)
    }

    async fn token_used(&self, id: i64, at: Timestamp) -> Result<()> {
        run(&self.db, || tokens::used(id, at)).await.map(drop)
    }

    async fn add_share(&self, record: &ShareRecord) -> Result<i64> {
        let limit = RowLimit {
            table: "shares",
            what: "shares",
            most: MOST_SHARES,
            hint: "remove one that is not needed any more",
        };
        add(&self.db, &record.user, limit, || shares::insert(record)).await
    }

    async fn share_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ShareRecord>> {
        read_one(&self.db, shares::by_hash(hash), shares::read).await
    }

    async fn shares(&self, name: Option<&UserName>) -> Result<Vec<ShareRecord>> {
        read_all(&self.db, shares::of(name), shares::read).await
    }

    async fn remove_share(&self, name: &UserName, id: i64) -> Result<bool> {
        let removed = run(&self.db, || shares::remove(name, id)).await?;
        Ok(removed > 0)
    }

    async fn take_share_use(&self, id: i64) -> Result<bool> {
        let taken = run(&self.db, || shares::take_use(id)).await?;
        Ok(taken > 0)
    }

    async fn take_share_bytes(&self, id: i64, bytes: u64) -> Result<bool> {
        let Ok(bytes) = i64::try_from(bytes) else {
            return Ok(false);
        };
        let taken = run(&self.db, || shares::take_bytes(id, bytes)).await?;
        Ok(taken > 0)
    }

    async fn add_upload(&self, record: &UploadRecord) -> Result<()> {
        let limit = RowLimit {
            table: "uploads",
            what: "unfinished uploads",
            most: MOST_UPLOADS,
            hint: "finish them, or remove those that are not to go on",
        };
        add(&self.db, &record.user, limit, || uploads::insert(record))
            .await
            .map(drop)
    }

    async fn upload(&self, id: &[u8; 16]) -> Result<Option<UploadRecord>> {
        read_one(&self.db, uploads::by_id(id), uploads::read).await
    }

    async fn uploads_of(&self, name: &UserName) -> Result<Vec<UploadRecord>> {
        read_all(&self.db, uploads::of(name), uploads::read).await
    }

    async fn remove_upload(&self, id: &[u8; 16]) -> Result<bool> {
        let removed = run(&self.db, || uploads::remove(id)).await?;
        Ok(removed > 0)
    }

    async fn expired_uploads(&self, now: Timestamp, most: u32) -> Result<Vec<UploadRecord>> {
        read_all(&self.db, uploads::expired(now, most), uploads::read).await
    }
}

async fn add_browser_session(db: &Database, record: &BrowserSessionRecord) -> Result<()> {
    let mut write = db.begin_write().await?;
    let added = browser_sessions::insert(record).execute(&mut *write).await;
    must_be_added(added.map_err(|e| db.failed(e))?.rows_affected(), &record.user)?;
    browser_sessions::remove_surplus(record)
        .execute(&mut *write)
        .await
        .map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))
}
