//! Cuts files on the server to their contiguous beginning, so that the next run does not take holes for the file's own
//! bytes.

use std::time::Duration;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::context::TransferContext;
use super::error::TransferError;
use super::write_pump::FailedWrite;
use crate::link::{Answered as _, Link, RemoteError};

/// How long a stopped run waits for a file to be cut.
const STOPPED: Duration = Duration::from_secs(2);

/// The attributes that set the size of a file.
pub(super) fn with_size(size: u64) -> Attributes {
    Attributes {
        size: Some(size),
        ..Attributes::default()
    }
}

/// Cuts the server's file back after a refused WRITE, and returns the error. Later WRITEs may have succeeded; the rest
/// must be a beginning of the file, without a hole that the next run would take for the file's own bytes. If the
/// connection is lost, the next attempt cuts the file before it looks at it.
pub(super) async fn cut_back(attempt: Attempt<'_>, file: &FileState, failed: FailedWrite) -> TransferError {
    let FailedWrite { refused_at, error } = failed;
    let (Some(refused_at), TransferError::Remote(..)) = (refused_at, &error) else {
        return error;
    };
    match attempt.link.set(&file.job.remote, &with_size(refused_at)).await {
        Ok(()) => {}
        Err(RemoteError::ConnectionLost(lost)) => {
            file.uncut.set(refused_at);
            return TransferError::ConnectionLost(lost);
        }
        Err(uncut) => {
            let name = file.job.name();
            let warning = format!("{name}: the part that has arrived may have holes: {uncut}");
            attempt.context.hub.warn(&warning);
        }
    }
    error
}

/// Cuts a file to a beginning that is whole, and removes it if the server does not do that. Returns its size then, if
/// it is there.
pub(super) async fn cut_or_remove(link: &Link, path: &[u8], size: u64) -> Result<Option<u64>, TransferError> {
    let cut = link.set(path, &with_size(size)).await;
    if cut.unless_refused()?.is_some() {
        return Ok(Some(size));
    }
    let removed = link.remove(path).await;
    removed.map_err(TransferError::remote("cut or remove the beginning of the file"))?;
    Ok(None)
}

/// Cuts a file whose upload over several connections was stopped, if that is possible at once. If not, the next run
/// finds the holes.
pub(super) async fn cut_after_stop(context: &TransferContext, file: &FileState) {
    let (Some(front), Some(link)) = (file.uncut.take(), context.remote.link_now()) else {
        return;
    };
    let (path, attrs) = (file.job.temporary_path(), with_size(front));
    // The next run finds the holes if this fails.
    let _ = tokio::time::timeout(STOPPED, link.set(&path, &attrs)).await;
}
