//! The tables of the latest changes: which users and homes were changed, and in which revision.

use sqlx::sqlite::SqliteConnection;

use super::references::RecordContext;
use super::rows::read_quota;
use super::{RevisionChanges, TouchedHome, TouchedUser};
use crate::domain::user::UserName;
use base::error::Error;

/// Selects the users who were changed, and whether they exist.
pub(super) const USERS: &str = "SELECT c.name, u.name IS NOT NULL FROM changed_users c \
     LEFT JOIN users u ON u.name = c.name WHERE c.number > $1";

/// Selects the homes and folders that were changed, and their quotas. There is a row for each user of a home; their quotas
/// are equal.
pub(super) const HOMES: &str = "SELECT c.home, u.name IS NOT NULL OR f.name IS NOT NULL, \
     coalesce(f.quota_bytes, u.quota_bytes, g.quota_bytes), coalesce(f.quota_files, u.quota_files, g.quota_files) \
     FROM changed_homes c LEFT JOIN users u ON u.home = c.home LEFT JOIN groups g ON g.name = u.group_name \
     LEFT JOIN folders f ON f.path = c.home WHERE c.number > $1";

/// A home or a folder, whether somebody has it, and its quota in bytes and files.
type Home = (String, bool, Option<i64>, Option<i64>);

/// Reads the changes after the revision `seen`.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    seen: i64,
    context: &RecordContext,
) -> sqlx::Result<RevisionChanges> {
    let number = sqlx::query_scalar("SELECT number FROM users_revision")
        .fetch_one(&mut *connection)
        .await?;
    if number == seen {
        return Ok(RevisionChanges {
            number,
            ..RevisionChanges::default()
        });
    }
    let users: Vec<(String, bool)> = sqlx::query_as(USERS)
        .bind(seen)
        .fetch_all(&mut *connection)
        .await?;
    let mut homes: Vec<Home> = sqlx::query_as(HOMES)
        .bind(seen)
        .fetch_all(&mut *connection)
        .await?;
    homes.sort();
    homes.dedup_by(|one, other| one.0 == other.0);
    // An invalid name was written by hand, and no user can sign in with it.
    let users = users.into_iter().filter_map(|(name, exists)| {
        let name = UserName::stored(&name).ok()?;
        Some(TouchedUser { name, exists })
    });
    let homes = homes.into_iter().map(|(home, is_somebodys, bytes, files)| {
        let home = context.homes.located(&home);
        let quota = is_somebodys
            .then(|| read_quota(bytes, files, context.default_quota.get()))
            .transpose();
        let cannot = || Error::new(format!("cannot read the quota of the home {home:?}"));
        let quota = quota.map_err(|error| cannot().because(error));
        TouchedHome { home, quota }
    });
    Ok(RevisionChanges {
        number,
        users: users.collect(),
        homes: homes.collect(),
    })
}
