//! The record of a home that is being moved: a file in the data directory, by which an interrupted move is finished or
//! taken back.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ops::data_dir::MOVES;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::regular::{Links, open_regular, read_regular};
use base::visible::hex;

/// The largest record that is read, in bytes: two paths.
const LARGEST: u64 = 64 << 10;

/// A directory, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryId {
    device: u64,
    inode: u64,
}

impl DirectoryId {
    /// Returns the identity of a directory; `None` if something else, or nothing, has the name.
    ///
    /// # Errors
    /// Returns an error if the name cannot be looked up.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => Ok(Some(Self {
                device: meta.dev(),
                inode: meta.ino(),
            })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A home that is being moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRecord {
    /// The path that the home had.
    pub from: PathBuf,
    /// The path that it gets.
    pub to: PathBuf,
    /// The directory that was the home.
    pub home: DirectoryId,
    /// The directory that the home is copied to, if it is copied.
    pub copy: Option<DirectoryId>,
}

impl MoveRecord {
    /// Returns the record of a move to this path.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn find(data_dir: &Path, to: &Path) -> Result<Option<Self>> {
        let file = file(data_dir, to);
        let failed = |e: io::Error| Error::new(format!("cannot read {file:?}")).because(e);
        let text = match read_regular(&file, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed)?,
        };
        let record: Self =
            serde_json::from_slice(&text).map_err(|e| failed(io::Error::other(e.to_string())))?;
        Ok(Some(record))
    }

    /// Returns an unfinished move of this home to another path than `to`.
    ///
    /// # Errors
    /// Returns an error if the records cannot be read.
    pub fn find_other(data_dir: &Path, home: &Path, to: &Path) -> Result<Option<Self>> {
        // A damaged one says nothing; the move to its own path reports it.
        let records = unfinished_moves(data_dir)?
            .into_iter()
            .filter_map(|found| match found {
                FoundMove::Record(record) => Some(record),
                FoundMove::Damaged(_) => None,
            });
        let mut others =
            records.filter(|record| record.to != to && (record.from == home || record.to == home));
        Ok(others.next())
    }

    /// Returns the file of the record.
    pub fn file(&self, data_dir: &Path) -> PathBuf {
        file(data_dir, &self.to)
    }

    /// Writes the record to the disk, in place of an earlier one.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub fn write(&self, data_dir: &Path) -> Result<()> {
        let file = file(data_dir, &self.to);
        let directory = data_dir.join(MOVES);
        let write = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            let new = file.with_extension("new");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut opened = open_regular(&new, &options, Links::Refuse)?;
            opened.write_all(serde_json::to_string(self)?.as_bytes())?;
            opened.sync_all()?;
            std::fs::rename(&new, &file)?;
            sync(&directory)
        };
        write().map_err(|e| Error::new(format!("cannot write {file:?}")).because(e))
    }

    /// Removes the record.
    ///
    /// # Errors
    /// Returns an error if it cannot be removed.
    pub fn remove(&self, data_dir: &Path) -> Result<()> {
        let file = file(data_dir, &self.to);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(format!("cannot remove {file:?}")).because(error))
            }
            _ => Ok(()),
        }
    }
}

/// The record of a move that is not finished, as it was found.
#[derive(Debug)]
pub enum FoundMove {
    /// The record.
    Record(MoveRecord),
    /// The file of a record that cannot be read.
    Damaged(PathBuf),
}

/// Returns the moves that are not finished, in the order of the files' names.
///
/// # Errors
/// Returns an error if the directory of the records cannot be read.
pub fn unfinished_moves(data_dir: &Path) -> Result<Vec<FoundMove>> {
    let directory = data_dir.join(MOVES);
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| Error::new(format!("cannot read {directory:?}")).because(e))?,
    };
    // One that was not written to its end has another name, and its move has not begun.
    let is_record = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "json");
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_record)
        .collect();
    files.sort();
    let read = |file: PathBuf| match read_regular(&file, LARGEST) {
        // The move was finished meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(match serde_json::from_slice(&text.unwrap_or_default()) {
            Ok(record) => FoundMove::Record(record),
            Err(_) => FoundMove::Damaged(file),
        }),
    };
    Ok(files.into_iter().filter_map(read).collect())
}

fn file(data_dir: &Path, to: &Path) -> PathBuf {
    let mut hasher = Algorithm::Sha256.hasher();
    hasher.update(to.as_os_str().as_encoded_bytes());
    let name = hex(hasher.finalize().get(..16).unwrap_or_default());
    data_dir.join(MOVES).join(format!("{name}.json"))
}

/// Writes a directory's entries to the disk.
///
/// # Errors
/// Returns an error if the directory cannot be opened, or the disk refuses.
pub fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
