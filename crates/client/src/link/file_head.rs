//! The beginning of a file of the server, with which the answers of its commands are compared.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Link;
use super::channel::ByteRange;
use super::error::{Answered as _, ConnectionLost, RemoteError};
use super::hash::{HashKind, HashValue};
use super::inbox::{Completion, DataSink};

/// What the bytes of a file say about the server's commands.
pub(super) enum CommandView {
    /// They see the file that the SFTP server has under this path. The hash is that of the whole file, if it is small.
    SameFile(Option<HashValue>),
    /// They see another file, or the SFTP server does not show its own.
    OtherFile,
    /// They cannot hash the beginning of a file.
    Unknown,
}

/// The MD5 of these bytes.
pub(super) fn md5_of(bytes: &[u8]) -> Option<HashValue> {
    let mut hasher = HashKind::Md5.algorithm().hasher();
    hasher.update(bytes);
    HashValue::new(HashKind::Md5, &hasher.finalize())
}

/// Collects the bytes at the beginning of a file.
#[derive(Default)]
struct HeadSink(Mutex<Vec<u8>>);

impl DataSink for HeadSink {
    fn bytes(&self, _offset: u64, bytes: &[u8]) {
        self.0.lock().extend_from_slice(bytes);
    }
}

/// Reads the first bytes of a file, at most `most`. `None`: it cannot be read.
pub(super) async fn read_head(
    link: &Link,
    path: &[u8],
    most: u64,
) -> Result<Option<Vec<u8>>, ConnectionLost> {
    let Some(handle) = link.open_read(path).await.unless_refused()? else {
        return Ok(None);
    };
    let head = Arc::new(HeadSink::default());
    let sink: Arc<dyn DataSink> = Arc::clone(&head) as _;
    let (sender, mut completions) = mpsc::unbounded_channel();
    let mut ended = true;
    loop {
        let offset = head.0.lock().len() as u64;
        let left = u32::try_from(most.saturating_sub(offset)).unwrap_or(0);
        let length = left.min(link.channel.limits.read);
        if length == 0 {
            break;
        }
        link.channel
            .read(&handle, ByteRange { offset, length }, &sink, &sender);
        match completions.recv().await.map(|completed| completed.ended) {
            Some(Completion::Data(1..)) => {}
            Some(Completion::Data(0)) => break,
            Some(Completion::Reply(reply)) => {
                // If the file has not ended, what was read is not all of it.
                ended = RemoteError::from_reply(reply, "data").is_end();
                break;
            }
            Some(Completion::ConnectionLost) | None => return Err(link.channel.lost()),
        }
    }
    link.forget_handle(&handle);
    Ok(ended.then(|| std::mem::take(&mut *head.0.lock())))
}
