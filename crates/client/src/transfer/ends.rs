//! For servers that cannot hash: the two ends of what both sides have are compared byte by byte. That tells files apart
//! that only have the same size, at the price of one round trip; of a small file it is all of it.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sftp_wire::Request;
use tokio::sync::mpsc;

use super::Attempt;
use super::trouble::Trouble;
use crate::link::{Ended, Sink};
use crate::remote::failed::Failed;

/// Of each end, in bytes.
const END: u64 = 256 << 10;

/// What is compared of a common beginning of so many bytes: offsets and lengths.
fn ends(length: u64) -> Vec<(u64, u64)> {
    match length.checked_sub(END) {
        Some(last) if last > END => vec![(0, END), (last, END)],
        _ => vec![(0, length)],
    }
}

/// Is that all of it?
pub(super) fn is_all(length: u64) -> bool {
    ends(length).len() == 1
}

/// Compares what comes with a file of this machine.
struct Beside {
    file: Arc<File>,
    differs: AtomicBool,
}

impl Sink for Beside {
    fn bytes(&self, offset: u64, bytes: &[u8]) {
        let mut ours = vec![0; bytes.len()];
        let read = self.file.read_exact_at(&mut ours, offset);
        if read.is_err() || ours != bytes {
            self.differs.store(true, Ordering::Relaxed);
        }
    }
}

impl Attempt<'_> {
    /// Do the two ends of the first `length` bytes agree?
    pub(super) async fn ends_agree(&self, local: &Arc<File>, length: u64) -> Result<bool, Trouble> {
        let handle = match self.link.open_read(&self.job.remote).await {
            Ok(handle) => handle,
            Err(Failed::Lost(lost)) => return Err(Trouble::Lost(lost)),
            // It may only be written: nothing is known of it.
            Err(_) => return Ok(false),
        };
        let agree = self.compare_ends(&handle, local, length).await;
        // Nothing was written there: the answer changes nothing.
        drop(self.link.begin(&Request::Close { handle: &handle }));
        agree
    }

    async fn compare_ends(&self, handle: &[u8], local: &Arc<File>, length: u64) -> Result<bool, Trouble> {
        let beside = Arc::new(Beside {
            file: Arc::clone(local),
            differs: AtomicBool::new(false),
        });
        let sink: Arc<dyn Sink> = Arc::clone(&beside) as _;
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut wanted: VecDeque<(u64, u64)> = ends(length).into();
        let mut under_way = 0_usize;
        loop {
            while let Some((offset, rest)) = wanted.pop_front() {
                let block = u32::try_from(rest).unwrap_or(u32::MAX).min(self.link.limits.read);
                if block == 0 {
                    continue;
                }
                self.link.read(handle, (offset, block), &sink, &tell);
                under_way += 1;
                let block = u64::from(block);
                wanted.push_front((offset.saturating_add(block), rest.saturating_sub(block)));
            }
            if under_way == 0 {
                return Ok(!beside.differs.load(Ordering::Relaxed));
            }
            let Some(heard) = told.recv().await else {
                return Err(Trouble::Lost(self.link.lost()));
            };
            under_way -= 1;
            match heard.ended {
                Ended::Lost => return Err(Trouble::Lost(self.link.lost())),
                Ended::Data(0) => return Ok(false),
                Ended::Data(count) => {
                    let missing = heard.length.saturating_sub(count);
                    wanted.push_back((heard.offset.saturating_add(count.into()), missing.into()));
                }
                // Its end, or a refusal.
                Ended::Reply(_) => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_compared_as_a_whole() {
        assert_eq!(ends(0), [(0, 0)]);
        assert_eq!(ends(2 * END), [(0, 2 * END)]);
        assert_eq!(ends(2 * END + 1), [(0, END), (END + 1, END)]);
        assert!(is_all(1) && !is_all(u64::MAX));
    }
}
