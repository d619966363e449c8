//! Opening the store's file: its mode, its version, its soundness.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::failure::{damaged, failed, is_busy};
use super::migrations::{latest, migrations};
use super::reserve;
use base::advice;
use base::error::{Error, Result};
use base::regular::must_be_regular;

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

/// Is there no store yet: no file, or one that nothing was written to, as a command that was cut off leaves it?
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

/// A file that was looked at.
pub(super) struct Inspected {
    /// How to connect to it without changing anything.
    pub options: SqliteConnectOptions,
    /// The version it has, and the one that a start brings it to, where that is another.
    pub migration: Option<(i64, i64)>,
    /// Nobody writes to it.
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
    let migration = Some((version, latest())).filter(|_| version < latest());
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

/// An absolute path is never taken for a URI or for `:memory:`.
fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::new(format!("cannot open the store {path:?}")).because(error))?;
    if absolute.to_str().is_none() {
        return Err(Error::new(format!("cannot open the store {path:?}"))
            .because("its path is not valid UTF-8".to_owned())
            .hint("keep it in a directory with a plain name"));
    }
    Ok(absolute)
}

/// Looks whether there is a file.
pub(super) fn must_exist(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new(format!(
            "there is no store {path:?}"
        ))
        .hint("is [store] path in the configuration right? homeportd init DIR and homeportd user add NAME make a new one")),
        Err(error) => {
            let cannot = Error::new(format!("cannot open the store {path:?}"));
            Err(advice::because(cannot, error, path, "u+rw"))
        }
    }
}

/// Looks whether the store's files may be read and written by this process, and its directory too, in which SQLite makes
/// and removes files beside it.
///
/// # Errors
/// The first that may not, and what to do about it.
pub(super) fn is_accessible(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let all = [
        (directory, Access::EXEC_OK, "u+rwx"),
        (path.to_owned(), Access::EXISTS, "u+rw"),
        (sidecar(path, "-wal"), Access::EXISTS, "u+rw"),
        (sidecar(path, "-shm"), Access::EXISTS, "u+rw"),
    ];
    for (file, more, mode) in all {
        let rights = Access::READ_OK | Access::WRITE_OK | more;
        match accessat(CWD, &file, rights, AtFlags::EACCESS) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                let us = rustix::process::geteuid().as_raw();
                let cause = Error::new(format!("user {us} may not read and write {file:?}"));
                return Err(
                    Error::new(format!("cannot use the store {path:?}")).because(advice::because(
                        cause,
                        errno.into(),
                        &file,
                        mode,
                    )),
                );
            }
        }
    }
    Ok(())
}

fn is_empty(path: &Path) -> Error {
    Error::new(format!("cannot use the store {path:?}"))
        .because("it is empty: something has cut it, or it was never written".to_owned())
        .hint("restore it from a backup; if there was never anything in it: homeportd user add NAME")
}

/// Makes an empty file of mode 0600, whatever the umask. SQLite gives its other files the same mode and owner.
fn create(path: &Path) -> Result<()> {
    let failed = |error| Error::new(format!("cannot make the store {path:?}")).because(error);
    let parent = path.parent().unwrap_or(Path::new("/"));
    match DirBuilder::new().mode(0o700).create(parent) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))
                .map_err(failed)?;
            // The name is on the disk before anybody is told that a user was stored.
            File::open(parent)
                .and_then(|directory| directory.sync_all())
                .map_err(failed)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Password hashes are for nobody else to read.
fn check_mode(path: &Path) -> Result<()> {
    for file in [path.to_owned(), sidecar(path, "-wal"), sidecar(path, "-shm")] {
        let Ok(found) = file.metadata() else { continue };
        must_be_regular(&found)
            .map_err(|error| Error::new(format!("cannot open the store {file:?}")).because(error))?;
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o777;
            return Err(Error::new(format!("cannot use the store {file:?}"))
                .because(format!("its mode {mode:04o} lets others read or change it"))
                .hint(advice::chmod(&file, "600")));
        }
    }
    Ok(())
}

fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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
