//! Many records at once in the SQLite file.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnection;

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::folder::Folder;
use crate::domain::user::{User, UserName};
use crate::store::batch::{BatchStore, RecordWrite, Records};
use crate::store::homes::check_all;
use crate::store::place_conflicts::HomeOwner;
use crate::store::references::References;
use crate::store::rows::UserRow;
use crate::store::{folders, groups, no_such_folder, no_such_user, usage, users};
use base::error::{Error, Result};

#[async_trait::async_trait]
impl BatchStore for SqlStore {
    async fn records(&self) -> Result<Records> {
        // All queries read the same snapshot.
        let mut read = self.db.pool.begin().await.map_err(|e| self.db.failed(e))?;
        let records = read_records(&self.db, &mut read).await;
        read.rollback().await.map_err(|e| self.db.failed(e))?;
        records
    }

    async fn write_records(&self, revision: i64, writes: &[RecordWrite]) -> Result<bool> {
        retry_if_disk_was_full(|| write_records(&self.db, revision, writes)).await
    }
}

async fn read_records(db: &Database, read: &mut SqliteConnection) -> Result<Records> {
    let groups = groups::read_all(read).await.map_err(|e| db.failed(e))??;
    let folders = folders::read_all(read, &db.context.homes).await;
    let users = users::read_all(read, &db.context)
        .await
        .map_err(|e| db.failed(e))??;
    let declared: Vec<(String, String)> = sqlx::query_as("SELECT user_name, digest FROM declared_passwords")
        .fetch_all(&mut *read)
        .await
        .map_err(|e| db.failed(e))?;
    let named = |(name, digest): (String, String)| Some((UserName::stored(&name).ok()?, digest));
    Ok(Records {
        revision: read_revision(db, read).await?,
        folders: folders.map_err(|e| db.failed(e))??,
        groups,
        users,
        declared_passwords: declared.into_iter().filter_map(named).collect::<HashMap<_, _>>(),
    })
}

async fn read_revision(db: &Database, read: &mut SqliteConnection) -> Result<i64> {
    sqlx::query_scalar("SELECT number FROM users_revision")
        .fetch_one(read)
        .await
        .map_err(|e| db.failed(e))
}

/// Makes one attempt at [`BatchStore::write_records`].
async fn write_records(db: &Database, revision: i64, writes: &[RecordWrite]) -> Result<bool> {
    // An error drops the transaction, which rolls everything back.
    let mut write = db.begin_write().await?;
    if read_revision(db, &mut write).await? != revision {
        return Ok(false);
    }
    // What is removed makes room for others, and what is named must exist before it is named.
    for phase in 0..=LAST_PHASE {
        for one in writes.iter().filter(|one| phase_of(one) == phase) {
            apply(db, &mut write, one).await?;
        }
    }
    if writes.iter().any(|one| phase_of(one) < LAST_PHASE) {
        check(db, &mut write).await?;
    }
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(true)
}

const LAST_PHASE: u8 = 6;

fn phase_of(write: &RecordWrite) -> u8 {
    match write {
        RecordWrite::RemoveUser(_) => 0,
        RecordWrite::AddFolder(_) | RecordWrite::ChangeFolder(_) => 1,
        RecordWrite::AddGroup(_) | RecordWrite::ChangeGroup(_) => 2,
        RecordWrite::AddUser(_) | RecordWrite::ChangeUser(_) => 3,
        RecordWrite::RemoveGroup(_) => 4,
        RecordWrite::RemoveFolder(_) => 5,
        RecordWrite::DeclarePassword { .. } => LAST_PHASE,
    }
}

async fn apply(db: &Database, write: &mut SqliteConnection, one: &RecordWrite) -> Result<()> {
    let applied = match one {
        RecordWrite::AddGroup(group) => groups::write(write, group, None).await,
        RecordWrite::ChangeGroup(group) => groups::write(write, group, Some(&group.name)).await,
        RecordWrite::RemoveGroup(name) => groups::remove(write, name).await.map(|_| Ok(())),
        RecordWrite::AddFolder(folder) => {
            let stored = folders::stored_path(&folder.path, &db.context.homes)?;
            folders::write(write, folder, &stored, None).await
        }
        RecordWrite::ChangeFolder(folder) => return change_folder(db, write, folder).await,
        RecordWrite::RemoveFolder(name) => {
            let stored = folders::remove(write, name).await.map_err(|e| db.failed(e))?;
            let path = stored.ok_or_else(|| no_such_folder(name))?;
            forget(db, write, &path).await.map(Ok)
        }
        RecordWrite::AddUser(user) => {
            let row = UserRow::new(user, &db.context.homes)?;
            users::insert(write, &row).await.map_err(|e| db.failed(e))?;
            users::write_lists(write, user).await.map(Ok)
        }
        RecordWrite::ChangeUser(user) => {
            let row = UserRow::new(user, &db.context.homes)?;
            let updated = users::update(write, &user.name, &row).await;
            updated.map_err(|e| db.failed(e))?;
            users::write_lists(write, user).await.map(Ok)
        }
        RecordWrite::RemoveUser(name) => {
            let stored = users::remove(write, name).await.map_err(|e| db.failed(e))?;
            let home = stored.ok_or_else(|| no_such_user(name))?;
            forget(db, write, &home).await.map(Ok)
        }
        RecordWrite::DeclarePassword { user, digest } => declare(write, user, digest).await.map(Ok),
    };
    applied.map_err(|e| db.failed(e))?
}

async fn change_folder(db: &Database, write: &mut SqliteConnection, folder: &Folder) -> Result<()> {
    let homes = &db.context.homes;
    let stored = folders::stored_path(&folder.path, homes)?;
    let before = folders::find(write, &folder.name, homes).await;
    let before = before.map_err(|e| db.failed(e))?;
    let before = before.ok_or_else(|| no_such_folder(&folder.name))??;
    folders::write(write, folder, &stored, Some(&folder.name))
        .await
        .map_err(|e| db.failed(e))??;
    // A directory that is no folder any more has no account.
    usage::forget(write, homes, &before.path)
        .await
        .map_err(|e| db.failed(e))
}

/// Forgets the use of a home or a folder, given in its stored form, that nobody has any more.
async fn forget(db: &Database, write: &mut SqliteConnection, stored: &str) -> sqlx::Result<()> {
    let path = db.context.homes.located(stored);
    usage::forget(write, &db.context.homes, &path).await
}

async fn declare(write: &mut SqliteConnection, user: &UserName, digest: &str) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO declared_passwords (user_name, digest) VALUES ($1, $2) \
         ON CONFLICT (user_name) DO UPDATE SET digest = excluded.digest",
    )
    .bind(user.as_str())
    .bind(digest)
    .execute(write)
    .await
    .map(|_| ())
}

/// Checks all records as they are after the writes.
async fn check(db: &Database, write: &mut SqliteConnection) -> Result<()> {
    let references = References::all(write, &db.context).await;
    let references = references.map_err(|e| db.failed(e))??;
    let groups = groups::read_all(write).await.map_err(|e| db.failed(e))??;
    for group in &groups {
        let missing = group
            .settings
            .folders
            .keys()
            .find(|name| !references.has_folder(name));
        if let Some(name) = missing {
            return Err(Error::new(format!("cannot store the group \"{}\"", group.name))
                .because(no_such_folder(name)));
        }
    }
    // This reads what each record refers to, and fails if something does not exist.
    let users = users::read_all(write, &db.context)
        .await
        .map_err(|e| db.failed(e))??;
    let folders = folders::read_all(write, &db.context.homes).await;
    let folders = folders.map_err(|e| db.failed(e))??;
    let owner = |user| {
        let user: &User = user;
        HomeOwner {
            user: &user.name,
            home: &user.home,
            quota: user.quota(),
        }
    };
    let owners: Vec<HomeOwner<'_>> = users.iter().map(owner).collect();
    check_all(&owners, &folders)
}
