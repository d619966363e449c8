//! Turns SQLite's errors into sentences that an operator can act on.

use std::path::Path;

use super::{file, reserve};
use base::advice;
use base::error::Error;

/// Returns the code of an SQLite error without its extended part.
fn code(error: &sqlx::Error) -> Option<i32> {
    // The lower byte is the primary code; the other bytes contain details.
    Some(extended_code(error)? & 0xff)
}

fn extended_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Whether the error means that the disk is full.
fn is_full(path: &Path, error: &sqlx::Error) -> bool {
    match extended_code(error) {
        // The code 13 is SQLITE_FULL.
        Some(13) => true,
        // SQLITE_IOERR and SQLITE_CANTOPEN also stand for EDQUOT, so the disk itself is checked.
        Some(code) if matches!(code & 0xff, 10 | 14) => {
            reserve::is_exhausted(path.parent().unwrap_or(Path::new("/")))
        }
        _ => false,
    }
}

/// Whether the error is caused by a lock that another process holds.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // The codes are SQLITE_BUSY and SQLITE_LOCKED.
    matches!(code(error), Some(5 | 6))
}

/// Returns the error for a failed call on the store at `path`. If the disk is full, the reserve is spent.
pub(super) fn failed(path: &Path, error: sqlx::Error) -> Error {
    let what = Error::new(format!("cannot use the store {path:?}"));
    if is_full(path, &error) {
        // The next call may then find space, even if another call has spent the reserve.
        reserve::free(path);
        let directory = path.parent().unwrap_or(Path::new("/"));
        let hint = format!(
            "remove something there, or enlarge the disk or the quota of the file system that user {} has: df {}",
            rustix::process::geteuid().as_raw(),
            advice::quoted(directory)
        );
        return what
            .because("the disk is full, and the reserve that the store keeps for this is used up".to_owned())
            .hint(hint)
            .repeatable();
    }
    let text = error.as_database_error().map(|e| e.message().to_owned());
    match code(&error) {
        Some(5 | 6) => what
            .because("another process has kept it locked for 5 s".to_owned())
            .hint(format!(
                "try again; lsof {} shows which process has it open",
                advice::quoted(path)
            )),
        // The codes are SQLITE_CORRUPT and SQLITE_NOTADB.
        Some(11 | 26) => damaged(path, text.unwrap_or_default()),
        // The codes are SQLITE_READONLY and SQLITE_CANTOPEN.
        Some(8 | 14) => match file::is_accessible(path) {
            Err(error) => error,
            Ok(()) => what
                .because(text.unwrap_or_default())
                .hint("the file and its directory must belong to the user that the server runs as"),
        },
        _ => match error {
            sqlx::Error::PoolTimedOut => what.because("all connections to it are busy".to_owned()),
            error => what.because(error),
        },
    }
}

/// Returns the error for a damaged file; `detail` is SQLite's message.
pub(super) fn damaged(path: &Path, detail: String) -> Error {
    Error::new(format!("the store {path:?} is damaged"))
        .because(detail)
        .hint("stop the server and restore the file from a backup, without the files -wal and -shm beside it")
}
