//! The statements that read and write groups.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::folders::{FolderOwners, OwnedFolders, write_folders};
use super::many_rows::{RowsStatement, json_list};
use super::rows::columns::{bad, column};
use super::rows::settings::{SettingsRow, SqlQuery, read_settings};
use crate::domain::group::{Group, GroupName};
use base::error::{Error, Result};

/// Selects groups with their folders as a JSON object.
macro_rules! select {
    ($($rest:literal)?) => {
        concat!(
            "SELECT groups.*, (SELECT json_group_object(folder, permissions) FROM group_folders \
             WHERE group_name = groups.name) AS folders FROM groups",
            $($rest)?
        )
    };
}

/// Returns the error of a command that names a group that does not exist.
pub(crate) fn no_such_group(name: &GroupName) -> Error {
    Error::new(format!("there is no group \"{name}\""))
        .hint("homeportd group list")
        .not_found()
}

/// Reads the group with this name.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &GroupName,
) -> sqlx::Result<Option<Result<Group>>> {
    let row = sqlx::query(select!(" WHERE name = $1"))
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| read(&row)))
}

/// Reads all groups, in the order of their names.
pub(super) async fn read_all(connection: &mut SqliteConnection) -> sqlx::Result<Result<Vec<Group>>> {
    let rows = sqlx::query(select!(" ORDER BY name"))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &SqliteRow) -> Result<Group> {
    let name: String = column(row, "name")?;
    let group = || -> Result<Group> {
        Ok(Group {
            name: name.parse().map_err(|error: Error| bad("name").because(error))?,
            comment: column(row, "comment")?,
            settings: read_settings(row)?,
        })
    };
    group().map_err(|error| {
        Error::new(format!("cannot read the group \"{}\"", name.escape_debug())).because(error)
    })
}

fn columns() -> Vec<&'static str> {
    ["name", "comment"]
        .into_iter()
        .chain(SettingsRow::COLUMNS)
        .collect()
}

/// The columns of a group, ready to be bound to a statement.
struct GroupRow<'a> {
    group: &'a Group,
    settings: SettingsRow,
}

impl<'a> GroupRow<'a> {
    fn new(group: &'a Group) -> Result<Self> {
        let cannot = || Error::new(format!("cannot store the group \"{}\"", group.name));
        let settings = SettingsRow::new(&group.settings).map_err(|error| cannot().because(error))?;
        Ok(Self { group, settings })
    }

    /// Binds the values in the order of [`columns`].
    fn bind<'q>(&'q self, query: SqlQuery<'q>) -> SqlQuery<'q> {
        let query = query.bind(self.group.name.as_str()).bind(&self.group.comment);
        self.settings.bind(query)
    }
}

/// Adds at most [`MOST_ROWS`](super::many_rows::MOST_ROWS) groups, or replaces those with the same names.
pub(super) async fn write_all(
    connection: &mut SqliteConnection,
    groups: &[&Group],
    how: RowsStatement,
) -> sqlx::Result<Result<()>> {
    let rows: Result<Vec<GroupRow<'_>>> = groups.iter().map(|group| GroupRow::new(group)).collect();
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    let sql = how.sql("groups", &columns(), rows.len());
    let mut query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
    for row in &rows {
        query = row.bind(query);
    }
    query.execute(&mut *connection).await?;
    write_lists(connection, groups).await.map(Ok)
}

/// Replaces the group with the name `old`, whose name may change.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    group: &Group,
    old: &GroupName,
) -> sqlx::Result<Result<()>> {
    let row = match GroupRow::new(group) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let set: Vec<String> = columns().iter().map(|column| format!("{column} = ?")).collect();
    let sql = format!("UPDATE groups SET {} WHERE name = ?", set.join(", "));
    let query: SqlQuery<'_> = sqlx::query(sqlx::AssertSqlSafe(sql));
    let query = row.bind(query).bind(old.as_str());
    query.execute(&mut *connection).await?;
    write_lists(connection, &[group]).await.map(Ok)
}

/// Replaces the folders of groups, where they differ.
async fn write_lists(connection: &mut SqliteConnection, groups: &[&Group]) -> sqlx::Result<()> {
    let lists: Vec<OwnedFolders<'_>> = groups
        .iter()
        .map(|group| OwnedFolders {
            owner: group.name.as_str(),
            folders: &group.settings.folders,
        })
        .collect();
    write_folders(connection, FolderOwners::Groups, &lists).await
}

/// Returns the number of a group's members.
pub(super) async fn members(connection: &mut SqliteConnection, name: &GroupName) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE group_name = $1")
        .bind(name.as_str())
        .fetch_one(connection)
        .await
}

/// Removes those of the groups that exist, which have no members, and returns how many there were.
pub(super) async fn remove_all(connection: &mut SqliteConnection, names: &[&GroupName]) -> sqlx::Result<u64> {
    let names = json_list(names.iter().map(|name| name.as_str()));
    sqlx::query("DELETE FROM group_folders WHERE group_name IN (SELECT value FROM json_each($1))")
        .bind(&names)
        .execute(&mut *connection)
        .await?;
    let done = sqlx::query("DELETE FROM groups WHERE name IN (SELECT value FROM json_each($1))")
        .bind(&names)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
