//! One client's SFTP session: its home, its handles, and what all requests need of them.
//!
//! The requests themselves are executed by [`super::requests`] and [`super::extensions`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sftp_wire::StatusCode;

use crate::domain::event::{Actor, Event};
use crate::domain::path::VirtualPath;
use crate::session::ActivityGuard;
use crate::session::budget::Descriptor;
use crate::session::memory::{MemoryCharge, TOO_MUCH_HELD};
use crate::storage::{Error, FileKind, Links, Metadata, Storage, Wait};
use base::buffer::{Buffer, FilledBuffer};

use super::context::ClientContext;
use super::handles::{FileHandle, HandleTable, OpenHandle, RawHandle};
use super::outcome::RequestError;
use super::rest::UnreadTail;
use super::status::RequestRefusal;

/// Freeing more than this takes the file system long enough (several milliseconds) to hold up other channels.
const LARGE: u64 = 64 << 20;
/// A full home must not fill a terminal.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// One client's SFTP session: its home, its handles, and how it likes its answers.
pub struct Sftp {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) handles: HandleTable,
    pub(super) context: ClientContext,
    notice: Option<Bytes>,
    last_notice: Option<Instant>,
}

impl Sftp {
    /// A session over a home.
    pub fn new(storage: Arc<dyn Storage>, context: ClientContext) -> Self {
        Self {
            storage,
            handles: HandleTable::new(context.max_handles),
            context,
            notice: None,
            last_notice: None,
        }
    }

    /// Whether the session can be dropped at once: it has no file open whose close may wait.
    pub fn holds_nothing(&self) -> bool {
        self.handles.is_empty()
    }

    /// Keeps what may take long from beginning inside an SSH callback, as the storage does by itself.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], where the request may not wait.
    pub(super) fn not_in_callback(&self, heavy: bool, wait: Wait) -> crate::storage::Result<()> {
        match heavy && wait != Wait::Allowed {
            true => Err(Error::WouldBlock),
            false => Ok(()),
        }
    }

    /// The open file that a handle stands for.
    pub(super) fn file(&mut self, handle: RawHandle) -> Result<&mut FileHandle, RequestError> {
        self.handles
            .file(handle)
            .ok_or_else(|| StatusCode::Failure.into())
    }

    /// Bytes of a file that were promised in a reply whose beginning went out; `None` if they are not there any more.
    pub(super) fn read_tail(&mut self, tail: UnreadTail) -> Option<Bytes> {
        let file = self.handles.file(tail.handle)?;
        let mut buffer = Buffer::take();
        let room = buffer.get_mut(..tail.left)?;
        let count = file.file.read_at(room, tail.offset, Wait::Allowed).ok()?;
        (count == tail.left).then(|| Bytes::from_owner(FilledBuffer::new(buffer, count)))
    }

    /// The error for a refused call on an open file. The user hears once for each file that its home is full.
    pub(super) fn file_refused(&mut self, handle: RawHandle, error: Error) -> RequestError {
        let Some(file) = self.handles.file(handle) else {
            return error.into();
        };
        let is_told = match error {
            Error::Forbidden(_) => true,
            error => stops_growth(error) && !std::mem::replace(&mut file.complained, true),
        };
        if !is_told {
            return error.into();
        }
        let path = file.record.path.clone();
        self.refused(error, &path)
    }

    /// Marks the connection as worked for until the guard is dropped.
    pub(super) fn working(&self) -> ActivityGuard {
        self.context.session.activity.begin()
    }

    /// Takes the room for one more open file. It is asked for before one is made, so that a refusal leaves nothing behind.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(Descriptor, MemoryCharge), RequestError> {
        let refuse = |sentence: String| RequestRefusal::with_sentence(StatusCode::Failure, sentence);
        self.handles.check_room().map_err(|_| self.too_many_handles())?;
        let budget = &self.context.session.budget;
        let descriptor = budget.descriptor();
        let descriptor = descriptor.map_err(|exhausted| refuse(exhausted.to_string()))?;
        let mut memory = MemoryCharge::nothing(&budget.memory);
        if !memory.grow(bytes) {
            return Err(refuse(TOO_MUCH_HELD.to_owned()).into());
        }
        Ok((descriptor, memory))
    }

    /// Gives a handle to what was opened.
    pub(super) fn insert(&mut self, open: OpenHandle) -> Result<RawHandle, RequestError> {
        self.handles.insert(open).map_err(|_| self.too_many_handles())
    }

    fn too_many_handles(&self) -> RequestError {
        let sentence = format!("too many open files (the limit is {})", self.handles.limit());
        RequestRefusal::with_sentence(StatusCode::Failure, sentence).into()
    }

    /// Emits an event of the session.
    pub(super) fn tell(&self, event: impl FnOnce(Actor) -> Event) {
        self.context.session.tell(event);
    }

    /// Passes a result on; of a refusal that somebody should hear of, the log and perhaps the user do.
    pub(super) fn tell_refused<T>(
        &mut self,
        result: crate::storage::Result<T>,
        path: &VirtualPath,
    ) -> Result<T, RequestError> {
        result.map_err(|error| self.refused(error, path))
    }

    /// The error for a refused call, which the log and the user hear of where they should.
    fn refused(&mut self, error: Error, path: &VirtualPath) -> RequestError {
        let sentence = || RequestRefusal::from(error).sentence().to_owned();
        if stops_growth(error) {
            self.notice(&sentence());
        }
        self.context.session.refused(error, path, sentence);
        error.into()
    }

    /// Keeps a sentence for the user's terminal: stock clients show a status 4 as "Failure" and no more.
    fn notice(&mut self, sentence: &str) {
        let now = Instant::now();
        if self
            .last_notice
            .is_none_or(|last| now.duration_since(last) >= NOTICE_EVERY)
        {
            self.last_notice = Some(now);
            self.notice = Some(format!("{sentence}\n").into());
        }
    }

    /// Takes the sentence that is to be shown on the user's terminal beside the reply.
    pub fn take_notice(&mut self) -> Option<Bytes> {
        self.notice.take()
    }

    /// Whether it is a file whose removal takes the file system long.
    pub(super) fn is_large(&self, path: &VirtualPath, links: Links) -> bool {
        let large = |meta: Metadata| meta.kind == FileKind::File && meta.size >= LARGE;
        self.storage.stat(path, links).is_ok_and(large)
    }
}

/// Whether the user should read the reason of a refusal: "Failure" alone would have them look for a fault of their
/// own.
fn stops_growth(error: Error) -> bool {
    matches!(
        error,
        Error::OverBytes { .. }
            | Error::OverFiles { .. }
            | Error::Measuring
            | Error::Unmeasurable
            | Error::NotRecorded
            | Error::NotOwned
            | Error::DiskFull
            | Error::DiskQuota
    )
}

/// A path of a request. Unlike REALPATH's, an empty one names nothing, as in open(2).
pub(super) fn path_of(raw: &[u8]) -> Result<VirtualPath, RequestRefusal> {
    if raw.is_empty() {
        return Err(StatusCode::NoSuchFile.into());
    }
    Ok(VirtualPath::parse(raw)?)
}
