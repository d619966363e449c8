//! The store in an SQLite file, used by the server and the command line at the same time.
//!
//! Write-ahead logging: readers never wait, writers wait for each other for up to 5 s. A change takes the write lock
//! before it reads (`BEGIN IMMEDIATE`), so that no other change comes between. Once a call has returned, its change is
//! on the disk.

mod database;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use tokio::sync::Mutex;

use self::database::{Database, once_more};
use super::open::Upgrade;
use super::relative::HomeLocations;
use super::rows::read_quota;
use super::{
    ChangedUser, News, RecordChange, SignIn, Store, UsageRecord, copy, file, homes, identity, keys, news,
    open, sign_ins, usage, users,
};
use crate::domain::user::{Quota, User, UserName};
use base::error::{Error, Result};

/// Connections at once, each with a thread of its own. A question takes microseconds; many sign-ins share few.
const CONNECTIONS: u32 = 4;

/// How long a call waits for a connection: longer than a change that waits for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Users and host keys in an SQLite file.
pub struct SqlStore {
    db: Database,
    migration: Option<Upgrade>,
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
        let Some(upgrade) = found.migration else {
            return Self::connect(path, found.options).await;
        };
        let path = std::path::absolute(path)
            .map_err(|error| Error::new(format!("cannot open the store {path:?}")).because(error))?;
        Ok(Self {
            db: Database {
                pool: copy::brought_up_to_date(&path, found.is_immutable, upgrade.from),
                path,
                homes: HomeLocations::default(),
            },
            migration: Some(upgrade),
            anchor: Mutex::default(),
        })
    }

    /// Reads all of the file, and finds what is damaged in it.
    ///
    /// # Errors
    /// When there is something.
    pub async fn look_through(&self) -> Result<()> {
        let mut connection = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        open::look_through(&mut connection, &self.db.path).await
    }

    /// The version that the store has, and the one that opening it to change it brings it to, where that is another.
    pub fn migration(&self) -> Option<Upgrade> {
        self.migration
    }

    /// Looks whether there is a file, without opening it.
    ///
    /// # Errors
    /// When there is none.
    pub fn must_exist(path: &Path) -> Result<()> {
        file::must_exist(path)
    }

    /// Looks whether this process may read and write the store's files, without opening them.
    ///
    /// # Errors
    /// When it may not; what is missing is no error.
    pub fn is_accessible(path: &Path) -> Result<()> {
        file::is_accessible(path)
    }

    /// Whether there is no store at this path yet, or one that was never written to.
    ///
    /// # Errors
    /// When what is there cannot be looked at.
    pub async fn is_missing(path: &Path) -> Result<bool> {
        open::is_missing(path).await
    }

    /// Tells the store where `[storage] homes` is: homes beneath it are written relative to it. `resolved` is the
    /// directory without links, `written` what the configuration says.
    #[must_use]
    pub fn with_homes(self, resolved: PathBuf, written: &Path) -> Self {
        Self {
            db: Database {
                homes: HomeLocations::new(resolved, written),
                ..self.db
            },
            ..self
        }
    }

    /// Brings homes that are written absolute, and lie beneath `[storage] homes`, into their relative form.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn rewrite_homes(&self) -> Result<()> {
        once_more(self.rewrite_homes_once().await, self.rewrite_homes_once()).await
    }

    async fn rewrite_homes_once(&self) -> Result<()> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let absolute = identity::absolute_homes(&mut read, &self.db.homes).await;
        drop(read);
        let absolute = absolute.map_err(|e| self.db.failed(e))?;
        if absolute.is_empty() {
            return Ok(());
        }
        let mut write = self.db.begin_write().await?;
        identity::rewrite_homes(&mut write, &self.db.homes, &absolute)
            .await
            .map_err(|e| self.db.failed(e))?;
        write.commit().await.map_err(|e| self.db.failed(e))
    }

    /// Whether there are homes from before the store's id, whose places wait for their markers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn marks_known_homes(&self) -> Result<bool> {
        identity::marks_known_homes(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    /// Notes that the places of known homes were marked.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn known_homes_are_marked(&self) -> Result<()> {
        once_more(self.homes_are_marked().await, self.homes_are_marked()).await
    }

    async fn homes_are_marked(&self) -> Result<()> {
        identity::known_homes_are_marked(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    /// Keeps one connection open until the store is closed, beside those that come and go. The last one that leaves
    /// removes the log and its index, which could not be made again on a full disk.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn stay_open(&self) -> Result<()> {
        let connection = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let mut connection = connection.detach();
        // Only a connection that has read has opened the log's index.
        identity::touch(&mut connection)
            .await
            .map_err(|e| self.db.failed(e))?;
        *self.anchor.lock().await = Some(connection);
        Ok(())
    }

    /// Closes the store; the last one to do so folds the log into the file. Calls after this one fail.
    pub async fn close(&self) {
        if let Some(anchor) = self.anchor.lock().await.take() {
            // What is wrong with it shows when the pool is closed, too.
            let _ = anchor.close().await;
        }
        self.db.pool.close().await;
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
            db: Database {
                path: path.to_owned(),
                pool,
                homes: HomeLocations::default(),
            },
            migration: None,
            anchor: Mutex::default(),
        })
    }
}

/// Whether others may have this connection. After a COMMIT that failed, as on a full disk, SQLite has rolled back by
/// itself, and sqlx (0.9) believes for ever that a transaction is open.
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
            .field("path", &self.db.path)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Store for SqlStore {
    async fn user(&self, name: &UserName) -> Result<Option<User>> {
        // One snapshot for both questions.
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let user = users::find(&mut read, name, &self.db.homes)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        user.transpose()
    }

    async fn user_with_key(&self, name: &UserName, data: &str) -> Result<Option<User>> {
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let user = keys::find(&mut read, name, data, &self.db.homes)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        user.transpose()
    }

    async fn users(&self) -> Result<Vec<User>> {
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let users = users::read_all(&mut read, &self.db.homes)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        users
    }

    async fn has_users(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
            .fetch_one(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn add_user(&self, user: &User) -> Result<()> {
        once_more(self.db.insert(user).await, self.db.insert(user)).await
    }

    async fn change_user(&self, name: &UserName, mut change: RecordChange) -> Result<ChangedUser> {
        let first = self.db.update(name, &mut change).await;
        once_more(first, self.db.update(name, &mut change)).await
    }

    async fn remove_user(&self, name: &UserName) -> Result<PathBuf> {
        once_more(self.db.delete(name).await, self.db.delete(name)).await
    }

    async fn usage(&self, home: &Path) -> Result<Option<UsageRecord>> {
        usage::read(&self.db.pool, &self.db.homes, home)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn usages(&self) -> Result<Vec<UsageRecord>> {
        usage::read_all(&self.db.pool, &self.db.homes)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn quota_of_home(&self, home: &Path) -> Result<Option<Quota>> {
        let Some(home) = home.to_str() else {
            return Ok(None);
        };
        let found = homes::quota_of(&self.db.pool, &self.db.homes.stored(home))
            .await
            .map_err(|e| self.db.failed(e))?;
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
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        homes::neighbour(&mut read, &self.db.homes.stored(home), user)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()> {
        once_more(self.db.write_usage(records).await, self.db.write_usage(records)).await
    }

    async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>> {
        sign_ins::read(&self.db.pool, since)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn record_sign_ins(
        &self,
        rows: &[SignIn],
        per_user: usize,
        forget_before: Timestamp,
    ) -> Result<()> {
        let first = self.db.write_sign_ins(rows, per_user, forget_before).await;
        once_more(first, self.db.write_sign_ins(rows, per_user, forget_before)).await
    }

    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        sqlx::query_as("SELECT algorithm, fingerprint FROM host_keys ORDER BY algorithm")
            .fetch_all(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        let first = self.db.write_host_key(algorithm, fingerprint).await;
        once_more(first, self.db.write_host_key(algorithm, fingerprint)).await
    }

    async fn id(&self) -> Result<String> {
        identity::id(&self.db.pool).await.map_err(|e| self.db.failed(e))
    }

    async fn knows_place(&self, place: &Path) -> Result<bool> {
        identity::knows(&self.db.pool, place)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn record_place(&self, place: &Path) -> Result<()> {
        once_more(self.db.write_place(place).await, self.db.write_place(place)).await
    }

    async fn version(&self) -> Result<i64> {
        sqlx::query_scalar("SELECT number FROM users_revision")
            .fetch_one(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn news(&self, seen: i64) -> Result<News> {
        // One snapshot for all questions.
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let news = news::read(&mut read, seen, &self.db.homes)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        Ok(news)
    }
}

#[cfg(test)]
pub(crate) mod tests;
