//! The statements that read and write folders, and who has them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::many_rows::{MOST_ROWS, RowsStatement, json_list};
use super::relative::HomeLocations;
use super::rows::columns::{bad, column, limit_number};
use super::rows::settings::{CreationRow, SqlQuery, read_creation, rules_text};
use super::rows::{directory_text, read_quota};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::permission::PermissionRules;
use crate::domain::quota::{Limit, Quota};
use base::error::{Error, Result};

/// Returns the error of a command that names a folder that does not exist.
pub(crate) fn no_such_folder(name: &FolderName) -> Error {
    Error::new(format!("there is no folder \"{name}\""))
        .hint("homeportd folder list")
        .not_found()
}

/// Whose folders are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum FolderOwners {
    Users,
    Groups,
}

/// The folders of a user or a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnedFolders<'a> {
    /// The name of the user or the group.
    pub(super) owner: &'a str,
    /// The folders, with the permissions in each.
    pub(super) folders: &'a BTreeMap<FolderName, PermissionRules>,
}

impl FolderOwners {
    /// Returns the table, and its column of the owner's name.
    fn table(self) -> (&'static str, &'static str) {
        match self {
            FolderOwners::Users => ("user_folders", "user_name"),
            FolderOwners::Groups => ("group_folders", "group_name"),
        }
    }
}

/// A folder of a user or a group, as it is stored.
struct OwnedFolderRow<'a> {
    owner: &'a str,
    folder: &'a str,
    permissions: String,
}

/// Replaces the folders that users or groups have, where they differ. All of them must exist.
pub(super) async fn write_folders(
    connection: &mut SqliteConnection,
    owners: FolderOwners,
    lists: &[OwnedFolders<'_>],
) -> sqlx::Result<()> {
    let (table, column) = owners.table();
    let named = format!("{column} IN (SELECT value FROM json_each($1))");
    let sql = format!("SELECT {column}, folder, permissions FROM {table} WHERE {named}");
    let rows: Vec<(String, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(json_list(lists.iter().map(|list| list.owner)))
        .fetch_all(&mut *connection)
        .await?;
    let mut there: HashMap<String, BTreeMap<String, String>> = HashMap::new();
    for (owner, folder, permissions) in rows {
        there.entry(owner).or_default().insert(folder, permissions);
    }
    let (mut changed, mut wanted) = (Vec::new(), Vec::new());
    for list in lists {
        let rows: Vec<OwnedFolderRow<'_>> = list
            .folders
            .iter()
            .map(|(folder, rules)| OwnedFolderRow {
                owner: list.owner,
                folder: folder.as_str(),
                permissions: rules_text(rules),
            })
            .collect();
        let stored = there.remove(list.owner).unwrap_or_default();
        let is_stored = |row: &OwnedFolderRow<'_>| stored.get(row.folder) == Some(&row.permissions);
        if stored.len() != rows.len() || !rows.iter().all(is_stored) {
            changed.push(list.owner);
            wanted.extend(rows);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE {named}")))
        .bind(json_list(changed.into_iter()))
        .execute(&mut *connection)
        .await?;
    for rows in wanted.chunks(MOST_ROWS) {
        let sql = RowsStatement::Add.sql(table, &[column, "folder", "permissions"], rows.len());
        let mut query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
        for row in rows {
            query = query.bind(row.owner).bind(row.folder).bind(&row.permissions);
        }
        query.execute(&mut *connection).await?;
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
        .bind(json_list(names.into_iter()))
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

/// The columns of a folder, in the order in which [`FolderRow::bind`] binds them.
const COLUMNS: [&str; 8] = [
    "name",
    "path",
    "comment",
    "quota_bytes",
    "quota_files",
    "file_mode",
    "dir_mode",
    "file_group",
];

/// The columns of a folder, ready to be bound to a statement.
struct FolderRow<'a> {
    folder: &'a Folder,
    path: String,
    bytes: i64,
    files: i64,
    creation: CreationRow,
}

impl<'a> FolderRow<'a> {
    fn new(folder: &'a Folder, homes: &HomeLocations) -> Result<Self> {
        Ok(Self {
            folder,
            path: stored_path(&folder.path, homes)?,
            bytes: limit_number(Limit(folder.quota.bytes))?,
            files: limit_number(Limit(folder.quota.files))?,
            creation: CreationRow::new(&folder.creation),
        })
    }

    fn bind<'q>(&'q self, query: SqlQuery<'q>) -> SqlQuery<'q> {
        let query = query
            .bind(self.folder.name.as_str())
            .bind(&self.path)
            .bind(&self.folder.comment)
            .bind(self.bytes)
            .bind(self.files);
        self.creation.bind(query)
    }
}

/// Adds at most [`MOST_ROWS`] folders, or replaces those with the same names.
pub(super) async fn write_all(
    connection: &mut SqliteConnection,
    folders: &[&Folder],
    how: RowsStatement,
    homes: &HomeLocations,
) -> sqlx::Result<Result<()>> {
    let rows: Result<Vec<FolderRow<'_>>> = folders
        .iter()
        .map(|folder| FolderRow::new(folder, homes))
        .collect();
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    let sql = how.sql("folders", &COLUMNS, rows.len());
    let mut query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
    for row in &rows {
        query = row.bind(query);
    }
    query.execute(connection).await?;
    Ok(Ok(()))
}

/// Replaces the folder with the name `old`, whose name may change.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    folder: &Folder,
    old: &FolderName,
    homes: &HomeLocations,
) -> sqlx::Result<Result<()>> {
    let row = match FolderRow::new(folder, homes) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let set = COLUMNS.map(|column| format!("{column} = ?")).join(", ");
    let sql = format!("UPDATE folders SET {set} WHERE name = ?");
    let query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
    let query = row.bind(query).bind(old.as_str());
    query.execute(connection).await?;
    Ok(Ok(()))
}

/// Returns the stored paths of those of the folders that exist.
pub(super) async fn paths_of(
    connection: &mut SqliteConnection,
    names: &[&FolderName],
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT path FROM folders WHERE name IN (SELECT value FROM json_each($1))")
        .bind(json_list(names.iter().map(|name| name.as_str())))
        .fetch_all(connection)
        .await
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

/// Removes those of the folders that exist, which nobody has, and returns their stored paths.
pub(super) async fn remove_all(
    connection: &mut SqliteConnection,
    names: &[&FolderName],
) -> sqlx::Result<Vec<String>> {
    let sql = "DELETE FROM folders WHERE name IN (SELECT value FROM json_each($1)) RETURNING path";
    sqlx::query_scalar(sql)
        .bind(json_list(names.iter().map(|name| name.as_str())))
        .fetch_all(connection)
        .await
}
