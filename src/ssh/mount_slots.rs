//! Limits how many homes are opened at once, so that a disk that hangs leaves threads of the blocking pool for other
//! homes.
//!
//! A slot is released by the thread that opened the home, not by the connection that waited for it: a connection that
//! gives up does not free a thread that hangs. A home may hang alone (each may be a disk of its own) or together with
//! all homes of its directory, so both are counted, and homes elsewhere are not delayed.

use std::path::{Path, PathBuf};

use tokio::sync::OwnedSemaphorePermit;

use crate::io::KeyedSemaphore;

/// The most times that one home is opened at once. Opening takes microseconds: there are more at once only if a disk
/// hangs.
const PER_HOME: usize = 8;
/// The most homes of one directory that are opened at once, of the 512 threads of the blocking pool.
const PER_DIRECTORY: usize = 64;

/// Counts the homes that are being opened.
pub struct MountSlots {
    homes: KeyedSemaphore<PathBuf>,
    directories: KeyedSemaphore<PathBuf>,
}

impl Default for MountSlots {
    fn default() -> Self {
        Self {
            homes: KeyedSemaphore::new(PER_HOME),
            directories: KeyedSemaphore::new(PER_DIRECTORY),
        }
    }
}

/// The right to open one home. Dropping it gives the slot to another.
pub struct MountPermit {
    _home: Option<OwnedSemaphorePermit>,
    _directory: Option<OwnedSemaphorePermit>,
}

impl MountSlots {
    /// Waits for the right to open a home.
    pub async fn enter(&self, home: &Path) -> MountPermit {
        // Wait for the home first: those who wait for it do not take the slots of other homes.
        let own = self.homes.of(&home.to_owned()).acquire_owned().await;
        let directory = self.directories.of(&home.parent().unwrap_or(home).to_owned());
        MountPermit {
            _home: own.ok(),
            _directory: directory.acquire_owned().await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn enters(mount_slots: &MountSlots, home: &str) -> Option<MountPermit> {
        tokio::time::timeout(Duration::from_millis(20), mount_slots.enter(Path::new(home)))
            .await
            .ok()
    }

    #[tokio::test]
    async fn a_home_that_hangs_leaves_slots_for_homes_beside_it() {
        let mount_slots = MountSlots::default();
        let mut stuck = Vec::new();
        while let Some(place) = enters(&mount_slots, "/homes/alice").await {
            stuck.push(place);
        }
        assert_eq!(stuck.len(), PER_HOME);
        assert!(enters(&mount_slots, "/homes/bob").await.is_some());
        stuck.pop();
        assert!(enters(&mount_slots, "/homes/alice").await.is_some());
    }

    #[tokio::test]
    async fn a_disk_that_hangs_leaves_slots_for_others() {
        let mount_slots = MountSlots::default();
        let mut stuck = Vec::new();
        for user in 0.. {
            match enters(&mount_slots, &format!("/slow/user-{user}")).await {
                Some(place) => stuck.push(place),
                None => break,
            }
        }
        assert_eq!(stuck.len(), PER_DIRECTORY);
        assert!(enters(&mount_slots, "/homes/bob").await.is_some());
        drop(stuck);
        assert!(enters(&mount_slots, "/slow/user-0").await.is_some());
    }
}
