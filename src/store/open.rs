//! Opens the store's file: upgrades it to the current version, and checks that it is not damaged. The file's presence
//! and mode are checked by [`super::file`].

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::failure::{damaged, failed, is_busy};
use super::file::{absolute, check_mode, create, must_exist, sidecar};
use super::migrations::{latest, migrations};
use super::reserve;
use base::error::{Error, Result};

/// The time for which a call waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The size in bytes above which only a start and `check` read the whole file to find damage. It takes 2 ms for each
/// MiB, and a command that reads a damaged page reports it anyway.
const QUICK_CHECK_LIMIT: u64 = 1 << 20;

/// A file that is ready for use.
pub(super) struct Prepared {
    /// The options for more connections to the file.
    pub options: SqliteConnectOptions,
    /// The connection that has prepared the file. If it closed before another opens, SQLite would remove the log and its
    /// index, and create them again.
    pub connection: SqliteConnection,
    /// Whether the whole file was read to find damage.
    pub is_checked: bool,
}

/// Creates the file if it is missing, and upgrades it to the current version.
pub(super) async fn prepare(path: &Path) -> Result<Prepared> {
    let path = absolute(path)?;
    create(&path)?;
    reserve::before_write(&path);
    upgrade(&path, Empty::Fill).await
}

/// Upgrades an existing file to the current version. Returns an error if the file is empty.
pub(super) async fn prepare_existing(path: &Path) -> Result<Prepared> {
    let path = absolute(path)?;
    must_exist(&path)?;
    // SQLite may have to create the log and its index.
    reserve::before_write(&path);
    upgrade(&path, Empty::Refuse).await
}

/// Whether there is no store yet: the file is missing, or nothing was written to it, as when a command was interrupted.
pub(super) async fn is_missing(path: &Path) -> Result<bool> {
    /// The size of the largest file without a store, in bytes. The tables alone take more.
    const LARGEST_EMPTY: u64 = 8192;
    let path = absolute(path)?;
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => {
            return Err(Error::new(format!("cannot open the store {path:?}")).because(error));
        }
        Ok(meta) if !meta.is_file() || meta.len() > LARGEST_EMPTY => return Ok(false),
        Ok(_) => check_mode(&path)?,
    }
    let mut connection = connect(&options(&path), &path).await?;
    let version = checked_version(&mut connection, &path).await?;
    connection.close().await.map_err(|error| failed(&path, error))?;
    Ok(version == 0)
}

/// The treatment of a file that contains no tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// The tables are created, because the caller creates a store.
    Fill,
    /// The file is refused: a store was truncated, which must not be taken for a new user base.
    Refuse,
}

/// An upgrade of a store to another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// The version of the file.
    pub from: i64,
    /// The version to which the file is upgraded when it is opened for writing.
    pub to: i64,
}

/// The result of inspecting a file.
pub(super) struct Inspected {
    /// The options for connecting to the file without changing it.
    pub options: SqliteConnectOptions,
    /// The version of the file and the version to which a start upgrades it, if they differ.
    pub migration: Option<Upgrade>,
    /// Whether no other process writes to the file.
    pub is_immutable: bool,
}

/// Inspects an existing file without changing it.
pub(super) async fn inspect(path: &Path) -> Result<Inspected> {
    let path = absolute(path)?;
    must_exist(&path)?;
    check_mode(&path)?;
    // Without a log, no process has the store open, and the file can be read as it is. Otherwise reading takes the
    // usual locks, for which SQLite creates the log's index file if it is missing.
    let log_is_empty = sidecar(&path, "-wal")
        .metadata()
        .map_or(true, |log| log.len() == 0);
    let options = options(&path).read_only(true).immutable(log_is_empty);
    let mut connection = connect(&options, &path).await?;
    let version = checked_version(&mut connection, &path).await?;
    if version == 0 {
        return Err(is_empty(&path));
    }
    check_integrity(&mut connection, &path).await?;
    connection.close().await.map_err(|error| failed(&path, error))?;
    let migration = (version < latest()).then(|| Upgrade {
        from: version,
        to: latest(),
    });
    Ok(Inspected {
        options,
        migration,
        is_immutable: log_is_empty,
    })
}

async fn upgrade(path: &Path, empty: Empty) -> Result<Prepared> {
    check_mode(path)?;
    let options = options(path).synchronous(SqliteSynchronous::Full);
    let mut connection = connect(&options, path).await?;
    let version = checked_version(&mut connection, path).await?;
    if version == 0 && empty == Empty::Refuse {
        return Err(is_empty(path));
    }
    let is_checked = path.metadata().is_ok_and(|meta| meta.len() <= QUICK_CHECK_LIMIT);
    if is_checked {
        check_integrity(&mut connection, path).await?;
    }
    write_ahead(&mut connection, path).await?;
    if version == latest() {
        // This path takes no write lock, so a reader does not wait for a writer.
        return Ok(Prepared {
            options,
            connection,
            is_checked,
        });
    }
    // All steps run in one transaction that takes the write lock at its start: if two processes start at the same time,
    // the second one finds the upgrade done.
    let migrated = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        Migrator::with_migrations(migrations())
            .run(&mut *transaction)
            .await?;
        transaction
            .commit()
            .await
            .map_err(sqlx::migrate::MigrateError::from)
    };
    let migrated: std::result::Result<(), sqlx::migrate::MigrateError> = migrated.await;
    migrated.map_err(|error| {
        let cannot = Error::new(format!("cannot upgrade the store {path:?}"));
        match error {
            sqlx::migrate::MigrateError::Execute(error) => {
                let cause = failed(path, error);
                match cause.is_repeatable() {
                    true => cannot.because(cause).repeatable(),
                    false => cannot.because(cause),
                }
            }
            error => cannot.because(error),
        }
    })?;
    Ok(Prepared {
        options,
        connection,
        is_checked,
    })
}

fn is_empty(path: &Path) -> Error {
    Error::new(format!("cannot use the store {path:?}"))
        .because("it is empty: something has cut it, or it was never written".to_owned())
        .hint("restore it from a backup; if there was never anything in it: homeportd user add NAME")
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        // The sandbox has no directory for temporary files, and what the server sorts is small.
        .pragma("temp_store", "MEMORY")
        .foreign_keys(true)
        .disable_statement_logging()
}

pub(super) async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection> {
    options.connect().await.map_err(|error| failed(path, error))
}

/// Reads the whole file and returns an error if pages are damaged. The cost grows with the number of users.
pub(super) async fn check_integrity(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failed(path, error))?;
    match found.iter().find(|line| *line != "ok") {
        Some(damage) => Err(damaged(path, damage.clone())),
        None => Ok(()),
    }
}

/// Returns the version of a store, or 0 if it is empty.
async fn checked_version(connection: &mut SqliteConnection, path: &Path) -> Result<i64> {
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failed(path, error))?;
    if tables.is_empty() {
        return Ok(0);
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Err(Error::new(format!("cannot use the store {path:?}"))
            .because("it is a database of another program".to_owned())
            .hint("set [store] path to a file of its own"));
    }
    let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failed(path, error))?;
    let version = version.unwrap_or(0);
    if version > latest() {
        return Err(Error::new(format!("cannot use the store {path:?}"))
            .because(format!(
                "it was written by a newer version of this program (store version {version}, this program knows {})",
                latest()
            ))
            .hint("use that version, or restore the copy that you made before the upgrade"));
    }
    Ok(version)
}

/// Switches to write-ahead logging, so that readers and one writer can work at the same time. The switch needs the file
/// exclusively for a moment, and SQLite does not wait for that.
async fn write_ahead(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let started = tokio::time::Instant::now();
    loop {
        let mode: std::result::Result<String, sqlx::Error> = sqlx::query_scalar("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Err(error) if !is_busy(&error) => return Err(failed(path, error)),
            _ if started.elapsed() < BUSY_TIMEOUT => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => {
                return Err(Error::new(format!("cannot use the store {path:?}"))
                    .because(
                        "its file system or another process does not allow write-ahead logging".to_owned(),
                    )
                    .hint("keep it on a local disk"));
            }
        }
    }
}
