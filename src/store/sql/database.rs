//! The database behind a store, and the transactions that change it. Each transaction is one attempt: if it finds the
//! disk full, the reserve is spent and the transaction is repeated once ([`retry_if_disk_was_full`]), so that users can
//! be disabled or removed even on a full disk.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Sqlite, Transaction};

use super::reader::KeptReader;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Quota, User, UserName};
use crate::store::references::RecordContext;
use crate::store::rows::UserRow;
use crate::store::{
    Changed, RecordChange, SignIn, UsageRecord, failure, homes, host_keys, identity, keys, name_taken,
    no_such_user, reserve, sign_ins, usage, users,
};
use base::error::{Error, Result};

/// Whether a record has other limits of its own than before.
fn has_other_limits(before: &MemberSettings, after: &MemberSettings) -> bool {
    (before.quota_bytes, before.quota_files) != (after.quota_bytes, after.quota_files)
}

/// Makes an attempt, and another one if the first has found the disk full. The reserve has been freed by then.
pub(super) async fn retry_if_disk_was_full<T, F>(attempt: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match attempt().await {
        Err(error) if error.is_repeatable() => attempt().await,
        done => done,
    }
}

/// Whether the connection may be used again. After a failed COMMIT, as on a full disk, SQLite has rolled back by
/// itself, but sqlx (0.9) continues to assume an open transaction.
pub(super) async fn is_outside_transactions(
    connection: &mut SqliteConnection,
) -> std::result::Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // A ROLLBACK may still be queued on the connection.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// The database behind a store.
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) pool: SqlitePool,
    /// The conversion between homes and their stored form, and the defaults of users.
    pub(super) context: RecordContext,
    /// The connection for short reads: those of a start and of a sign-in.
    pub(super) reader: KeptReader,
}

impl Database {
    /// Begins a transaction that takes the write lock before it reads, so that no other change comes in between.
    pub(super) async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>> {
        let path = self.path.clone();
        // The check runs on a blocking thread, so a disk that hangs delays this call only.
        let _ = tokio::task::spawn_blocking(move || reserve::before_write(&path)).await;
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|e| self.failed(e))
    }

    /// Reads the user with this name.
    pub(super) async fn user(&self, name: &UserName) -> sqlx::Result<Option<Result<User>>> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let found = users::find(reader.connection()?, name, &self.context).await;
        reader.ended(found)
    }

    /// Reads the user with this name, and those of their keys that may be this one.
    pub(super) async fn user_with_key(
        &self,
        name: &UserName,
        data: &str,
    ) -> sqlx::Result<Option<Result<User>>> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let found = keys::find(reader.connection()?, name, data, &self.context).await;
        reader.ended(found)
    }

    /// Reads the id of the store.
    pub(super) async fn id(&self) -> sqlx::Result<String> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let id = identity::id(reader.connection()?).await;
        reader.ended(id)
    }

    /// Reads the number of the last change of a user's record.
    pub(super) async fn version(&self) -> sqlx::Result<i64> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let number: sqlx::Result<i64> = sqlx::query_scalar("SELECT number FROM users_revision")
            .fetch_one(reader.connection()?)
            .await;
        reader.ended(number)
    }

    /// Reads whether there are users.
    pub(super) async fn has_users(&self) -> sqlx::Result<bool> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let found: sqlx::Result<bool> = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
            .fetch_one(reader.connection()?)
            .await;
        reader.ended(found)
    }

    /// Reads whether the places of known homes still need their markers.
    pub(super) async fn marks_known_homes(&self) -> sqlx::Result<bool> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let marks = identity::marks_known_homes(reader.connection()?).await;
        reader.ended(marks)
    }

    /// Reads the homes that are stored with an absolute path although they could be relative.
    pub(super) async fn absolute_homes(&self) -> sqlx::Result<Vec<String>> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let homes = identity::absolute_homes(reader.connection()?, &self.context.homes).await;
        reader.ended(homes)
    }

    async fn read_sign_ins(&self, since: Timestamp) -> sqlx::Result<Vec<SignIn>> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let sign_ins = sign_ins::read(reader.connection()?, since).await;
        reader.ended(sign_ins)
    }

    async fn read_host_keys(&self) -> sqlx::Result<Vec<(String, String)>> {
        let mut reader = self.reader.acquire(&self.pool).await?;
        let keys = host_keys::read(reader.connection()?).await;
        reader.ended(keys)
    }

    /// Returns the error of a call that has failed.
    pub(super) fn failed(&self, error: sqlx::Error) -> Error {
        failure::failed(&self.path, error)
    }

    /// Makes one attempt at [`Store::add_user`].
    pub(super) async fn insert(&self, user: &User) -> Result<()> {
        let row = UserRow::new(user, &self.context.homes)?;
        let mut write = self.begin_write().await?;
        let there = users::find(&mut write, &user.name, &self.context)
            .await
            .map_err(|e| self.failed(e))?;
        if there.is_some() {
            return Err(name_taken(&user.name));
        }
        let user = users::with_inherited(&mut write, user.clone(), &self.context)
            .await
            .map_err(|e| self.failed(e))??;
        homes::check(&mut write, &user, &row.home, None, &self.context)
            .await
            .map_err(|e| self.failed(e))??;
        users::insert(&mut write, &row)
            .await
            .map_err(|e| self.failed(e))?;
        users::write_lists(&mut write, &user)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::change_user`].
    pub(super) async fn update(&self, name: &UserName, change: &RecordChange) -> Result<Changed<User>> {
        // An error drops the transaction, which rolls everything back.
        let mut write = self.begin_write().await?;
        let found = users::find(&mut write, name, &self.context)
            .await
            .map_err(|e| self.failed(e))?;
        let before = found.ok_or_else(|| no_such_user(name))??;
        let mut user = before.clone();
        change(&mut user)?;
        let row = UserRow::new(&user, &self.context.homes)?;
        user.home = self.context.homes.located(&row.home);
        let user = users::with_inherited(&mut write, user, &self.context)
            .await
            .map_err(|e| self.failed(e))??;
        let changed = Changed { before, after: user };
        if !changed.is_change() {
            write.rollback().await.map_err(|e| self.failed(e))?;
            return Ok(changed);
        }
        let Changed { before, after: user } = &changed;
        if user.name != *name {
            let other = users::find(&mut write, &user.name, &self.context)
                .await
                .map_err(|e| self.failed(e))?;
            if other.is_some() {
                return Err(name_taken(&user.name));
            }
        }
        // A user who stays in a home sets the quota of all who share it; a user who moves into a home must have its
        // quota.
        let stays = self.context.homes.located(&row.home) == before.home;
        if stays && has_other_limits(&before.settings, &user.settings) {
            users::share_quota(&mut write, &row)
                .await
                .map_err(|e| self.failed(e))?;
        }
        homes::check(&mut write, user, &row.home, Some(name), &self.context)
            .await
            .map_err(|e| self.failed(e))??;
        users::update(&mut write, name, &row)
            .await
            .map_err(|e| self.failed(e))?;
        users::write_lists(&mut write, user)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(changed)
    }

    /// Makes one attempt at [`Store::move_home`].
    pub(super) async fn move_home(
        &self,
        from: &Path,
        to: &Path,
        measured: Option<&UsageRecord>,
    ) -> Result<Vec<Changed<User>>> {
        let mut write = self.begin_write().await?;
        let names = homes::users_of(&mut write, &self.context.homes, from)
            .await
            .map_err(|e| self.failed(e))?;
        let mut changes = Vec::with_capacity(names.len());
        for name in names {
            let name = UserName::stored(&name)?;
            let found = users::find(&mut write, &name, &self.context)
                .await
                .map_err(|e| self.failed(e))?;
            let before = found.ok_or_else(|| no_such_user(&name))??;
            let after = User {
                home: to.to_owned(),
                ..before.clone()
            };
            let row = UserRow::new(&after, &self.context.homes)?;
            homes::check(&mut write, &after, &row.home, Some(&name), &self.context)
                .await
                .map_err(|e| self.failed(e))??;
            users::update(&mut write, &name, &row)
                .await
                .map_err(|e| self.failed(e))?;
            changes.push(Changed { before, after });
        }
        usage::rename(&mut write, &self.context.homes, from, to)
            .await
            .map_err(|e| self.failed(e))?;
        if let Some(record) = measured {
            usage::write(&mut write, &self.context.homes, record)
                .await
                .map_err(|e| self.failed(e))?;
        }
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(changes)
    }

    /// Makes one attempt at [`Store::remove_user`].
    pub(super) async fn delete(&self, name: &UserName) -> Result<PathBuf> {
        let mut write = self.begin_write().await?;
        let stored = users::remove(&mut write, name)
            .await
            .map_err(|e| self.failed(e))?;
        let home = self
            .context
            .homes
            .located(&stored.ok_or_else(|| no_such_user(name))?);
        // The usage of a home without users is removed, because it would be out of date when another user gets the
        // home.
        usage::forget(&mut write, &self.context.homes, &home)
            .await
            .map_err(|e| self.failed(e))?;
        write.commit().await.map_err(|e| self.failed(e))?;
        Ok(home)
    }

    /// Returns the quota of the users who have this home.
    pub(super) async fn quota_of_home(&self, home: &str) -> Result<Option<Quota>> {
        let mut read = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        let stored = self.context.homes.stored(home);
        let found = homes::quota_of(&mut read, &stored, &self.context).await;
        let cannot = || Error::new(format!("cannot read the quota of the home \"{home}\""));
        found
            .map_err(|e| self.failed(e))?
            .transpose()
            .map_err(|error| cannot().because(error))
    }

    /// Returns the name of a user other than this one whose home is this one, or lies inside or around it.
    pub(super) async fn overlapping_user(&self, home: &str, user: &UserName) -> Result<Option<String>> {
        let mut read = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        homes::overlapping_user(&mut read, &self.context.homes.stored(home), user)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::record_usage`].
    pub(super) async fn write_usage(&self, records: &[UsageRecord]) -> Result<()> {
        let mut write = self.begin_write().await?;
        for record in records {
            usage::write(&mut write, &self.context.homes, record)
                .await
                .map_err(|e| self.failed(e))?;
        }
        write.commit().await.map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::record_sign_ins`].
    pub(super) async fn write_sign_ins(
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

    /// Reads the sign-ins since this time, the latest first.
    pub(super) async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>> {
        let read = self.read_sign_ins(since).await;
        read.map_err(|e| self.failed(e))
    }

    /// Reads the host keys that clients know this server by.
    pub(super) async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        self.read_host_keys().await.map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::record_host_key`].
    pub(super) async fn write_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        host_keys::record(&self.pool, algorithm, fingerprint)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::forget_host_key`].
    pub(super) async fn delete_host_key(&self, algorithm: &str) -> Result<()> {
        host_keys::forget(&self.pool, algorithm)
            .await
            .map_err(|e| self.failed(e))
    }

    /// Makes one attempt at [`Store::record_place`].
    pub(super) async fn write_place(&self, place: &Path) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(|e| self.failed(e))?;
        identity::record(&mut connection, place)
            .await
            .map_err(|e| self.failed(e))
    }
}
