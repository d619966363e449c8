//! The statements that read and write folders, and who has them.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::relative::HomeLocations;
use super::rows::columns::{bad, column, limit_number};
use super::rows::settings::{CreationRow, read_creation, rules_text};
use super::rows::{directory_text, read_quota};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::GroupName;
use crate::domain::permission::PermissionRules;
use crate::domain::quota::{Limit, Quota};
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// Returns the error of a command that names a folder that does not exist.
pub(crate) fn no_such_folder(name: &FolderName) -> Error {
    Error::new(format!("there is no folder \"{name}\""))
        .hint("homeportd folder list")
        .not_found()
}

/// Whose folders are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum FolderOwner<'a> {
    User(&'a UserName),
    Group(&'a GroupName),
}

/// Replaces the folders that a user or a group has, where they differ. All of them must exist.
pub(super) async fn write_folders(
    connection: &mut SqliteConnection,
    owner: FolderOwner<'_>,
    folders: &BTreeMap<FolderName, PermissionRules>,
) -> sqlx::Result<()> {
    let (name, read, delete, insert) = match owner {
        FolderOwner::User(name) => (
            name.as_str(),
            "SELECT folder, permissions FROM user_folders WHERE user_name = $1",
            "DELETE FROM user_folders WHERE user_name = $1",
            "INSERT INTO user_folders (user_name, folder, permissions) VALUES ($1, $2, $3)",
        ),
        FolderOwner::Group(name) => (
            name.as_str(),
            "SELECT folder, permissions FROM group_folders WHERE group_name = $1",
            "DELETE FROM group_folders WHERE group_name = $1",
            "INSERT INTO group_folders (group_name, folder, permissions) VALUES ($1, $2, $3)",
        ),
    };
    let rows = folders
        .iter()
        .map(|(folder, rules)| (folder.to_string(), rules_text(rules)));
    let wanted: BTreeMap<String, String> = rows.collect();
    let there: Vec<(String, String)> = sqlx::query_as(read)
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
    if there.into_iter().collect::<BTreeMap<_, _>>() == wanted {
        return Ok(());
    }
    sqlx::query(delete).bind(name).execute(&mut *connection).await?;
    for (folder, rules) in wanted {
        sqlx::query(insert)
            .bind(name)
            .bind(folder)
            .bind(rules)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Reads the folder with this name.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &FolderName,
    homes: &HomeLocations,
) -> sqlx::Result<Option<Result<Folder>>> {
    let row = sqlx::query("SELECT * FROM folders WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| read(&row, homes)))
}

/// Selects the folders whose names a JSON array has.
pub(super) const NAMED: &str = "SELECT * FROM folders WHERE name IN (SELECT value FROM json_each($1))";

/// Reads the folders with these names, in no particular order. Those that do not exist are left out.
pub(super) async fn find_all<'a>(
    connection: &mut SqliteConnection,
    names: impl Iterator<Item = &'a FolderName>,
    homes: &HomeLocations,
) -> sqlx::Result<Result<Vec<Folder>>> {
    let names: Vec<&str> = names.map(FolderName::as_str).collect();
    if names.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let rows = sqlx::query(NAMED)
        .bind(serde_json::json!(names).to_string())
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| read(row, homes)).collect())
}

/// Reads all folders, in the order of their names.
pub(super) async fn read_all(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
) -> sqlx::Result<Result<Vec<Folder>>> {
    let rows = sqlx::query("SELECT * FROM folders ORDER BY name")
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| read(row, homes)).collect())
}

fn read(row: &SqliteRow, homes: &HomeLocations) -> Result<Folder> {
    let name: String = column(row, "name")?;
    let folder = || -> Result<Folder> {
        let (bytes, files) = (column(row, "quota_bytes")?, column(row, "quota_files")?);
        Ok(Folder {
            name: name.parse().map_err(|error: Error| bad("name").because(error))?,
            path: homes.located(&column::<String>(row, "path")?),
            comment: column(row, "comment")?,
            quota: read_quota(Some(bytes), Some(files), Quota::default())?,
            creation: read_creation(row)?,
        })
    };
    folder().map_err(|error| {
        Error::new(format!("cannot read the folder \"{}\"", name.escape_debug())).because(error)
    })
}

/// The path of a folder as it is stored.
///
/// # Errors
/// Returns an error if it cannot be a folder's path.
pub(super) fn stored_path(path: &Path, homes: &HomeLocations) -> Result<String> {
    Ok(homes.stored(&directory_text("folder", path)?))
}

/// Adds a folder, or replaces the one with the name `old`.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    folder: &Folder,
    stored_path: &str,
    old: Option<&FolderName>,
) -> sqlx::Result<Result<()>> {
    let numbers = || {
        Ok((
            limit_number(Limit(folder.quota.bytes))?,
            limit_number(Limit(folder.quota.files))?,
        ))
    };
    let (bytes, files) = match numbers() {
        Ok(numbers) => numbers,
        Err(error) => return Ok(Err(error)),
    };
    let sql = match old {
        None => {
            "INSERT INTO folders (name, path, comment, quota_bytes, quota_files, file_mode, dir_mode, file_group) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        }
        Some(_) => {
            "UPDATE folders SET name = $1, path = $2, comment = $3, quota_bytes = $4, quota_files = $5, \
             file_mode = $6, dir_mode = $7, file_group = $8 WHERE name = $9"
        }
    };
    let creation = CreationRow::new(&folder.creation);
    let query = sqlx::query(sql)
        .bind(folder.name.as_str())
        .bind(stored_path)
        .bind(&folder.comment)
        .bind(bytes)
        .bind(files);
    let query = creation.bind(query);
    let query = match old {
        Some(old) => query.bind(old.as_str()),
        None => query,
    };
    query.execute(connection).await?;
    Ok(Ok(()))
}

/// Returns the users and groups that name a folder in their own settings, as `user NAME` and `group NAME`.
pub(super) async fn holders(
    connection: &mut SqliteConnection,
    name: &FolderName,
) -> sqlx::Result<Vec<String>> {
    let sql = "SELECT 'user ' || user_name FROM user_folders WHERE folder = $1 \
               UNION ALL SELECT 'group ' || group_name FROM group_folders WHERE folder = $1 ORDER BY 1";
    sqlx::query_scalar(sql)
        .bind(name.as_str())
        .fetch_all(connection)
        .await
}

/// Removes a folder that nobody has, and returns its stored path.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    name: &FolderName,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("DELETE FROM folders WHERE name = $1 RETURNING path")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
}
