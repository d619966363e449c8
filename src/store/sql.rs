//! The store in an SQLite file, used by the server and the command line at the same time.
//!
//! Write-ahead logging: readers never wait, writers wait for each other for up to 5 s. A change takes the write lock
//! before it reads (`BEGIN IMMEDIATE`), so that no other change comes between. Once a call has returned, its change is
//! on the disk.

mod opened;
mod writes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection as _, Sqlite, Transaction};
use tokio::sync::Mutex;

use self::writes::once_more;
use super::relative::Homes;
use super::rows::read_quota;
use super::{
    Change, Changed, News, SignIn, Store, UsageRecord, copy, failure, homes, identity, keys, news, open,
    reserve, sign_ins, usage, users,
};
use crate::domain::user::{Quota, User, UserName};
use base::error::{Error, Result};

/// Connections at once, each with a thread of its own. A question takes microseconds; many sign-ins share few.
const CONNECTIONS: u32 = 4;

/// How long a call waits for a connection: longer than a change that waits for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Users and host keys in an SQLite file.
pub struct SqlStore {
    path: PathBuf,
    pool: SqlitePool,
    migration: Option<(i64, i64)>,
    homes: Homes,
    /// See [`SqlStore::stay_open`].
    anchor: Mutex<Option<SqliteConnection>>,
}

impl SqlStore {
    /// Opens the store; makes it (mode 0600) if it is missing, and brings an older one up to date. The directory is
    /// made too, but not its parents.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = once_more(open::prepare(path).await, open::prepare(path)).await?;
        Self::connect(path, options).await
    }

    /// Opens the store, and brings an older one up to date; an error if it is missing.
    pub async fn open_existing(path: &Path) -> Result<Self> {
        let first = open::prepare_existing(path).await;
        Self::connect(path, once_more(first, open::prepare_existing(path)).await?).await
    }

    /// Opens the store to look at it, as `check` does: no file is made or changed (but for SQLite's index of the log, a
    /// cache, while there is a log), and changes are errors. Not for long: where nobody had it open, it does not see
    /// what others change from then on.
    /// One of an older version is looked at as it will be: see [`SqlStore::migration`].
    pub async fn open_read_only(path: &Path) -> Result<Self> {
        let found = open::inspect(path).await?;
        let Some((from, _)) = found.migration else {
            return Self::connect(path, found.options).await;
        };
        let path = std::path::absolute(path)
            .map_err(|error| Error::new(format!("cannot open the store {path:?}")).because(error))?;
        Ok(Self {
            pool: copy::brought_up_to_date(&path, found.is_immutable, from),
            path,
            migration: found.migration,
            homes: Homes::default(),
            anchor: Mutex::default(),
        })
    }

    /// Reads all of the file, and finds what is damaged in it.
    ///
    /// # Errors
    /// When there is something.
    pub async fn look_through(&self) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        open::look_through(&mut connection, &self.path).await
    }

    /// The version that the store has, and the one that opening it to change it brings it to, where that is another.
    pub fn migration(&self) -> Option<(i64, i64)> {
        self.migration
    }

    async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<Self> {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A file does not hang up; asking would double what a short question costs.
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_outside_transactions(connection)))
            .connect_lazy_with(options);
        Ok(Self {
            path: path.to_owned(),
            pool,
            migration: None,
            homes: Homes::default(),
            anchor: Mutex::default(),
        })
    }

    /// Takes the write lock before anything is read, so that no other change comes between.
    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>> {
        let path = self.path.clone();
        // A disk that hangs holds up this call alone.
        let _ = tokio::task::spawn_blocking(move || reserve::before_write(&path)).await;
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|e| self.failed(e))
    }

    fn failed(&self, error: sqlx::Error) -> Error {
        failure::failed(&self.path, error)
    }
}

/// May others have this connection? After a COMMIT that failed, as on a full disk, SQLite has rolled back by itself, and
/// sqlx (0.9) believes for ever that a transaction is open.
async fn is_outside_transactions(
    connection: &mut SqliteConnection,
) -> std::result::Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // A ROLLBACK may be on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Store for SqlStore {
    async fn user(&self, name: &UserName) -> Result<Option<User>> {
        // One snapshot for both questions.
        let mut read = self.pool.begin().await.map_err(|e| self.failed(e))?;
        let user = users::find(&mut read, name, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        read.rollback().await.map_err(|e| self.failed(e))?;
        user.transpose()
    }

    async fn user_with_key(&self, name: &UserName, data: &str) -> Result<Option<User>> {
        let mut read = self.pool.begin().await.map_err(|e| self.failed(e))?;
        let user = keys::find(&mut read, name, data, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        read.rollback().await.map_err(|e| self.failed(e))?;
        user.transpose()
    }

    async fn users(&self) -> Result<Vec<User>> {
        let mut read = self.pool.begin().await.map_err(|e| self.failed(e))?;
        let users = users::read_all(&mut read, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        read.rollback().await.map_err(|e| self.failed(e))?;
        users
    }

    async fn has_users(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
            .fetch_one(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn add_user(&self, user: &User) -> Result<()> {
        once_more(self.insert(user).await, self.insert(user)).await
    }

    async fn change_user(&self, name: &UserName, mut change: Change) -> Result<Changed> {
        let first = self.update(name, &mut change).await;
        once_more(first, self.update(name, &mut change)).await
    }

    async fn remove_user(&self, name: &UserName) -> Result<PathBuf> {
        once_more(self.delete(name).await, self.delete(name)).await
    }

    async fn usage(&self, home: &Path) -> Result<Option<UsageRecord>> {
        usage::read(&self.pool, &self.homes, home)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn usages(&self) -> Result<Vec<UsageRecord>> {
        usage::read_all(&self.pool, &self.homes)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn quota_of_home(&self, home: &Path) -> Result<Option<Quota>> {
        let Some(home) = home.to_str() else {
            return Ok(None);
        };
        let found = homes::quota_of(&self.pool, &self.homes.stored(home))
            .await
            .map_err(|e| self.failed(e))?;
        found
            .map(|(bytes, files)| read_quota(bytes, files))
            .transpose()
            .map_err(|error| {
                Error::new(format!("cannot read the quota of the home \"{home}\"")).because(error)
            })
    }

    async fn neighbour(&self, home: &Path, user: &UserName) -> Result<Option<String>> {
        let Some(home) = home.to_str() else {
            return Ok(None);
        };
        let mut read = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        homes::neighbour(&mut read, &self.homes.stored(home), user)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()> {
        once_more(self.write_usage(records).await, self.write_usage(records)).await
    }

    async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>> {
        sign_ins::read(&self.pool, since)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn record_sign_ins(
        &self,
        rows: &[SignIn],
        per_user: usize,
        forget_before: Timestamp,
    ) -> Result<()> {
        let first = self.write_sign_ins(rows, per_user, forget_before).await;
        once_more(first, self.write_sign_ins(rows, per_user, forget_before)).await
    }

    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        sqlx::query_as("SELECT algorithm, fingerprint FROM host_keys ORDER BY algorithm")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        let first = self.write_host_key(algorithm, fingerprint).await;
        once_more(first, self.write_host_key(algorithm, fingerprint)).await
    }

    async fn id(&self) -> Result<String> {
        identity::id(&self.pool).await.map_err(|e| self.failed(e))
    }

    async fn knows_place(&self, place: &Path) -> Result<bool> {
        identity::knows(&self.pool, place)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn record_place(&self, place: &Path) -> Result<()> {
        once_more(self.write_place(place).await, self.write_place(place)).await
    }

    async fn version(&self) -> Result<i64> {
        sqlx::query_scalar("SELECT number FROM users_revision")
            .fetch_one(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn news(&self, seen: i64) -> Result<News> {
        // One snapshot for all questions.
        let mut read = self.pool.begin().await.map_err(|e| self.failed(e))?;
        let news = news::read(&mut read, seen, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        read.rollback().await.map_err(|e| self.failed(e))?;
        Ok(news)
    }
}

#[cfg(test)]
pub(crate) mod tests;
