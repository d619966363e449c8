//! Many records at once in the SQLite file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{User, UserName};
use crate::store::batch::{BatchStore, RecordWrite, Records};
use crate::store::homes::check_all;
use crate::store::many_rows::{MOST_ROWS, RowsStatement};
use crate::store::place_conflicts::HomeOwner;
use crate::store::references::References;
use crate::store::rows::UserRow;
use crate::store::rows::settings::SqlQuery;
use crate::store::{folders, groups, no_such_folder, usage, users};
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
    let sorted = SortedWrites::of(writes);
    // What is removed makes room for others, and what is named must exist before it is named.
    remove_users(db, &mut write, &sorted.removed_users).await?;
    change_folders(db, &mut write, &sorted.changed_folders).await?;
    write_folders(db, &mut write, &sorted.added_folders, RowsStatement::Add).await?;
    write_groups(db, &mut write, &sorted.changed_groups, RowsStatement::Replace).await?;
    write_groups(db, &mut write, &sorted.added_groups, RowsStatement::Add).await?;
    write_users(db, &mut write, &sorted.changed_users, RowsStatement::Replace).await?;
    write_users(db, &mut write, &sorted.added_users, RowsStatement::Add).await?;
    for names in sorted.removed_groups.chunks(MOST_ROWS) {
        let removed = groups::remove_all(&mut write, names).await;
        removed.map_err(|e| db.failed(e))?;
    }
    remove_folders(db, &mut write, &sorted.removed_folders).await?;
    declare(&mut write, &sorted.declared_passwords)
        .await
        .map_err(|e| db.failed(e))?;
    if sorted.changes_records {
        check(db, &mut write).await?;
    }
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(true)
}

/// The writes of a batch by what they do.
#[derive(Default)]
struct SortedWrites<'a> {
    removed_users: Vec<&'a UserName>,
    changed_folders: Vec<&'a Folder>,
    added_folders: Vec<&'a Folder>,
    changed_groups: Vec<&'a Group>,
    added_groups: Vec<&'a Group>,
    changed_users: Vec<&'a User>,
    added_users: Vec<&'a User>,
    removed_groups: Vec<&'a GroupName>,
    removed_folders: Vec<&'a FolderName>,
    declared_passwords: Vec<DeclaredDigest<'a>>,
    /// Whether there is anything but digests of declared passwords.
    changes_records: bool,
}

/// The digest of the password hash that a file declares for a user.
struct DeclaredDigest<'a> {
    user: &'a UserName,
    digest: &'a str,
}

impl<'a> SortedWrites<'a> {
    fn of(writes: &'a [RecordWrite]) -> Self {
        let mut sorted = Self::default();
        for write in writes {
            match write {
                RecordWrite::AddGroup(group) => sorted.added_groups.push(group),
                RecordWrite::ChangeGroup(group) => sorted.changed_groups.push(group),
                RecordWrite::RemoveGroup(name) => sorted.removed_groups.push(name),
                RecordWrite::AddFolder(folder) => sorted.added_folders.push(folder),
                RecordWrite::ChangeFolder(folder) => sorted.changed_folders.push(folder),
                RecordWrite::RemoveFolder(name) => sorted.removed_folders.push(name),
                RecordWrite::AddUser(user) => sorted.added_users.push(user),
                RecordWrite::ChangeUser(user) => sorted.changed_users.push(user),
                RecordWrite::RemoveUser(name) => sorted.removed_users.push(name),
                RecordWrite::DeclarePassword { user, digest } => {
                    sorted.declared_passwords.push(DeclaredDigest { user, digest });
                    continue;
                }
            }
            sorted.changes_records = true;
        }
        sorted
    }
}

async fn remove_users(db: &Database, write: &mut SqliteConnection, names: &[&UserName]) -> Result<()> {
    for names in names.chunks(MOST_ROWS) {
        let removed = users::remove_all(write, names).await;
        let removed = removed.map_err(|e| db.failed(e))?;
        all_exist("users", names.len(), removed.len())?;
        let homes: Vec<&str> = removed.iter().map(String::as_str).collect();
        forget(db, write, &homes).await?;
    }
    Ok(())
}

async fn write_users(
    db: &Database,
    write: &mut SqliteConnection,
    users: &[&User],
    how: RowsStatement,
) -> Result<()> {
    for users in users.chunks(MOST_ROWS) {
        let rows = users.iter().map(|user| UserRow::new(user, &db.context.homes));
        let rows = rows.collect::<Result<Vec<UserRow>>>()?;
        let written = match how {
            RowsStatement::Add => users::insert_all(write, &rows).await,
            RowsStatement::Replace => users::update_all(write, &rows).await,
        };
        written.map_err(|e| db.failed(e))?;
        let lists = users::write_all_lists(write, users).await;
        lists.map_err(|e| db.failed(e))?;
    }
    Ok(())
}

async fn write_groups(
    db: &Database,
    write: &mut SqliteConnection,
    groups: &[&Group],
    how: RowsStatement,
) -> Result<()> {
    for groups in groups.chunks(MOST_ROWS) {
        let written = groups::write_all(write, groups, how).await;
        written.map_err(|e| db.failed(e))??;
    }
    Ok(())
}

async fn write_folders(
    db: &Database,
    write: &mut SqliteConnection,
    folders: &[&Folder],
    how: RowsStatement,
) -> Result<()> {
    for folders in folders.chunks(MOST_ROWS) {
        let written = folders::write_all(write, folders, how, &db.context.homes).await;
        written.map_err(|e| db.failed(e))??;
    }
    Ok(())
}

async fn change_folders(db: &Database, write: &mut SqliteConnection, folders: &[&Folder]) -> Result<()> {
    let mut before = Vec::new();
    for folders in folders.chunks(MOST_ROWS) {
        let names: Vec<&FolderName> = folders.iter().map(|folder| &folder.name).collect();
        let paths = folders::paths_of(write, &names).await;
        let paths = paths.map_err(|e| db.failed(e))?;
        all_exist("folders", names.len(), paths.len())?;
        before.extend(paths);
    }
    write_folders(db, write, folders, RowsStatement::Replace).await?;
    // A directory that is no folder any more has no account.
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    forget(db, write, &before).await
}

async fn remove_folders(db: &Database, write: &mut SqliteConnection, names: &[&FolderName]) -> Result<()> {
    for names in names.chunks(MOST_ROWS) {
        let removed = folders::remove_all(write, names).await;
        let removed = removed.map_err(|e| db.failed(e))?;
        all_exist("folders", names.len(), removed.len())?;
        let paths: Vec<&str> = removed.iter().map(String::as_str).collect();
        forget(db, write, &paths).await?;
    }
    Ok(())
}

/// Checks that a statement has found all the records that it names. The batch was made of the store's current records.
fn all_exist(kind: &str, named: usize, found: usize) -> Result<()> {
    match named == found {
        true => Ok(()),
        false => Err(Error::new(format!("cannot write {named} {kind} at once"))
            .because(format!("only {found} of them exist"))),
    }
}

/// Forgets the use of homes and folders, given in their stored form, that nobody has any more.
async fn forget(db: &Database, write: &mut SqliteConnection, stored: &[&str]) -> Result<()> {
    let homes = &db.context.homes;
    for stored in stored.chunks(MOST_ROWS) {
        let paths: Vec<PathBuf> = stored.iter().map(|stored| homes.located(stored)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let forgotten = usage::forget_all(write, homes, &paths).await;
        forgotten.map_err(|e| db.failed(e))?;
    }
    Ok(())
}

async fn declare(write: &mut SqliteConnection, declared: &[DeclaredDigest<'_>]) -> sqlx::Result<()> {
    for declared in declared.chunks(MOST_ROWS) {
        let insert = RowsStatement::Add.sql("declared_passwords", &["user_name", "digest"], declared.len());
        let sql = format!("{insert} ON CONFLICT (user_name) DO UPDATE SET digest = excluded.digest");
        let mut query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
        for one in declared {
            query = query.bind(one.user.as_str()).bind(one.digest);
        }
        query.execute(&mut *write).await?;
    }
    Ok(())
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
