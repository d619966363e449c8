//! The free space of the directories that homes and the store lie in, for operators.
//!
//! A disk may hang, so each directory is asked in the background, by a thread of its own while it does not answer. Who
//! wants to know gets the last answer, or none if there was none for a while.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::fs::statvfs;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::ops::running::PlaceSpace;

/// How often each directory is asked. Alerts look at minutes.
const EVERY: Duration = Duration::from_secs(10);
/// An answer that is older than this is not shown any more: its disk hangs.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The directories, and what is known of each.
#[derive(Debug)]
pub struct Places(Vec<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    sample: Mutex<Option<SpaceSample>>,
}

#[derive(Debug, Clone, Copy)]
struct SpaceSample {
    taken: Instant,
    free_bytes: u64,
    total_bytes: u64,
}

impl Places {
    /// Creates the list for a configuration: `homes`, the roots, and the data directory.
    pub fn of(config: &Config) -> Arc<Self> {
        let mut paths: Vec<PathBuf> = config.storage.places().map(PathBuf::from).collect();
        paths.push(config.data_dir().to_owned());
        let mut places: Vec<Place> = Vec::new();
        for path in paths {
            if places.iter().all(|place| place.path != path) {
                places.push(Place {
                    path,
                    sample: Mutex::default(),
                });
            }
        }
        Arc::new(Self(places))
    }

    /// Starts to ask each directory, until `quit` is cancelled.
    pub fn watch(self: &Arc<Self>, tasks: &TaskTracker, quit: &CancellationToken) {
        for at in 0..self.0.len() {
            let (places, quit) = (Arc::clone(self), quit.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = quit.cancelled() => {}
                    () = places.ask(at) => {}
                }
            });
        }
    }

    async fn ask(self: Arc<Self>, at: usize) {
        loop {
            let places = Arc::clone(&self);
            let asking = tokio::task::spawn_blocking(move || {
                if let Some(place) = places.0.get(at) {
                    place.take_sample();
                }
            });
            // An error means that the runtime ends.
            if asking.await.is_err() {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Returns the space in each directory that has answered lately.
    pub fn space(&self) -> Vec<PlaceSpace> {
        self.0.iter().filter_map(Place::space).collect()
    }
}

impl Place {
    fn take_sample(&self) {
        // A directory that is missing now may be mounted later.
        let sample = statvfs(&self.path).ok().map(|system| SpaceSample {
            taken: Instant::now(),
            free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
            total_bytes: system.f_blocks.saturating_mul(system.f_frsize),
        });
        *self.sample.lock() = sample;
    }

    fn space(&self) -> Option<PlaceSpace> {
        let sample = self
            .sample
            .lock()
            .filter(|sample| sample.taken.elapsed() < KEPT_FOR)?;
        Some(PlaceSpace {
            path: self.path.clone(),
            free_bytes: sample.free_bytes,
            total_bytes: sample.total_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_missing_has_no_space_and_another_has() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.homes = dir.path().to_owned();
        config.storage.roots = vec![dir.path().join("missing"), dir.path().to_owned()];
        config.store.path = dir.path().join("homeport.db");
        let places = Places::of(&config);
        assert_eq!(places.0.len(), 2, "each directory counts once");
        assert!(places.space().is_empty());
        places.0.iter().for_each(Place::take_sample);
        let space = places.space();
        assert_eq!(space.len(), 1);
        assert!(space[0].path == dir.path() && space[0].total_bytes >= space[0].free_bytes);
        let aged = Instant::now().checked_sub(KEPT_FOR);
        if let (Some(taken), Some(sample)) = (aged, &mut *places.0[0].sample.lock()) {
            sample.taken = taken;
        }
        assert!(places.space().is_empty() || aged.is_none());
    }
}
