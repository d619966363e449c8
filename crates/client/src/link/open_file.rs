//! A file of the server that is open for reading, and a reader that fetches it in order. It reads a bounded number of
//! bytes ahead of its consumer, so that a file of any size can be shown piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use sftp_wire::Attributes;
use tokio::sync::mpsc;

use super::channel::ByteRange;
use super::error::RemoteError;
use super::inbox::{CompletedRequest, Completion, DataSink};
use super::{Handle, Link};

/// A file that is open for reading. Dropping it closes the file on the server.
pub struct OpenFile {
    link: Arc<Link>,
    handle: Handle,
}

impl OpenFile {
    /// Opens an existing file.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost; so it is below.
    pub async fn open(link: &Arc<Link>, path: &[u8]) -> Result<Self, RemoteError> {
        let handle = link.open_read(path).await?;
        Ok(Self {
            link: Arc::clone(link),
            handle,
        })
    }

    /// The handle of the file on the server.
    pub fn handle(&self) -> &[u8] {
        &self.handle
    }

    /// The attributes of the file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn attributes(&self) -> Result<Attributes, RemoteError> {
        self.link.fstat(&self.handle).await
    }

    /// A reader that begins at this offset.
    pub fn reader(&self, offset: u64, ahead: ReadAhead) -> FileReader<'_> {
        FileReader {
            file: self,
            next: offset,
            ahead,
            window: 1,
            pending: VecDeque::new(),
            ended: false,
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // Nothing was written through the handle.
        self.link.forget_handle(&self.handle);
    }
}

/// How far a reader may be ahead of its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAhead {
    /// The most bytes of one READ. The limit of the server applies as well.
    pub piece: u32,
    /// The most READs that are under way.
    pub pieces: usize,
}

impl ReadAhead {
    /// For a consumer that wants the whole file soon: 4 MiB ahead.
    pub const MANY: Self = Self {
        piece: 256 << 10,
        pieces: 16,
    };
    /// For a consumer that may stop at any time, such as a pager: 128 KiB ahead.
    pub const FEW: Self = Self {
        piece: 32 << 10,
        pieces: 4,
    };
}

/// The bytes of one READ.
#[derive(Default)]
struct PieceBytes(Mutex<Vec<u8>>);

impl DataSink for PieceBytes {
    fn bytes(&self, _offset: u64, bytes: &[u8]) {
        // The parts of one reply arrive in order.
        self.0.lock().extend_from_slice(bytes);
    }
}

/// A READ that is under way.
struct PendingPiece {
    range: ByteRange,
    bytes: Arc<PieceBytes>,
    done: mpsc::UnboundedReceiver<CompletedRequest>,
}

/// Reads a file in order, from an offset to its end.
pub struct FileReader<'a> {
    file: &'a OpenFile,
    /// The offset of the next READ.
    next: u64,
    ahead: ReadAhead,
    /// The READs that may be under way now. It doubles with each piece, so that a small file costs few requests.
    window: usize,
    pending: VecDeque<PendingPiece>,
    ended: bool,
}

impl FileReader<'_> {
    /// The next bytes. `None`: the file has ended.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, RemoteError> {
        while !self.ended && self.pending.len() < self.window {
            let length = self.ahead.piece.min(self.file.link.channel.limits.read);
            let piece = self.ask(ByteRange {
                offset: self.next,
                length,
            });
            self.next = self.next.saturating_add(u64::from(length));
            self.pending.push_back(piece);
        }
        let Some(mut piece) = self.pending.pop_front() else {
            return Ok(None);
        };
        let completed = piece.done.recv().await.map(|completed| completed.ended);
        let failed = match completed {
            Some(Completion::Data(count @ 1..)) => {
                self.window = (2 * self.window).min(self.ahead.pieces);
                let rest = piece.range.length.saturating_sub(count);
                if rest > 0 {
                    // A short reply: what is behind it is asked for again. At the end of the file that is its end.
                    let offset = piece.range.offset.saturating_add(u64::from(count));
                    let again = self.ask(ByteRange { offset, length: rest });
                    self.pending.push_front(again);
                }
                return Ok(Some(std::mem::take(&mut *piece.bytes.0.lock())));
            }
            Some(Completion::Data(0)) => None,
            Some(Completion::Reply(reply)) => Some(RemoteError::from_reply(reply, "data")),
            Some(Completion::ConnectionLost) | None => Some(self.file.link.channel.lost().into()),
        };
        self.ended = true;
        self.pending.clear();
        match failed {
            Some(failed) if !failed.is_end() => Err(failed),
            _ => Ok(None),
        }
    }

    fn ask(&self, range: ByteRange) -> PendingPiece {
        let bytes = Arc::new(PieceBytes::default());
        let (sender, done) = mpsc::unbounded_channel();
        let sink = Arc::clone(&bytes) as Arc<dyn DataSink>;
        self.file
            .link
            .channel
            .read(&self.file.handle, range, &sink, &sender);
        PendingPiece { range, bytes, done }
    }
}
