//! Opens files of homes for commands, on threads that a hanging disk may keep.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::io::KeyedSemaphore;

/// The longest time that opening a file may take. A file that takes longer is on a disk that hangs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most files that are opened at once in homes that lie side by side: as many as hooks run. Their disk may hang, and each
/// attempt would keep another thread until it goes on.
const MOST_AT_ONCE: usize = 16;

/// Opens files.
pub(super) struct FileOpener {
    semaphores: KeyedSemaphore<PathBuf>,
    timeout: Duration,
}

impl Default for FileOpener {
    fn default() -> Self {
        Self {
            semaphores: KeyedSemaphore::new(MOST_AT_ONCE),
            timeout: TIMEOUT,
        }
    }
}

impl FileOpener {
    /// Runs what opens a file in a home, and returns its result.
    ///
    /// # Errors
    /// Returns a sentence if there is no result in time. The thread goes on, and counts until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        home: &Path,
        open: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let semaphore = self.semaphores.of(&home.parent().unwrap_or(home).to_owned());
        let opening = async {
            let permit = semaphore
                .acquire_owned()
                .await
                .map_err(|error| error.to_string())?;
            let opening = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                open()
            });
            opening.await.map_err(|error| error.to_string())
        };
        let opened = tokio::time::timeout(self.timeout, opening).await;
        opened.unwrap_or_else(|_| Err("the disk of the home hangs".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_keeps_a_few_threads_and_no_other_disk() {
        let opener = FileOpener {
            timeout: Duration::from_millis(20),
            ..FileOpener::default()
        };
        let (started, goes_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let hang = || {
            let (started, goes_on) = (Arc::clone(&started), Arc::clone(&goes_on));
            move || {
                started.fetch_add(1, Ordering::Relaxed);
                while !goes_on.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        };
        for n in 0..2 * MOST_AT_ONCE {
            let home = format!("/srv/hanging/home-{n}");
            assert!(opener.run(Path::new(&home), hang()).await.is_err());
        }
        assert!(started.load(Ordering::Relaxed) <= MOST_AT_ONCE);
        let patient = FileOpener {
            timeout: Duration::from_secs(60),
            ..opener
        };
        assert_eq!(patient.run(Path::new("/srv/other/home"), || 7).await, Ok(7));
        goes_on.store(true, Ordering::Relaxed);
        // The threads have ended, or end now.
        assert_eq!(patient.run(Path::new("/srv/hanging/home"), || 8).await, Ok(8));
    }
}
