//! Groups and folders in the SQLite file.

use std::path::PathBuf;

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::store::many_rows::RowsStatement;
use crate::store::{
    Changed, FolderChange, GroupChange, GroupStore, folder_name_taken, folders, group_name_taken, groups,
    homes, no_such_folder, no_such_group, usage,
};
use base::error::{Error, Result};

/// The most users and groups for whom a message has the command that takes a folder away.
const MOST_HOLDERS: usize = 3;

#[async_trait::async_trait]
impl GroupStore for SqlStore {
    async fn group(&self, name: &GroupName) -> Result<Option<Group>> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let found = groups::find(&mut read, name).await;
        found.map_err(|e| self.db.failed(e))?.transpose()
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        groups::read_all(&mut read).await.map_err(|e| self.db.failed(e))?
    }

    async fn add_group(&self, group: &Group) -> Result<()> {
        retry_if_disk_was_full(|| add_group(&self.db, group)).await
    }

    async fn change_group(&self, name: &GroupName, change: GroupChange) -> Result<Changed<Group>> {
        retry_if_disk_was_full(|| change_group(&self.db, name, &change)).await
    }

    async fn remove_group(&self, name: &GroupName) -> Result<()> {
        retry_if_disk_was_full(|| remove_group(&self.db, name)).await
    }

    async fn folder(&self, name: &FolderName) -> Result<Option<Folder>> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let found = folders::find(&mut read, name, &self.db.context.homes).await;
        found.map_err(|e| self.db.failed(e))?.transpose()
    }

    async fn folders(&self) -> Result<Vec<Folder>> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let found = folders::read_all(&mut read, &self.db.context.homes).await;
        found.map_err(|e| self.db.failed(e))?
    }

    async fn add_folder(&self, folder: &Folder) -> Result<()> {
        retry_if_disk_was_full(|| add_folder(&self.db, folder)).await
    }

    async fn change_folder(&self, name: &FolderName, change: FolderChange) -> Result<Changed<Folder>> {
        retry_if_disk_was_full(|| change_folder(&self.db, name, &change)).await
    }

    async fn remove_folder(&self, name: &FolderName) -> Result<PathBuf> {
        retry_if_disk_was_full(|| remove_folder(&self.db, name)).await
    }
}

/// Checks that the folders that a group names exist.
async fn check_folders(db: &Database, write: &mut sqlx::SqliteConnection, group: &Group) -> Result<()> {
    let mut names = group.settings.folders.keys();
    let found = folders::find_all(write, names.clone(), &db.context.homes).await;
    let found = found.map_err(|e| db.failed(e))??;
    match names.find(|name| !found.iter().any(|folder| folder.name == **name)) {
        Some(name) => Err(no_such_folder(name)),
        None => Ok(()),
    }
}

async fn add_group(db: &Database, group: &Group) -> Result<()> {
    let mut write = db.begin_write().await?;
    let there = groups::find(&mut write, &group.name).await;
    if there.map_err(|e| db.failed(e))?.is_some() {
        return Err(group_name_taken(&group.name));
    }
    check_folders(db, &mut write, group).await?;
    groups::write_all(&mut write, &[group], RowsStatement::Add)
        .await
        .map_err(|e| db.failed(e))??;
    write.commit().await.map_err(|e| db.failed(e))
}

async fn change_group(db: &Database, name: &GroupName, change: &GroupChange) -> Result<Changed<Group>> {
    let mut write = db.begin_write().await?;
    let found = groups::find(&mut write, name).await;
    let before = found
        .map_err(|e| db.failed(e))?
        .ok_or_else(|| no_such_group(name))??;
    let mut after = before.clone();
    change(&mut after)?;
    let changed = Changed { before, after };
    if !changed.is_change() {
        write.rollback().await.map_err(|e| db.failed(e))?;
        return Ok(changed);
    }
    let group = &changed.after;
    if group.name != *name {
        let other = groups::find(&mut write, &group.name).await;
        if other.map_err(|e| db.failed(e))?.is_some() {
            return Err(group_name_taken(&group.name));
        }
    }
    check_folders(db, &mut write, group).await?;
    groups::update(&mut write, group, name)
        .await
        .map_err(|e| db.failed(e))??;
    homes::check_members(&mut write, group.name.as_str(), &db.context)
        .await
        .map_err(|e| db.failed(e))??;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(changed)
}

async fn remove_group(db: &Database, name: &GroupName) -> Result<()> {
    let mut write = db.begin_write().await?;
    let members = groups::members(&mut write, name)
        .await
        .map_err(|e| db.failed(e))?;
    if members > 0 {
        let users = if members == 1 { "user is" } else { "users are" };
        return Err(Error::new(format!("cannot remove the group \"{name}\""))
            .because(format!("{members} {users} in it"))
            .hint(format!("homeportd user list --group {name}")));
    }
    let removed = groups::remove_all(&mut write, &[name]).await;
    if removed.map_err(|e| db.failed(e))? == 0 {
        return Err(no_such_group(name));
    }
    write.commit().await.map_err(|e| db.failed(e))
}

async fn add_folder(db: &Database, folder: &Folder) -> Result<()> {
    let stored = folders::stored_path(&folder.path, &db.context.homes)?;
    let mut write = db.begin_write().await?;
    let there = folders::find(&mut write, &folder.name, &db.context.homes).await;
    if there.map_err(|e| db.failed(e))?.is_some() {
        return Err(folder_name_taken(&folder.name));
    }
    homes::check_folder(&mut write, folder, &stored, None, &db.context.homes)
        .await
        .map_err(|e| db.failed(e))??;
    folders::write_all(&mut write, &[folder], RowsStatement::Add, &db.context.homes)
        .await
        .map_err(|e| db.failed(e))??;
    write.commit().await.map_err(|e| db.failed(e))
}

async fn change_folder(db: &Database, name: &FolderName, change: &FolderChange) -> Result<Changed<Folder>> {
    let mut write = db.begin_write().await?;
    let found = folders::find(&mut write, name, &db.context.homes).await;
    let before = found
        .map_err(|e| db.failed(e))?
        .ok_or_else(|| no_such_folder(name))??;
    let mut after = before.clone();
    change(&mut after)?;
    let stored = folders::stored_path(&after.path, &db.context.homes)?;
    after.path = db.context.homes.located(&stored);
    let changed = Changed { before, after };
    if !changed.is_change() {
        write.rollback().await.map_err(|e| db.failed(e))?;
        return Ok(changed);
    }
    let folder = &changed.after;
    if folder.name != *name {
        let other = folders::find(&mut write, &folder.name, &db.context.homes).await;
        if other.map_err(|e| db.failed(e))?.is_some() {
            return Err(folder_name_taken(&folder.name));
        }
    }
    homes::check_folder(&mut write, folder, &stored, Some(name), &db.context.homes)
        .await
        .map_err(|e| db.failed(e))??;
    folders::update(&mut write, folder, name, &db.context.homes)
        .await
        .map_err(|e| db.failed(e))??;
    // A directory that is no folder any more has no account.
    usage::forget(&mut write, &db.context.homes, &changed.before.path)
        .await
        .map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(changed)
}

async fn remove_folder(db: &Database, name: &FolderName) -> Result<PathBuf> {
    let mut write = db.begin_write().await?;
    let holders = folders::holders(&mut write, name)
        .await
        .map_err(|e| db.failed(e))?;
    if !holders.is_empty() {
        return Err(in_use(name, &holders));
    }
    let removed = folders::remove_all(&mut write, &[name])
        .await
        .map_err(|e| db.failed(e))?;
    let stored = removed.first().ok_or_else(|| no_such_folder(name))?;
    let path = db.context.homes.located(stored);
    usage::forget(&mut write, &db.context.homes, &path)
        .await
        .map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(path)
}

/// Returns the error about a folder that users and groups have, given as `user NAME` and `group NAME`.
fn in_use(name: &FolderName, holders: &[String]) -> Error {
    let shown = holders.get(..MOST_HOLDERS).unwrap_or(holders);
    let cause = match (shown, holders.len() - shown.len()) {
        ([one], 0) => format!("the {one} has it"),
        (_, 0) => format!("these have it: {}", shown.join(", ")),
        (_, more) => format!("these have it: {}, and {more} more", shown.join(", ")),
    };
    let command = |holder: &String| {
        let (kind, holder) = holder.split_once(' ')?;
        Some(format!("homeportd {kind} set {holder} --no-folder {name}"))
    };
    let commands: Vec<String> = shown.iter().filter_map(command).collect();
    Error::new(format!("cannot remove the folder \"{name}\""))
        .because(cause)
        .hint(format!("take it away first: {}", commands.join(" && ")))
}
