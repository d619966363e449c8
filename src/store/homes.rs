//! Finds the users of a home, and checks that homes and folders do not lie inside each other. All queries use the indexes
//! on their paths, so their cost does not grow with the number of users.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;

use super::place_conflicts::{
    ConflictCause, DirectoryHolder, HeldDirectory, HomeOwner, PlaceConflict, place_conflicts,
};
use super::references::RecordContext;
use super::relative::HomeLocations;
use super::rows::read_quota;
use crate::domain::folder::{Folder, FolderName};
use crate::domain::user::{Quota, User, UserName};
use base::error::{Error, Result};

/// Selects homes, with their users, and the quotas that are set by the user or the group.
const HOMES: &str = "SELECT users.name, users.home, coalesce(users.quota_bytes, groups.quota_bytes) AS bytes, \
     coalesce(users.quota_files, groups.quota_files) AS files \
     FROM users LEFT JOIN groups ON groups.name = users.group_name";

/// Selects folders in the same form.
const FOLDERS: &str = "SELECT name, path AS home, quota_bytes AS bytes, quota_files AS files FROM folders";

/// A home or a folder that overlaps with a path.
struct Overlap {
    holder: DirectoryHolder,
    stored: String,
    bytes: Option<i64>,
    files: Option<i64>,
}

/// Refuses a home inside or around another one or a folder: each quota would count the other's files, and one user could
/// read the other's files. Users of the same home share one account, so their quotas must be equal.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    user: &User,
    stored: &str,
    old_name: Option<&UserName>,
    context: &RecordContext,
) -> sqlx::Result<Result<()>> {
    let us = DirectoryHolder::User(old_name.unwrap_or(&user.name).to_string());
    let refused = |path: &Path| Error::new(format!("cannot use the home {path:?}"));
    for other in overlaps(connection, stored).await? {
        if other.holder == us {
            continue;
        }
        let (ours, theirs) = (
            context.homes.located(stored),
            context.homes.located(&other.stored),
        );
        let is_same_home = other.stored == stored && matches!(other.holder, DirectoryHolder::User(_));
        let conflict = |why| PlaceConflict {
            one: HeldDirectory::new(&ours, us.clone()),
            other: HeldDirectory::new(&theirs, other.holder.clone()),
            why,
        };
        if !is_same_home {
            return Ok(Err(conflict(ConflictCause::Overlap).error()));
        }
        let quota = match read_quota(other.bytes, other.files, context.default_quota.get()) {
            Ok(quota) => quota,
            Err(error) => return Ok(Err(refused(&ours).because(error))),
        };
        if quota != user.quota() {
            return Ok(Err(conflict(ConflictCause::Quota).error()));
        }
    }
    Ok(Ok(()))
}

/// Refuses a folder inside or around a home or another folder.
pub(super) async fn check_folder(
    connection: &mut SqliteConnection,
    folder: &Folder,
    stored: &str,
    old_name: Option<&FolderName>,
    homes: &HomeLocations,
) -> sqlx::Result<Result<()>> {
    let us = DirectoryHolder::Folder(old_name.unwrap_or(&folder.name).to_string());
    let others = overlaps(connection, stored).await?;
    let is_other = |other: &Overlap| old_name.is_none() || other.holder != us;
    Ok(match others.into_iter().find(is_other) {
        None => Ok(()),
        Some(other) => {
            let conflict = PlaceConflict {
                one: HeldDirectory::new(&homes.located(stored), us),
                other: HeldDirectory::new(&homes.located(&other.stored), other.holder),
                why: ConflictCause::Overlap,
            };
            Err(conflict.error())
        }
    })
}

/// Checks that no home or folder lies inside another one, and that the users of one home have the same quota, as if all
/// were in the store.
///
/// # Errors
/// Returns an error that names the first two that exclude each other.
pub(super) fn check_all(owners: &[HomeOwner<'_>], folders: &[Folder]) -> Result<()> {
    let conflict = place_conflicts(owners, folders).into_iter().next();
    conflict.map_or(Ok(()), |conflict| Err(conflict.error()))
}

/// Returns two of those who have this directory, two who have one inside it, and those who have one around it. Two are
/// enough, because one may be the one whom the query is about.
async fn overlaps(connection: &mut SqliteConnection, path: &str) -> sqlx::Result<Vec<Overlap>> {
    let mut found = Vec::new();
    for (select, column) in [(HOMES, "home"), (FOLDERS, "path")] {
        let same = format!("{select} WHERE {column} = $1 ORDER BY 1 LIMIT 2");
        // Paths that begin with "HOME/" sort before "HOME0", because '0' is the character after '/'.
        let inside =
            format!("{select} WHERE {column} > $1 || '/' AND {column} < $1 || '0' ORDER BY {column} LIMIT 2");
        let above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        let queries = [(&same, path), (&inside, path)]
            .into_iter()
            .chain(above.map(|above| (&same, above)));
        for (sql, path) in queries {
            let rows: Vec<(String, String, Option<i64>, Option<i64>)> =
                sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str()))
                    .bind(path)
                    .fetch_all(&mut *connection)
                    .await?;
            found.extend(rows.into_iter().map(|(name, stored, bytes, files)| Overlap {
                holder: match select {
                    HOMES => DirectoryHolder::User(name),
                    _ => DirectoryHolder::Folder(name),
                },
                stored,
                bytes,
                files,
            }));
        }
    }
    Ok(found)
}

/// Returns the name of a user other than this one whose home is this one, or lies inside or around it.
pub(super) async fn overlapping_user(
    connection: &mut SqliteConnection,
    home: &str,
    user: &UserName,
) -> sqlx::Result<Option<String>> {
    let found = overlaps(connection, home).await?;
    Ok(found.into_iter().find_map(|other| match other.holder {
        DirectoryHolder::User(name) if name != user.as_str() => Some(name),
        _ => None,
    }))
}

/// Checks that the users of each home of a group's members have the same quota.
pub(super) async fn check_members(
    connection: &mut SqliteConnection,
    group: &str,
    context: &RecordContext,
) -> sqlx::Result<Result<()>> {
    let sql = format!(
        "{HOMES} WHERE users.home IN (SELECT home FROM users WHERE group_name = $1) ORDER BY users.home, users.name"
    );
    let rows: Vec<(String, String, Option<i64>, Option<i64>)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(group)
        .fetch_all(connection)
        .await?;
    let quota = |bytes, files| read_quota(bytes, files, context.default_quota.get());
    for pair in rows.windows(2) {
        let [
            (one, home, bytes, files),
            (other, other_home, other_bytes, other_files),
        ] = pair
        else {
            continue;
        };
        let differ = match (quota(*bytes, *files), quota(*other_bytes, *other_files)) {
            (Ok(ours), Ok(theirs)) => ours != theirs,
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
        };
        if home == other_home && differ {
            let home = context.homes.located(home);
            return Ok(Err(Error::new(format!(
                "cannot give the members of \"{group}\" this quota"
            ))
            .because(format!(
                "\"{one}\" and \"{other}\" share the home {home:?}, and would have different quotas"
            ))
            .hint("give both users the same quota, or put both into the group")));
        }
    }
    Ok(Ok(()))
}

/// Returns the names of the users who have this home, in their order.
pub(super) async fn users_of(
    connection: &mut SqliteConnection,
    homes: &HomeLocations,
    home: &Path,
) -> sqlx::Result<Vec<String>> {
    let home = home.to_str().map(|home| homes.stored(home));
    sqlx::query_scalar("SELECT name FROM users WHERE home = $1 ORDER BY name")
        .bind(home)
        .fetch_all(connection)
        .await
}

/// Returns the quota of the users who have this home.
pub(super) async fn quota_of(
    connection: &mut SqliteConnection,
    home: &str,
    context: &RecordContext,
) -> sqlx::Result<Option<Result<Quota>>> {
    let sql = format!("{HOMES} WHERE users.home = $1 LIMIT 1");
    let row: Option<(String, String, Option<i64>, Option<i64>)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(home)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|(_, _, bytes, files)| read_quota(bytes, files, context.default_quota.get())))
}
