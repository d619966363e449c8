//! The store in an SQLite file, used by the server and the command line at the same time.
//!
//! Write-ahead logging: readers never wait, writers wait for each other for up to 5 s. A change takes the write lock
//! before it reads (`BEGIN IMMEDIATE`), so that no other change comes between. Once a call has returned, its change is
//! on the disk.

mod opened;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection as _, Sqlite, Transaction};
use tokio::sync::Mutex;

use super::relative::Homes;
use super::rows::{UserRow, read_quota};
use super::{
    Change, Changed, News, SignIn, Store, UsageRecord, copy, failure, homes, identity, keys, name_taken,
    news, no_such_user, open, reserve, sign_ins, usage, users,
};
use crate::error::{Error, Result};
use crate::user::{Quota, User, UserName};

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
        Self::connect(path, open::prepare(path).await?).await
    }

    /// Opens the store, and brings an older one up to date; an error if it is missing.
    pub async fn open_existing(path: &Path) -> Result<Self> {
        Self::connect(path, open::prepare_existing(path).await?).await
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
        let row = UserRow::new(user, &self.homes)?;
        let mut write = self.begin_write().await?;
        let there = users::find(&mut write, &user.name, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        if there.is_some() {
            return Err(name_taken(&user.name));
        }
        homes::check(&mut write, &row, None, &self.homes)
            .await
            .map_err(|e| self.failed(e))??;
        users::insert(&mut write, &row)
            .await
            .map_err(|e| self.failed(e))?;
        users::write_keys(&mut write, user)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))
    }

    async fn change_user(&self, name: &UserName, change: Change) -> Result<Changed> {
        // An error anywhere drops the transaction, which takes everything back.
        let mut write = self.begin_write().await?;
        let found = users::find(&mut write, name, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        let before = found.ok_or_else(|| no_such_user(name))??;
        let mut user = before.clone();
        change(&mut user)?;
        let row = UserRow::new(&user, &self.homes)?;
        user.home = self.homes.located(&row.home);
        let changed = Changed { before, after: user };
        if !changed.is_change() {
            write.rollback().await.map_err(|e| self.failed(e))?;
            return Ok(changed);
        }
        let Changed { before, after: user } = &changed;
        if user.name != *name {
            let other = users::find(&mut write, &user.name, &self.homes)
                .await
                .map_err(|e| self.failed(e))?;
            if other.is_some() {
                return Err(name_taken(&user.name));
            }
        }
        // Who stays in a home sets the quota of all who share it; who moves in must agree.
        let stays = self.homes.located(&row.home) == before.home;
        if stays {
            users::share_quota(&mut write, &row)
                .await
                .map_err(|e| self.failed(e))?;
        }
        homes::check(&mut write, &row, Some(name), &self.homes)
            .await
            .map_err(|e| self.failed(e))??;
        users::update(&mut write, name, &row)
            .await
            .map_err(|e| self.failed(e))?;
        if user.keys != before.keys {
            users::write_keys(&mut write, user)
                .await
                .map_err(|e| self.failed(e))?;
        }
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(changed)
    }

    async fn remove_user(&self, name: &UserName) -> Result<User> {
        let mut write = self.begin_write().await?;
        let found = users::find(&mut write, name, &self.homes)
            .await
            .map_err(|e| self.failed(e))?;
        let user = found.ok_or_else(|| no_such_user(name))??;
        users::remove(&mut write, name)
            .await
            .map_err(|e| self.failed(e))?;
        // What was known of a home that nobody has any more will be out of date when somebody has it again.
        usage::forget(&mut write, &self.homes, &user.home)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(user)
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

    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()> {
        let mut write = self.begin_write().await?;
        for record in records {
            usage::write(&mut write, &self.homes, record)
                .await
                .map_err(|e| self.failed(e))?;
        }
        write.commit().await.map_err(|e| self.failed(e))
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
        let mut write = self.begin_write().await?;
        for row in rows {
            sign_ins::write(&mut write, row, per_user)
                .await
                .map_err(|e| self.failed(e))?;
        }
        sign_ins::forget(&mut write, forget_before)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))
    }

    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        sqlx::query_as("SELECT algorithm, fingerprint FROM host_keys ORDER BY algorithm")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.failed(e))
    }

    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        let sql = "INSERT INTO host_keys (algorithm, fingerprint) VALUES ($1, $2) \
                   ON CONFLICT (algorithm) DO UPDATE SET fingerprint = excluded.fingerprint";
        let written = sqlx::query(sql)
            .bind(algorithm)
            .bind(fingerprint)
            .execute(&self.pool)
            .await;
        written.map(|_| ()).map_err(|e| self.failed(e))
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
        identity::record(&self.pool, place)
            .await
            .map_err(|e| self.failed(e))
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
