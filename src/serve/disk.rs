//! Watches the disk that the store lies on, and keeps its reserve.
//!
//! An episode begins when a home on that disk ran out of space, or when the reserve was spent (by this process or by a
//! command), and is logged once. While it lasts no home on the disk grows. It ends when the reserve could be made again
//! and [`LOW`] bytes are left besides, which is looked for every second, and less often the longer it takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::accounts::disk::Disk;
use crate::store::reserve::{self, LOW, SIZE};

/// How often the disk is looked at: two system calls.
const EVERY: Duration = Duration::from_secs(1);
/// The longest time between two looks during an episode: somebody waits for it to end.
const LONGEST: Duration = Duration::from_secs(8);

/// Watches the disk until `quit` is cancelled.
pub async fn watch(store: PathBuf, disk: Arc<Disk>, quit: CancellationToken) {
    if reserve::is_hollow(&store) {
        reserve::spend(&store);
    }
    let mut delay = EVERY;
    let mut told = false;
    loop {
        let (path, looked_at) = (store.clone(), Arc::clone(&disk));
        // A disk that hangs holds up this task alone.
        let looked = tokio::task::spawn_blocking(move || look(&path, &looked_at)).await;
        let full = looked.unwrap_or_default();
        if full && !told {
            tracing::warn!(
                "the disk of the data directory is full: homes on it do not grow until there is room; signing in, \
                 reading, removing and the operator's commands go on"
            );
        } else if !full && told {
            tracing::info!("the disk of the data directory has room again");
        }
        delay = if full && told {
            (delay * 2).min(LONGEST)
        } else {
            EVERY
        };
        told = full;
        tokio::select! {
            () = quit.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Is the disk full? Makes the reserve if there is room for it.
fn look(store: &Path, disk: &Disk) -> bool {
    let directory = store.parent().unwrap_or(Path::new("/"));
    let Some(available) = reserve::available(directory) else {
        return disk.is_full();
    };
    let whole = reserve::is_whole(store);
    let full = match whole {
        // A quota of the file system may be used up although the disk has room.
        true => (disk.take_suspicion() || disk.is_full()) && reserve::is_exhausted(directory),
        false if available < SIZE + LOW => true,
        false => reserve::make(store).is_err(),
    };
    disk.set_full(full);
    full
}
