//! The directory to which names go that would be replaced or deleted.

use std::collections::HashSet;

use tokio::sync::Mutex;

use super::change_error::ChangeError;
use super::target::TargetTree;
use crate::names::{join, parent};

/// How many names are tried for a name that the directory has already.
const MAX_NAMES: u32 = 1000;

/// A directory for backups, on the side of the target.
pub(super) struct Backups {
    /// The directory: absolute, or relative to the top of the target.
    directory: Vec<u8>,
    /// The directories that are known to be there.
    made: Mutex<HashSet<Vec<u8>>>,
}

impl Backups {
    pub(super) fn new(directory: Vec<u8>) -> Self {
        Self {
            directory,
            made: Mutex::default(),
        }
    }

    /// Moves a name there, under the same path. Names that are there already stay.
    pub(super) async fn take(&self, target: &TargetTree, path: &[u8]) -> Result<(), ChangeError> {
        let failed = ChangeError::context("cannot move it to the backups");
        let place = join(&self.directory, path);
        self.make(target, parent(&place)).await.map_err(failed)?;
        let mut free = place.clone();
        for number in 1..MAX_NAMES {
            if !target.exists(&free).await.map_err(failed)? {
                let moved = target.rename_to_new(path, &free).await;
                // Another run may have taken the name since.
                if moved.is_ok() || !target.exists(&free).await.map_err(failed)? {
                    return moved.map_err(failed);
                }
            }
            free = [&place, format!(".{number}").as_bytes()].concat();
        }
        Err(failed(ChangeError::Refused("all names are taken".to_owned())))
    }

    /// Makes a directory, and those in which it lies.
    async fn make(&self, target: &TargetTree, directory: &[u8]) -> Result<(), ChangeError> {
        let mut made = self.made.lock().await;
        let slashes = directory.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends: Vec<usize> = slashes.map(|(at, _)| at).chain([directory.len()]).collect();
        let mut result = Ok(());
        for end in ends {
            let above = directory.get(..end).unwrap_or_default();
            if above.is_empty() || made.contains(above) {
                continue;
            }
            // Directories further up may exist, and not be ours to make.
            result = target.make(above).await;
            if result.is_ok() {
                made.insert(above.to_vec());
            }
        }
        result
    }
}
