//! The statements that read and write groups.

use std::sync::LazyLock;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::folders::{FolderOwner, write_folders};
use super::rows::columns::{bad, column};
use super::rows::settings::{SettingsRow, read_settings};
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

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names = SettingsRow::COLUMNS.join(", ");
    let values: Vec<String> = (3..3 + SettingsRow::COLUMNS.len())
        .map(|number| format!("${number}"))
        .collect();
    format!(
        "INSERT INTO groups (name, comment, {names}) VALUES ($1, $2, {})",
        values.join(", ")
    )
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let columns = ["name", "comment"].into_iter().chain(SettingsRow::COLUMNS);
    let pairs: Vec<String> = columns
        .zip(1..)
        .map(|(name, number)| format!("{name} = ${number}"))
        .collect();
    format!(
        "UPDATE groups SET {} WHERE name = ${}",
        pairs.join(", "),
        pairs.len() + 1
    )
});

/// Adds a group, or replaces the one with the name `old`.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    group: &Group,
    old: Option<&GroupName>,
) -> sqlx::Result<Result<()>> {
    let row = match SettingsRow::new(&group.settings) {
        Ok(row) => row,
        Err(error) => {
            return Ok(Err(Error::new(format!(
                "cannot store the group \"{}\"",
                group.name
            ))
            .because(error)));
        }
    };
    let sql: &'static str = if old.is_some() { &UPDATE } else { &INSERT };
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(group.name.as_str())
        .bind(&group.comment);
    let query = row.bind(query);
    let query = match old {
        Some(old) => query.bind(old.as_str()),
        None => query,
    };
    query.execute(&mut *connection).await?;
    write_folders(
        connection,
        FolderOwner::Group(&group.name),
        &group.settings.folders,
    )
    .await?;
    Ok(Ok(()))
}

/// Returns the number of a group's members.
pub(super) async fn members(connection: &mut SqliteConnection, name: &GroupName) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE group_name = $1")
        .bind(name.as_str())
        .fetch_one(connection)
        .await
}

/// Removes a group without members, and returns whether there was one.
pub(super) async fn remove(connection: &mut SqliteConnection, name: &GroupName) -> sqlx::Result<bool> {
    sqlx::query("DELETE FROM group_folders WHERE group_name = $1")
        .bind(name.as_str())
        .execute(&mut *connection)
        .await?;
    let done = sqlx::query("DELETE FROM groups WHERE name = $1")
        .bind(name.as_str())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
