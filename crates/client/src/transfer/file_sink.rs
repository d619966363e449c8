//! Writes the bytes of a download to the file at their offsets, in any order. It knows how far the file is contiguous;
//! bytes behind a gap are cut off at the end.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::link::DataSink;

/// It writes in the SSH library's callback, because copying to the page cache is faster than handing over to another
/// thread.
pub(super) struct FileSink {
    file: Arc<File>,
    writing: Mutex<FileSinkState>,
    /// The bytes that were written since [`FileSink::take_written`].
    written: AtomicU64,
}

struct FileSinkState {
    front: ContiguousFront,
    /// The first error that occurred.
    error: Option<io::Error>,
    open: bool,
}

impl FileSink {
    /// A sink for a file that is contiguous up to the offset `whole`.
    pub fn new(file: Arc<File>, whole: u64) -> Self {
        let front = ContiguousFront {
            whole,
            islands: BTreeMap::new(),
        };
        let writing = Mutex::new(FileSinkState {
            front,
            error: None,
            open: true,
        });
        Self {
            file,
            writing,
            written: AtomicU64::new(0),
        }
    }

    /// The number of bytes that were written since the last call.
    pub fn take_written(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }

    fn writing(&self) -> MutexGuard<'_, FileSinkState> {
        self.writing.lock()
    }

    /// The offset up to which the file is contiguous.
    pub fn whole(&self) -> u64 {
        self.writing().front.whole
    }

    /// Whether a write has failed. After that, nothing more is written.
    pub fn has_failed(&self) -> bool {
        self.writing().error.is_some()
    }

    /// The first error. It is returned once.
    pub fn outcome(&self) -> io::Result<()> {
        self.writing().error.take().map_or(Ok(()), Err)
    }
}

impl DataSink for FileSink {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        let mut writing = self.writing();
        if !writing.open || writing.error.is_some() {
            return;
        }
        match self.file.write_all_at(bytes, offset) {
            Ok(()) => {
                let length = bytes.len() as u64;
                writing.front.add(offset, offset.saturating_add(length));
                self.written.fetch_add(length, Ordering::Relaxed);
            }
            Err(error) => writing.error = Some(error),
        }
    }
}

/// Closes the sink when it is dropped: nothing more is written, and bytes behind a gap are cut off. So the length of a
/// remaining part says how far it is contiguous.
pub(super) struct TruncateOnDrop(pub Arc<FileSink>);

impl Drop for TruncateOnDrop {
    fn drop(&mut self) {
        let mut writing = self.0.writing();
        writing.open = false;
        let (file, whole) = (&self.0.file, writing.front.whole);
        let cut = file.metadata().and_then(|meta| match meta.len() > whole {
            true => file.set_len(whole),
            false => Ok(()),
        });
        if let Err(error) = cut {
            writing.error.get_or_insert(error);
        }
    }
}

/// The offset up to which a file is contiguous, and the ranges beyond it.
#[derive(Debug, Default)]
pub(super) struct ContiguousFront {
    /// The offset of the first byte that is missing.
    pub whole: u64,
    /// The ranges that have come beyond, by their beginnings, with their ends.
    islands: BTreeMap<u64, u64>,
}

impl ContiguousFront {
    /// Adds a range that has arrived.
    pub fn add(&mut self, begin: u64, end: u64) {
        if begin > self.whole {
            // The pieces of one reply become one island.
            match self.islands.range_mut(..=begin).next_back() {
                Some((_, last)) if *last >= begin => *last = end.max(*last),
                _ => drop(self.islands.insert(begin, end)),
            }
            return;
        }
        self.whole = self.whole.max(end);
        while let Some(island) = self.islands.first_entry()
            && *island.key() <= self.whole
        {
            self.whole = self.whole.max(island.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compares the result with a list of the bytes that have arrived.
        #[test]
        fn a_file_is_contiguous_up_to_the_first_gap(pieces in prop::collection::vec((0_u64..60, 1_u64..20), 0..20)) {
            let mut front = ContiguousFront { whole: 5, islands: BTreeMap::new() };
            let mut came = [false; 80];
            came[..5].fill(true);
            for (begin, length) in pieces {
                front.add(begin, begin + length);
                came[usize::try_from(begin).unwrap()..][..usize::try_from(length).unwrap()].fill(true);
                let gap = came.iter().position(|came| !came).unwrap();
                prop_assert_eq!(front.whole, gap as u64);
            }
        }
    }

    #[test]
    fn bytes_behind_a_gap_are_cut_off() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let sink = Arc::new(FileSink::new(Arc::clone(&file), 0));
        let closing = TruncateOnDrop(Arc::clone(&sink));
        sink.bytes(0, b"0123");
        sink.bytes(8, b"89");
        assert_eq!((sink.whole(), file.metadata().unwrap().len()), (4, 10));
        drop(closing);
        assert_eq!((sink.take_written(), sink.take_written()), (6, 0));
        sink.bytes(4, b"4567");
        assert_eq!((sink.whole(), file.metadata().unwrap().len()), (4, 4));
        assert!(sink.outcome().is_ok());
    }
}
