//! Where the bytes of a download go: into the file, at their place, in whatever order they come. Knows how far the file is
//! whole; what lies behind a gap does not survive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::link::Sink;

/// Writes in the SSH library's callback: the page cache takes it faster than another thread would.
pub(super) struct IntoFile {
    file: Arc<File>,
    writing: Mutex<Writing>,
}

struct Writing {
    front: Front,
    /// The first error counts.
    error: Option<io::Error>,
    open: bool,
}

impl IntoFile {
    /// The file is whole up to there.
    pub fn new(file: Arc<File>, whole: u64) -> Self {
        let front = Front {
            whole,
            islands: BTreeMap::new(),
        };
        let writing = Mutex::new(Writing {
            front,
            error: None,
            open: true,
        });
        Self { file, writing }
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file is whole up to here.
    pub fn whole(&self) -> u64 {
        self.writing().front.whole
    }

    /// Nothing is written any more.
    pub fn has_failed(&self) -> bool {
        self.writing().error.is_some()
    }

    /// The first error, once.
    pub fn outcome(&self) -> io::Result<()> {
        self.writing().error.take().map_or(Ok(()), Err)
    }
}

impl Sink for IntoFile {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        let mut writing = self.writing();
        if !writing.open || writing.error.is_some() {
            return;
        }
        match self.file.write_all_at(bytes, offset) {
            Ok(()) => writing
                .front
                .add(offset, offset.saturating_add(bytes.len() as u64)),
            Err(error) => writing.error = Some(error),
        }
    }
}

/// When it is dropped nothing more is written, and what lies behind a gap is cut off: the length of a part that is left
/// tells the next run how far it is whole.
pub(super) struct Closing(pub Arc<IntoFile>);

impl Drop for Closing {
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

/// How far a file is whole.
#[derive(Debug)]
struct Front {
    whole: u64,
    /// What has come beyond: beginnings and ends.
    islands: BTreeMap<u64, u64>,
}

impl Front {
    fn add(&mut self, begin: u64, end: u64) {
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
        /// Beside a list of which bytes have come.
        #[test]
        fn it_is_whole_up_to_the_first_gap(pieces in prop::collection::vec((0_u64..60, 1_u64..20), 0..20)) {
            let mut front = Front { whole: 5, islands: BTreeMap::new() };
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
    fn what_lies_behind_a_gap_is_cut_off() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let sink = Arc::new(IntoFile::new(Arc::clone(&file), 0));
        let closing = Closing(Arc::clone(&sink));
        sink.bytes(0, b"0123");
        sink.bytes(8, b"89");
        assert_eq!((sink.whole(), file.metadata().unwrap().len()), (4, 10));
        drop(closing);
        sink.bytes(4, b"4567");
        assert_eq!((sink.whole(), file.metadata().unwrap().len()), (4, 4));
        assert!(sink.outcome().is_ok());
    }
}
