//! The store in an SQLite file, used by the server and the command line at the same time.
//!
//! The file uses write-ahead logging: readers never wait, and writers wait for each other for up to 5 s. A change takes
//! the write lock before it reads (`BEGIN IMMEDIATE`), so that no other change comes in between. Once a call has
//! returned, its change is on the disk.

mod batch;
mod database;
mod factors;
mod groups;
mod passwords;
mod reader;
mod web;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use self::database::{Database, is_outside_transactions, retry_if_disk_was_full};
use self::reader::KeptReader;
use super::open::{Prepared, Upgrade};
use super::references::RecordContext;
use super::relative::HomeLocations;
use super::{
    Changed, RecordChange, RevisionChanges, SignIn, Store, UsageRecord, changes, copy, file, identity, open,
    usage, users,
};
use crate::domain::quota::{DefaultQuota, Quota};
use crate::domain::user::{User, UserName};
use base::error::{Error, Result};

/// The number of connections, each with its own thread. A query takes microseconds, so many sign-ins can share few
/// connections.
const CONNECTIONS: u32 = 4;

/// The time for which a call waits for a connection. It is longer than a change that waits for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in an SQLite file.
pub struct SqlStore {
    db: Database,
    migration: Option<Upgrade>,
    /// Whether the whole file was read for damage when it was opened.
    is_checked: bool,
}

impl SqlStore {
    /// Opens the store. Creates it (mode 0600) if it is missing, and upgrades an older one. The directory is created
    /// too, but not its parents.
    pub async fn open(path: &Path) -> Result<Self> {
        let prepared = retry_if_disk_was_full(|| open::prepare(path)).await?;
        Self::with_anchor(path, prepared).await
    }

    /// Opens the store and upgrades an older one. Returns an error if the store is missing.
    pub async fn open_existing(path: &Path) -> Result<Self> {
        let prepared = retry_if_disk_was_full(|| open::prepare_existing(path)).await?;
        Self::with_anchor(path, prepared).await
    }

    /// Opens the store for reading only, as `check` does: no file is created or changed (except for SQLite's index of
    /// the log, a cache, if there is a log), and changes return errors. It is for short use: if no other process had
    /// the store open, later changes by others are not seen. A store of an older version is shown as it will be after
    /// the upgrade: see [`SqlStore::migration`].
    pub async fn open_read_only(path: &Path) -> Result<Self> {
        let found = open::inspect(path).await?;
        let Some(upgrade) = found.migration else {
            return Self::connect(path, found.options).await;
        };
        let path = std::path::absolute(path)
            .map_err(|error| Error::new(format!("cannot open the store {path:?}")).because(error))?;
        Ok(Self {
            db: Database {
                pool: copy::upgraded_copy(&path, found.is_immutable, upgrade.from),
                path,
                context: RecordContext::default(),
                reader: KeptReader::default(),
            },
            migration: Some(upgrade),
            is_checked: true,
        })
    }

    /// Reads the whole file to find damage.
    ///
    /// # Errors
    /// Returns an error if the file is damaged.
    pub async fn check_integrity(&self) -> Result<()> {
        let mut connection = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        open::check_integrity(&mut connection, &self.db.path).await
    }

    /// Reads the whole file to find damage, unless opening it has done so, as for a small one.
    ///
    /// # Errors
    /// Returns an error if the file is damaged.
    pub async fn check_rest(&self) -> Result<()> {
        match self.is_checked {
            true => Ok(()),
            false => self.check_integrity().await,
        }
    }

    /// Opens two connections besides the one that serves a start, so that neither the first sign-ins nor a lack of
    /// descriptors wait for that. An error is left to the call that needs one.
    pub async fn warm_up(&self) {
        let _ = tokio::join!(self.db.pool.acquire(), self.db.pool.acquire());
    }

    /// Returns the version of the store and the version to which opening it for writing upgrades it, if they differ.
    pub fn migration(&self) -> Option<Upgrade> {
        self.migration
    }

    /// Checks that the file exists, without opening it.
    ///
    /// # Errors
    /// Returns an error if there is no file.
    pub fn must_exist(path: &Path) -> Result<()> {
        file::must_exist(path)
    }

    /// Checks that this process may read and write the store's files, without opening them.
    ///
    /// # Errors
    /// Returns an error if it may not. A missing file is not an error.
    pub fn is_accessible(path: &Path) -> Result<()> {
        file::is_accessible(path)
    }

    /// Whether there is no store at this path yet, or a store that was never written to.
    ///
    /// # Errors
    /// Returns an error if the file cannot be inspected.
    pub async fn is_missing(path: &Path) -> Result<bool> {
        open::is_missing(path).await
    }

    /// Sets the directory of `[storage] homes`: homes beneath it are stored relative to it. `resolved` is the directory
    /// without symbolic links, `written` the path in the configuration.
    #[must_use]
    pub fn with_homes(self, resolved: PathBuf, written: &Path) -> Self {
        Self {
            db: Database {
                context: RecordContext {
                    homes: HomeLocations::new(resolved, written),
                    ..self.db.context
                },
                ..self.db
            },
            ..self
        }
    }

    /// Sets the quota of users for whom neither their record nor their group has one.
    #[must_use]
    pub fn with_default_quota(mut self, default_quota: impl Into<DefaultQuota>) -> Self {
        self.db.context.default_quota = default_quota.into();
        self
    }

    /// Converts stored absolute homes that lie beneath `[storage] homes` to their relative form.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub async fn rewrite_homes(&self) -> Result<()> {
        retry_if_disk_was_full(|| self.rewrite_homes_once()).await
    }

    async fn rewrite_homes_once(&self) -> Result<()> {
        let absolute = self.db.absolute_homes().await.map_err(|e| self.db.failed(e))?;
        if absolute.is_empty() {
            return Ok(());
        }
        let mut write = self.db.begin_write().await?;
        identity::rewrite_homes(&mut write, &self.db.context.homes, &absolute)
            .await
            .map_err(|e| self.db.failed(e))?;
        write.commit().await.map_err(|e| self.db.failed(e))
    }

    /// Whether there are homes that are older than the store's id, and whose places still need their markers.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn marks_known_homes(&self) -> Result<bool> {
        let marks = self.db.marks_known_homes().await;
        marks.map_err(|e| self.db.failed(e))
    }

    /// Records that the places of known homes have their markers.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub async fn known_homes_are_marked(&self) -> Result<()> {
        retry_if_disk_was_full(|| self.homes_are_marked()).await
    }

    async fn homes_are_marked(&self) -> Result<()> {
        identity::known_homes_are_marked(&self.db.pool)
            .await
            .map_err(|e| self.db.failed(e))
    }

    /// Closes the store; the last process to do so moves the log's content into the file. Later calls fail.
    pub async fn close(&self) {
        self.db.reader.close().await;
        self.db.pool.close().await;
    }

    /// Keeps the connection that has prepared the file, so that the store stays open.
    async fn with_anchor(path: &Path, prepared: Prepared) -> Result<Self> {
        let Prepared {
            options,
            mut connection,
            is_checked,
        } = prepared;
        let mut store = Self::connect(path, options).await?;
        // A connection opens the log's index only when it reads.
        identity::touch(&mut connection)
            .await
            .map_err(|e| store.db.failed(e))?;
        store.db.reader = KeptReader::with(connection);
        store.is_checked = is_checked;
        Ok(store)
    }

    async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<Self> {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A file cannot disconnect, and a test would double the cost of a short query.
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_outside_transactions(connection)))
            .connect_lazy_with(options);
        Ok(Self {
            db: Database {
                path: path.to_owned(),
                pool,
                context: RecordContext::default(),
                reader: KeptReader::default(),
            },
            migration: None,
            is_checked: false,
        })
    }
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
        self.db
            .user(name)
            .await
            .map_err(|e| self.db.failed(e))?
            .transpose()
    }

    async fn user_with_key(&self, name: &UserName, data: &str) -> Result<Option<User>> {
        let found = self.db.user_with_key(name, data).await;
        found.map_err(|e| self.db.failed(e))?.transpose()
    }

    async fn users(&self) -> Result<Vec<User>> {
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let users = users::read_all(&mut read, &self.db.context)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        users
    }

    async fn has_users(&self) -> Result<bool> {
        self.db.has_users().await.map_err(|e| self.db.failed(e))
    }

    async fn add_user(&self, user: &User) -> Result<()> {
        retry_if_disk_was_full(|| self.db.insert(user)).await
    }

    async fn change_user(&self, name: &UserName, change: RecordChange) -> Result<Changed<User>> {
        retry_if_disk_was_full(|| self.db.update(name, &change)).await
    }

    async fn move_home(
        &self,
        from: &Path,
        to: &Path,
        measured: Option<&UsageRecord>,
    ) -> Result<Vec<Changed<User>>> {
        retry_if_disk_was_full(|| self.db.move_home(from, to, measured)).await
    }

    async fn remove_user(&self, name: &UserName) -> Result<PathBuf> {
        retry_if_disk_was_full(|| self.db.delete(name)).await
    }

    async fn usage(&self, home: &Path) -> Result<Option<UsageRecord>> {
        usage::read(&self.db.pool, &self.db.context.homes, home)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn usages(&self) -> Result<Vec<UsageRecord>> {
        usage::read_all(&self.db.pool, &self.db.context.homes)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn quota_of_home(&self, home: &Path) -> Result<Option<Quota>> {
        let Some(home) = home.to_str() else {
            return Ok(None);
        };
        self.db.quota_of_home(home).await
    }

    async fn overlapping_user(&self, home: &Path, user: &UserName) -> Result<Option<String>> {
        let Some(home) = home.to_str() else {
            return Ok(None);
        };
        self.db.overlapping_user(home, user).await
    }

    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()> {
        retry_if_disk_was_full(|| self.db.write_usage(records)).await
    }

    async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>> {
        self.db.sign_ins(since).await
    }

    async fn record_sign_ins(
        &self,
        rows: &[SignIn],
        per_user: usize,
        forget_before: Timestamp,
    ) -> Result<()> {
        retry_if_disk_was_full(|| self.db.write_sign_ins(rows, per_user, forget_before)).await
    }

    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        self.db.host_keys().await
    }

    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        retry_if_disk_was_full(|| self.db.write_host_key(algorithm, fingerprint)).await
    }

    async fn forget_host_key(&self, algorithm: &str) -> Result<()> {
        retry_if_disk_was_full(|| self.db.delete_host_key(algorithm)).await
    }

    async fn id(&self) -> Result<String> {
        self.db.id().await.map_err(|e| self.db.failed(e))
    }

    async fn knows_place(&self, place: &Path) -> Result<bool> {
        identity::knows(&self.db.pool, place)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn record_place(&self, place: &Path) -> Result<()> {
        retry_if_disk_was_full(|| self.db.write_place(place)).await
    }

    async fn version(&self) -> Result<i64> {
        self.db.version().await.map_err(|e| self.db.failed(e))
    }

    async fn changes_since(&self, seen: i64) -> Result<RevisionChanges> {
        // All queries read the same snapshot.
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let changes = changes::read(&mut read, seen, &self.db.context)
            .await
            .map_err(|e| self.db.failed(e))?;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        Ok(changes)
    }
}

#[cfg(test)]
pub(crate) mod tests;
