//! Comparison for servers that cannot hash: the first and the last bytes of what both sides have are compared. That
//! distinguishes different files of the same size, at the price of one round trip. A small file is compared as a whole.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::error::TransferError;
use crate::link::{Answered as _, ByteRange, Completion, DataSink, Link};

/// The size of each end, in bytes.
const END: u64 = 256 << 10;

/// The ranges that are compared of a common beginning of `length` bytes.
fn samples(length: u64) -> Vec<Range<u64>> {
    match length.checked_sub(END) {
        Some(last) if last > END => vec![0..END, last..length],
        _ => std::iter::once(0..length).collect(),
    }
}

/// Whether the samples are all of a beginning of `length` bytes.
pub(super) fn is_all(length: u64) -> bool {
    samples(length).len() == 1
}

/// Compares the bytes that arrive with a file of this machine.
struct SampleComparison {
    file: Arc<File>,
    differs: AtomicBool,
}

impl DataSink for SampleComparison {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        let mut ours = vec![0; bytes.len()];
        let read = self.file.read_exact_at(&mut ours, offset);
        if read.is_err() || ours != bytes {
            self.differs.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether the two ends of the first `length` bytes agree, of the server's file and of this machine's.
pub(super) async fn ends_agree(
    link: &Link,
    remote: &[u8],
    local: &Arc<File>,
    length: u64,
) -> Result<bool, TransferError> {
    let Some(handle) = link.open_read(remote).await.unless_refused()? else {
        // The file may only be written, so nothing is known about it.
        return Ok(false);
    };
    let agree = compare_ends(link, &handle, local, length).await;
    // Nothing was written through the handle, so the reply does not matter.
    link.forget_handle(&handle);
    agree
}

async fn compare_ends(
    link: &Link,
    handle: &[u8],
    local: &Arc<File>,
    length: u64,
) -> Result<bool, TransferError> {
    let beside = Arc::new(SampleComparison {
        file: Arc::clone(local),
        differs: AtomicBool::new(false),
    });
    let sink: Arc<dyn DataSink> = Arc::clone(&beside) as _;
    let (sender, mut completions) = mpsc::unbounded_channel();
    let mut wanted: VecDeque<Range<u64>> = samples(length).into();
    let mut under_way = 0_usize;
    loop {
        while let Some(Range { start, end }) = wanted.pop_front() {
            let rest = u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX);
            let length = rest.min(link.channel.limits.read);
            if length == 0 {
                continue;
            }
            let block = ByteRange {
                offset: start,
                length,
            };
            link.channel.read(handle, block, &sink, &sender);
            under_way += 1;
            wanted.push_front(start.saturating_add(u64::from(length))..end);
        }
        if under_way == 0 {
            return Ok(!beside.differs.load(Ordering::Relaxed));
        }
        let Some(completed) = completions.recv().await else {
            return Err(TransferError::ConnectionLost(link.channel.lost()));
        };
        under_way -= 1;
        match completed.ended {
            Completion::ConnectionLost => return Err(TransferError::ConnectionLost(link.channel.lost())),
            Completion::Data(0) => return Ok(false),
            Completion::Data(count) => {
                let end = completed.offset.saturating_add(completed.length.into());
                wanted.push_back(completed.offset.saturating_add(count.into())..end);
            }
            // The file ends here, or the server refuses.
            Completion::Reply(_) => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_compared_as_a_whole() {
        let whole = |end| std::iter::once(0..end).collect::<Vec<_>>();
        assert_eq!(samples(0), whole(0));
        assert_eq!(samples(2 * END), whole(2 * END));
        assert_eq!(samples(2 * END + 1), [0..END, END + 1..2 * END + 1]);
        assert!(is_all(1) && !is_all(u64::MAX));
    }
}
