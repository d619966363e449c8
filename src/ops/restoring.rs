//! The record of a restore that is under way: a file in the data directory, by which `check` knows that one was
//! interrupted.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::data_dir::RESTORING;
use base::advice;
use base::error::{Error, Result};
use base::regular::read_regular;

/// The largest record that is read, in bytes: a path, and two for each directory that is mapped.
const LARGEST: u64 = 1 << 20;

/// A restore that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// The absolute path of the backup.
    pub backup: PathBuf,
    /// Whether the homes are taken over from another server.
    pub take_over: bool,
    /// Whether the configuration stays as it is.
    pub keep_config: bool,
    /// The directories of homes that have other paths than before, as `--map` names them.
    #[serde(default)]
    pub map: Vec<String>,
}

impl RestoreRecord {
    /// Returns the record in a data directory.
    ///
    /// # Errors
    /// Returns an error if there is one that cannot be read.
    pub fn find(data_dir: &Path) -> Result<Option<Self>> {
        let file = data_dir.join(RESTORING);
        let failed =
            |e: io::Error| advice::because(Error::new(format!("cannot read {file:?}")), e, &file, "u+r");
        let text = match read_regular(&file, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed)?,
        };
        let record = serde_json::from_slice(&text).map_err(|e| failed(io::Error::other(e.to_string())));
        record.map(Some)
    }

    /// Writes the record to the disk, in place of that of an interrupted attempt.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub fn write(&self, data_dir: &Path) -> Result<()> {
        let file = data_dir.join(RESTORING);
        let write = || -> io::Result<()> {
            remove(&file)?;
            let mut options = std::fs::OpenOptions::new();
            let mut opened = options.write(true).create_new(true).mode(0o600).open(&file)?;
            opened.write_all(serde_json::to_string(self)?.as_bytes())?;
            opened.sync_all()?;
            std::fs::File::open(data_dir)?.sync_all()
        };
        write()
            .map_err(|e| advice::because(Error::new(format!("cannot write {file:?}")), e, data_dir, "u+rwx"))
    }

    /// Removes the record, since the restore is finished. Without one it does nothing.
    ///
    /// # Errors
    /// Returns an error if it cannot be removed.
    pub fn remove(data_dir: &Path) -> Result<()> {
        let file = data_dir.join(RESTORING);
        remove(&file).map_err(|e| {
            advice::because(
                Error::new(format!("cannot remove {file:?}")),
                e,
                data_dir,
                "u+rwx",
            )
        })
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
