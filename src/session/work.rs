//! What a session does now: the files that it reads, writes and hashes, for operators who want to see it.
//!
//! Each file's counters are changed by the one thread that works on the file, without a lock. The table is locked when
//! a file is opened or closed, and while somebody looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::path::VirtualPath;

/// The files that one session works on.
#[derive(Debug, Default)]
pub struct WorkTable(Mutex<WorkState>);

#[derive(Debug, Default)]
struct WorkState {
    files: BTreeMap<u64, Arc<FileWork>>,
    last_number: u64,
}

/// What a file is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkPurpose {
    /// The client may only read it.
    Read,
    /// The client may write it.
    Write,
    /// The server computes its hash.
    Hash,
}

/// What is being done with one file. Counters may be read by any thread.
#[derive(Debug)]
pub struct FileWork {
    path: VirtualPath,
    purpose: WorkPurpose,
    since: Instant,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    /// The end of the range that was read or written last.
    position: AtomicU64,
    /// The size in bytes; [`UNKNOWN`] if it is not known.
    size: AtomicU64,
    /// The number of bytes when somebody looked the last time.
    seen: AtomicU64,
    /// Whether the size was asked for.
    size_was_asked: AtomicBool,
}

/// The value for a size that is not known. No file is as large.
const UNKNOWN: u64 = u64::MAX;

/// A client that has read this many bytes of a file reads more than a small one, so that its size is worth a system
/// call.
const SIZE_MATTERS_FROM: u64 = 256 * 1024;

/// What a session does with one file, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkSnapshot {
    /// The path of the file in the home.
    pub path: VirtualPath,
    /// What is done with the file.
    pub kind: WorkKind,
    /// The number of bytes that were read or written so far.
    pub bytes: u64,
    /// The end of what was read or written last, in bytes from the beginning of the file.
    pub position: u64,
    /// The size of the file in bytes, if it is known and is not growing.
    pub size: Option<u64>,
    /// How long the file has been open.
    pub duration: Duration,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// The client reads it.
    Reading,
    /// The client writes it.
    Writing,
    /// The server computes its hash.
    Hashing,
}

impl WorkKind {
    /// Returns the stable name of this kind.
    pub fn name(self) -> &'static str {
        match self {
            WorkKind::Reading => "reading",
            WorkKind::Writing => "writing",
            WorkKind::Hashing => "hashing",
        }
    }
}

/// The place of a file in the table. Dropping it removes the file.
#[derive(Debug)]
pub struct WorkEntry {
    table: Arc<WorkTable>,
    number: u64,
    file: Arc<FileWork>,
}

impl WorkTable {
    /// Adds a file, until the entry is dropped.
    pub fn enter(self: &Arc<Self>, path: VirtualPath, purpose: WorkPurpose) -> WorkEntry {
        let file = Arc::new(FileWork {
            path,
            purpose,
            since: Instant::now(),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            position: AtomicU64::new(0),
            size: AtomicU64::new(UNKNOWN),
            seen: AtomicU64::new(0),
            size_was_asked: AtomicBool::new(false),
        });
        let mut state = self.0.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.files.insert(number, Arc::clone(&file));
        drop(state);
        WorkEntry {
            table: Arc::clone(self),
            number,
            file,
        }
    }

    /// Returns the number of files, and what is done with at most `most` of them: first those with which something has
    /// happened since the last look, and the latest ones first.
    pub fn look(&self, most: usize) -> (usize, Vec<WorkSnapshot>) {
        let files: Vec<Arc<FileWork>> = self.0.lock().files.values().rev().cloned().collect();
        let (active, idle): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.moves());
        let chosen = active.into_iter().chain(idle).take(most);
        let snapshots = chosen.map(|file| file.snapshot()).collect();
        for file in &files {
            file.seen.store(file.bytes(), Ordering::Relaxed);
        }
        (files.len(), snapshots)
    }
}

impl WorkEntry {
    /// Returns the counters of the file.
    pub fn file(&self) -> &FileWork {
        &self.file
    }
}

impl Drop for WorkEntry {
    fn drop(&mut self) {
        self.table.0.lock().files.remove(&self.number);
    }
}

impl FileWork {
    /// Returns the path of the file in the home.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Returns how long the file has been open.
    pub fn duration(&self) -> Duration {
        self.since.elapsed()
    }

    /// Returns the number of bytes that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes that were written so far.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }

    /// Counts bytes that were read at an offset. Only the thread that works on the file may call it.
    pub fn note_read(&self, offset: u64, count: u64) {
        add(&self.bytes_read, count);
        self.position
            .store(offset.saturating_add(count), Ordering::Relaxed);
    }

    /// Counts bytes that were written at an offset. Only the thread that works on the file may call it.
    pub fn note_written(&self, offset: u64, count: u64) {
        add(&self.bytes_written, count);
        self.position
            .store(offset.saturating_add(count), Ordering::Relaxed);
    }

    /// Returns whether the size should be noted now: once, if more than a little was read. Only the thread that works
    /// on the file may call it.
    pub fn asks_for_size(&self) -> bool {
        let asks = self.bytes_read() >= SIZE_MATTERS_FROM && !self.size_was_asked.load(Ordering::Relaxed);
        if asks {
            self.size_was_asked.store(true, Ordering::Relaxed);
        }
        asks
    }

    /// Notes the size of the file in bytes.
    pub fn note_size(&self, size: Option<u64>) {
        self.size.store(size.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.bytes_read().saturating_add(self.bytes_written())
    }

    /// Returns whether something has happened since the last look. A hash is always under way.
    fn moves(&self) -> bool {
        self.purpose == WorkPurpose::Hash || self.bytes() != self.seen.load(Ordering::Relaxed)
    }

    fn kind(&self) -> WorkKind {
        match self.purpose {
            WorkPurpose::Hash => WorkKind::Hashing,
            WorkPurpose::Read => WorkKind::Reading,
            WorkPurpose::Write if self.bytes_written() == 0 && self.bytes_read() > 0 => WorkKind::Reading,
            WorkPurpose::Write => WorkKind::Writing,
        }
    }

    fn snapshot(&self) -> WorkSnapshot {
        let size = self.size.load(Ordering::Relaxed);
        WorkSnapshot {
            path: self.path.clone(),
            kind: self.kind(),
            bytes: self.bytes(),
            position: self.position.load(Ordering::Relaxed),
            size: (size != UNKNOWN).then_some(size),
            duration: self.duration(),
        }
    }
}

/// Adds to a counter that no other thread changes, without the cost of an atomic addition.
fn add(counter: &AtomicU64, count: u64) {
    let sum = counter.load(Ordering::Relaxed).saturating_add(count);
    counter.store(sum, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_moves_is_shown_first_and_the_latest_before_others() {
        let table = Arc::<WorkTable>::default();
        let entries: Vec<WorkEntry> = (0..6)
            .map(|n| table.enter(path(&format!("f{n}")), WorkPurpose::Read))
            .collect();
        let names = |most: usize| -> Vec<String> {
            let (_, shown) = table.look(most);
            let text = |work: &WorkSnapshot| String::from_utf8(work.path.absolute()).unwrap();
            shown.iter().map(text).collect()
        };
        assert_eq!(names(2), ["/f5", "/f4"]);
        entries[1].file().note_read(0, 10);
        entries[2].file().note_read(0, 10);
        assert_eq!(names(3), ["/f2", "/f1", "/f5"]);
        // Nothing has happened since.
        assert_eq!(names(1), ["/f5"]);
        drop(entries);
        assert_eq!(table.look(9), (0, Vec::new()));
    }

    #[test]
    fn a_file_that_may_be_written_is_read_as_long_as_nothing_is_written() {
        let table = Arc::<WorkTable>::default();
        let entry = table.enter(path("f"), WorkPurpose::Write);
        let look = || table.look(1).1.remove(0);
        assert_eq!(look().kind, WorkKind::Writing);
        entry.file().note_read(100, 10);
        let seen = look();
        assert_eq!(
            (seen.kind, seen.bytes, seen.position),
            (WorkKind::Reading, 10, 110)
        );
        entry.file().note_written(u64::MAX, 5);
        let seen = look();
        assert_eq!(
            (seen.kind, seen.bytes, seen.position),
            (WorkKind::Writing, 15, u64::MAX)
        );
        assert_eq!(seen.size, None);
        let _hash = table.enter(path("h"), WorkPurpose::Hash);
        assert_eq!(look().kind, WorkKind::Hashing);
    }

    #[test]
    fn only_a_file_of_which_much_is_read_asks_for_its_size_and_once() {
        let table = Arc::<WorkTable>::default();
        let entry = table.enter(path("f"), WorkPurpose::Read);
        let file = entry.file();
        file.note_read(0, SIZE_MATTERS_FROM - 1);
        assert!(!file.asks_for_size());
        file.note_read(SIZE_MATTERS_FROM - 1, 1);
        assert!(file.asks_for_size() && !file.asks_for_size());
        file.note_size(Some(7));
        assert_eq!(table.look(1).1[0].size, Some(7));
    }
}
