//! Watches the disk that the store lies on, and maintains the store's reserve.
//!
//! The disk counts as full when a home on it ran out of space, or when the reserve was spent (by this process or by a
//! command). That is logged once, and no home on the disk grows meanwhile. It ends when the reserve could be created
//! again and [`LOW`] bytes are free besides, which is checked every second, and less often the longer it takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::accounts::disk::Disk;
use crate::store::reserve::{self, LOW, SIZE};
use base::error::{Error, Result};

/// How often the disk is checked, which costs two system calls.
const EVERY: Duration = Duration::from_secs(1);
/// The longest time between two checks while the disk is full, since users wait for the end.
const LONGEST: Duration = Duration::from_secs(8);

/// Watches the disk until `quit` is cancelled.
pub async fn watch(store: PathBuf, disk: Arc<Disk>, quit: CancellationToken) {
    if reserve::is_sparse(&store) {
        reserve::free(&store);
    }
    let mut delay = EVERY;
    let mut was_full = false;
    loop {
        let (path, checked) = (store.clone(), Arc::clone(&disk));
        // A disk that hangs blocks only this task.
        let checked = tokio::task::spawn_blocking(move || update(&path, &checked)).await;
        let full = checked.unwrap_or_default();
        if full && !was_full {
            tracing::warn!(
                "the disk of the data directory is full: homes on it do not grow until there is room; signing in, \
                 reading, removing and the operator's commands go on"
            );
        } else if !full && was_full {
            tracing::info!("the disk of the data directory has room again");
        }
        delay = if full && was_full {
            (delay * 2).min(LONGEST)
        } else {
            EVERY
        };
        was_full = full;
        tokio::select! {
            () = quit.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Returns whether the disk is full. Creates the reserve if there is space for it.
fn update(store: &Path, disk: &Disk) -> bool {
    let directory = store.parent().unwrap_or(Path::new("/"));
    let Some(available) = reserve::available(directory) else {
        return disk.is_full();
    };
    let whole = reserve::is_whole(store);
    let full = match whole {
        // A quota of the file system may be used up although the disk has room.
        true => (disk.take_quota_refusal() || disk.is_full()) && reserve::is_exhausted(directory),
        false if available < SIZE + LOW => true,
        false => reserve::make(store).is_err(),
    };
    disk.set_full(full);
    full
}

/// Returns the file system of the data directory.
pub(super) fn device_of(dir: &Path) -> Result<u64> {
    let meta = dir
        .metadata()
        .map_err(|error| Error::new(format!("cannot look at {dir:?}")).because(error))?;
    Ok(std::os::unix::fs::MetadataExt::dev(&meta))
}
