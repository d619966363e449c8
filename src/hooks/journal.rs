//! The file of the queue: one line of JSON for each change, in their order.
//!
//! Lines are only appended, and flushed to the disk together. A line that was cut by a crash has no end, and is taken away
//! when the file is opened. When most of the file is about entries that are gone, a new file with the others takes its
//! place: it is complete on the disk before it gets the name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::entry::QueueEntry;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The largest file that is read. The queue's own limits keep it far below.
const LARGEST: u64 = 1 << 30;
/// A smaller file is never replaced, whatever it has.
const SMALLEST_TO_REPLACE: u64 = 1 << 20;
/// How long a replacement that has failed is not tried again.
const REPLACE_PAUSE: Duration = Duration::from_secs(5);
/// The suffix of the new file until it takes the place of the old one.
const NEW: &str = "new";

/// One line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JournalRecord {
    /// The number that the next entry gets, at least.
    Next(u64),
    /// An entry was added.
    Add(Box<QueueEntry>),
    /// An entry is gone.
    Gone(u64),
    /// An attempt has failed.
    Failed(FailedAttempts),
    /// An entry was set aside.
    SetAside(FailedAttempts),
    /// An operator wants an entry to be tried again.
    Retry(u64),
}

/// The attempts of an entry that were in vain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FailedAttempts {
    pub(super) id: u64,
    pub(super) attempts: u32,
    pub(super) error: String,
}

impl JournalRecord {
    /// Returns the record as a line.
    pub(super) fn line(&self) -> String {
        // These types have only text keys, so nothing can fail.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// The open file of the queue.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the last write may have left a part of a line.
    torn: bool,
    /// Whether changes of former entries could not be written, so that the file is behind what is in memory.
    is_behind: bool,
    /// When the file may be replaced again, after that has failed.
    replace_after: Option<Instant>,
    /// Makes every write fail, as on a full disk.
    #[cfg(test)]
    failing: bool,
}

impl Journal {
    /// Makes every write fail from now on, or not any more.
    #[cfg(test)]
    pub(super) fn fail_from_now(&mut self, failing: bool) {
        self.failing = failing;
    }

    /// Lets the file be replaced at once, as after the pause.
    #[cfg(test)]
    pub(super) fn end_pause(&mut self) {
        self.replace_after = None;
    }

    /// Opens the file, creates it if it is missing, and returns its records. Lines that cannot be read are counted in
    /// the log, and left out.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<JournalRecord>)> {
        let cannot = |error: io::Error| {
            Error::new(format!("cannot open the queue of hooks \"{}\"", path.display()))
                .because(error)
                .hint("it must belong to the server's user; without waiting events, it may be removed")
        };
        let _ = std::fs::remove_file(path.with_extension(NEW));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = open_regular(path, &options, Links::Refuse).map_err(cannot)?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(cannot)?;
        }
        let mut records = Vec::new();
        let mut damaged = 0_usize;
        let lines = bytes
            .get(..whole)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(record) => records.push(record),
                Err(_) => damaged += 1,
            }
        }
        if damaged > 0 {
            tracing::error!(
                damaged,
                "lines of the queue of hooks cannot be read: their events are lost"
            );
        }
        let journal = Self {
            path: path.to_owned(),
            file,
            length: whole as u64,
            torn: false,
            is_behind: false,
            replace_after: None,
            #[cfg(test)]
            failing: false,
        };
        Ok((journal, records))
    }

    /// Appends lines, and flushes them to the disk if `sync` is set. After an error, none of them is in the file, as far as
    /// the disk allows.
    pub(super) fn append(&mut self, lines: &str, sync: bool) -> io::Result<()> {
        let written = self.try_append(lines, sync);
        match &written {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => self.torn = self.file.set_len(self.length).is_err(),
        }
        written
    }

    fn try_append(&mut self, lines: &str, sync: bool) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        #[cfg(test)]
        if self.failing {
            self.file
                .write_all(lines.get(..lines.len() / 2).unwrap_or_default().as_bytes())?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(lines.as_bytes())?;
        match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        }
    }

    /// Records that changes of former entries could not be written.
    pub(super) fn fall_behind(&mut self) {
        self.is_behind = true;
    }

    /// Returns whether the file should be replaced by one with only what is alive, of so many bytes. While the disk is
    /// full, that is tried now and then, and not with each event: the entries may have a hundred megabytes.
    pub(super) fn should_be_replaced(&self, alive: usize) -> bool {
        let is_overgrown = self.length > SMALLEST_TO_REPLACE.max(3 * alive as u64);
        let may_be = self.replace_after.is_none_or(|after| after <= Instant::now());
        (is_overgrown || self.is_behind) && may_be
    }

    /// Replaces the file by one with these lines. After an error, the former file is still in place.
    pub(super) fn replace(&mut self, lines: &str) -> io::Result<()> {
        let new = self.path.with_extension(NEW);
        let made = self.try_replace(&new, lines);
        match made {
            Ok(file) => {
                (self.file, self.length, self.torn) = (file, lines.len() as u64, false);
                (self.is_behind, self.replace_after) = (false, None);
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&new);
                self.replace_after = Some(Instant::now() + REPLACE_PAUSE);
                Err(error)
            }
        }
    }

    fn try_replace(&self, new: &Path, lines: &str) -> io::Result<File> {
        #[cfg(test)]
        if self.failing {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let mut file = options.open(new)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(file)
    }
}
