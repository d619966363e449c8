//! Copies of a store for backups, and what becomes of such a copy before a server uses it.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteOwnedBuf;

use super::failure::failed;
use super::open::{check_integrity, connect, options};
use super::sql::SqlStore;
use base::error::Result;

/// The content of a store at one moment, as the bytes of an SQLite file.
pub struct Snapshot {
    image: SqliteOwnedBuf,
    /// The version of the store's tables.
    pub version: i64,
    /// The number of users.
    pub users: u64,
}

impl Snapshot {
    /// Copies the store at `path` into memory, while other processes use it. All pages belong to one transaction, also
    /// those that are still in SQLite's log.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read, or is damaged.
    pub async fn take(path: &Path) -> Result<Self> {
        let mut connection = connect(&options(path), path).await?;
        // The first query fixes what the others see.
        let mut read = connection.begin().await.map_err(|e| failed(path, e))?;
        let users: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&mut *read)
            .await
            .map_err(|e| failed(path, e))?;
        let version: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
            .fetch_one(&mut *read)
            .await
            .map_err(|e| failed(path, e))?;
        // A backup of a damaged store would replace the last good one.
        check_integrity(&mut read, path).await?;
        let image = read.serialize(None).await.map_err(|e| failed(path, e))?;
        read.rollback().await.map_err(|e| failed(path, e))?;
        connection.close().await.map_err(|e| failed(path, e))?;
        Ok(Self {
            image,
            version,
            users: u64::try_from(users).unwrap_or_default(),
        })
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.image
    }
}

/// Prepares the copy of a store for a new server: the copy is upgraded and gets a new id, the recorded use of homes is
/// removed, because their files may be others than those of the former server, and the places of the homes get the new
/// id's markers when it is first opened, where they have none.
///
/// # Errors
/// Returns an error if it is not a store, is damaged, or cannot be written.
pub async fn begin_anew(path: &Path) -> Result<()> {
    // Opening it upgrades it, and reads all of it to find damage.
    let store = SqlStore::open_existing(path).await?;
    store.check_integrity().await?;
    store.close().await;
    let mut connection = connect(&options(path), path).await?;
    let mut write = connection.begin().await.map_err(|e| failed(path, e))?;
    for sql in [
        "UPDATE store_identity SET id = lower(hex(randomblob(16))), marks_known_homes = 1",
        "DELETE FROM home_usage",
    ] {
        sqlx::query(sql)
            .execute(&mut *write)
            .await
            .map_err(|e| failed(path, e))?;
    }
    write.commit().await.map_err(|e| failed(path, e))?;
    // With the last connection, SQLite moves its log into the file.
    connection.close().await.map_err(|e| failed(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::User;
    use crate::store::{Store as _, UsageRecord};

    async fn store_with(path: &Path, names: &[&str]) -> SqlStore {
        let store = SqlStore::open(path).await.unwrap();
        for name in names {
            let mut user = User::blank(name.parse().unwrap());
            user.home = format!("/srv/homes/{name}").into();
            store.add_user(&user).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn a_snapshot_has_what_is_still_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homeport.db");
        let store = store_with(&path, &["calvin", "tom"]).await;
        let snapshot = Snapshot::take(&path).await.unwrap();
        assert_eq!(snapshot.users, 2);
        let copy = dir.path().join("copy.db");
        std::fs::write(&copy, snapshot.bytes()).unwrap();
        std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let copied = SqlStore::open_existing(&copy).await.unwrap();
        assert_eq!(copied.users().await.unwrap(), store.users().await.unwrap());
        assert_eq!(copied.id().await.unwrap(), store.id().await.unwrap());
    }

    #[tokio::test]
    async fn a_new_server_has_another_id_and_measures_homes_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homeport.db");
        let store = store_with(&path, &["calvin"]).await;
        let home = Path::new("/srv/homes/calvin");
        let record = UsageRecord {
            home: home.to_owned(),
            bytes: 7,
            files: 1,
            exact: true,
            measured_at: None,
        };
        store.record_usage(&[record]).await.unwrap();
        let id = store.id().await.unwrap();
        store.close().await;
        begin_anew(&path).await.unwrap();
        assert!(!dir.path().join("homeport.db-wal").exists());
        let store = SqlStore::open_existing(&path).await.unwrap();
        assert_ne!(store.id().await.unwrap(), id);
        assert_eq!(store.id().await.unwrap().len(), 32);
        assert_eq!(store.usage(home).await.unwrap(), None);
        assert!(store.marks_known_homes().await.unwrap());
        assert_eq!(store.users().await.unwrap().len(), 1);
    }
}
