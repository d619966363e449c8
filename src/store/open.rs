//! Opens the store's file: brings it to the current version, and checks that it is sound. The file's presence and
//! mode are [`super::file`]'s.

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

/// How long a call waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Larger files are looked through at a start and by `check`, but not by every command: it takes 2 ms for each MiB, and
/// a command that reads a damaged page hears so anyway.
const LOOKED_THROUGH: u64 = 1 << 20;

/// Makes the file if it is missing, and brings it to the current version. Returns how to connect to it.
pub(super) async fn prepare(path: &Path) -> Result<SqliteConnectOptions> {
    let path = absolute(path)?;
    create(&path)?;
    reserve::before_write(&path);
    upgrade(&path, Empty::Fill).await
}

/// Brings a file that is there to the current version; an empty one is an error.
pub(super) async fn prepare_existing(path: &Path) -> Result<SqliteConnectOptions> {
    let path = absolute(path)?;
    must_exist(&path)?;
    // The log and its index may have to be made.
    reserve::before_write(&path);
    upgrade(&path, Empty::Refuse).await
}

/// Whether there is no store yet: no file, or one that nothing was written to, as a command that was cut off leaves
/// it.
pub(super) async fn is_missing(path: &Path) -> Result<bool> {
    /// The tables alone take more.
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
    let version = sound_version(&mut connection, &path).await?;
    connection.close().await.map_err(|error| failed(&path, error))?;
    Ok(version == 0)
}

/// What to do with a file that has no tables in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// Make them: the caller makes a store.
    Fill,
    /// Something has cut a store to nothing: that is no new user base.
    Refuse,
}

/// A change of a store's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// The version that the file has.
    pub from: i64,
    /// The version that opening it to change it brings it to.
    pub to: i64,
}

/// A file that was looked at.
pub(super) struct Inspected {
    /// How to connect to it without changing anything.
    pub options: SqliteConnectOptions,
    /// The version it has, and the one that a start brings it to, where that is another.
    pub migration: Option<Upgrade>,
    /// Whether nobody writes to the file.
    pub is_immutable: bool,
}

/// Looks at a file that is there, and changes nothing.
pub(super) async fn inspect(path: &Path) -> Result<Inspected> {
    let path = absolute(path)?;
    must_exist(&path)?;
    check_mode(&path)?;
    // Without a log nobody has the store open, and it can be read as it is. Otherwise reading takes the same
    // locks as everybody, for which SQLite makes the index file of the log if it is missing.
    let log_is_empty = sidecar(&path, "-wal")
        .metadata()
        .map_or(true, |log| log.len() == 0);
    let options = options(&path).read_only(true).immutable(log_is_empty);
    let mut connection = connect(&options, &path).await?;
    let version = sound_version(&mut connection, &path).await?;
    if version == 0 {
        return Err(is_empty(&path));
    }
    look_through(&mut connection, &path).await?;
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

async fn upgrade(path: &Path, empty: Empty) -> Result<SqliteConnectOptions> {
    check_mode(path)?;
    let options = options(path).synchronous(SqliteSynchronous::Full);
    let mut connection = connect(&options, path).await?;
    let version = sound_version(&mut connection, path).await?;
    if version == 0 && empty == Empty::Refuse {
        return Err(is_empty(path));
    }
    if path.metadata().is_ok_and(|meta| meta.len() <= LOOKED_THROUGH) {
        look_through(&mut connection, path).await?;
    }
    write_ahead(&mut connection, path).await?;
    if version == latest() {
        // Nobody who only reads has to wait for somebody who writes.
        connection.close().await.map_err(|error| failed(path, error))?;
        return Ok(options);
    }
    // One transaction for all steps, with the write lock from the start: of two processes that come at the same
    // time, the second one finds the work done.
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
        let cannot = Error::new(format!("cannot bring the store {path:?} up to date"));
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
    connection.close().await.map_err(|error| failed(path, error))?;
    Ok(options)
}

fn is_empty(path: &Path) -> Error {
    Error::new(format!("cannot use the store {path:?}"))
        .because("it is empty: something has cut it, or it was never written".to_owned())
        .hint("restore it from a backup; if there was never anything in it: homeportd user add NAME")
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging()
}

async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection> {
    options.connect().await.map_err(|error| failed(path, error))
}

/// Reads all of the file and finds pages that make no sense. What it costs grows with the number of users.
pub(super) async fn look_through(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failed(path, error))?;
    match found.iter().find(|line| *line != "ok") {
        Some(damage) => Err(damaged(path, damage.clone())),
        None => Ok(()),
    }
}

/// The version of a store; 0 if it is empty.
async fn sound_version(connection: &mut SqliteConnection, path: &Path) -> Result<i64> {
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

/// Readers and one writer at the same time. The change of mode needs the file for itself for a moment, and SQLite
/// does not wait for that.
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
