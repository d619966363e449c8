//! One client's SFTP session: its home, its handles, and what all requests have in common.
//!
//! [`super::requests`] and [`super::extensions`] execute the requests themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sftp_wire::{PacketType, StatusCode};

use crate::domain::event::{Actor, Event};
use crate::domain::folder::FolderName;
use crate::domain::path::VirtualPath;
use crate::session::ActivityGuard;
use crate::session::budget::Descriptor;
use crate::session::memory::{MemoryCharge, TOO_MUCH_HELD};
use crate::session::name_changes;
use crate::session::unpaid::{Direction, UnpaidBytes};
use crate::storage::router::call_io::SessionIo;
use crate::storage::router::folders::Folders;
use crate::storage::{Error, Links, Storage, Wait};
use base::buffer::{Buffer, FilledBuffer};
use base::report_interval::ReportInterval;

use super::context::ClientContext;
use super::handles::{FileHandle, HandleTable, OpenHandle, RawHandle};
use super::outcome::{Outcome, RequestError};
use super::status::RequestRefusal;
use super::unsent::UnreadTail;

/// The shortest time between two messages on the user's terminal, so that a full home does not fill it.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// One client's SFTP session: its home, its handles, and what is known about its client.
pub struct Sftp {
    pub(super) storage: Arc<dyn Storage>,
    /// The file systems that the requests work on.
    pub(super) io: SessionIo,
    pub(super) handles: HandleTable,
    pub(super) context: ClientContext,
    /// The bytes that were read, as far as the user's rate was not waited for.
    pub(super) unpaid_reads: UnpaidBytes,
    /// The number of requests that were executed and may have changed something.
    pub(super) changes: u64,
    /// When the turn of the next request came, if it had to wait for a thread since.
    turn: Option<Instant>,
    notice: Option<Bytes>,
    notices: ReportInterval,
}

impl Sftp {
    /// Creates the session over a home.
    pub fn new(storage: Arc<dyn Storage>, context: ClientContext) -> Self {
        let rates = Arc::clone(&context.session.budget.rates);
        let activity = context.session.activity.clone();
        Self {
            unpaid_reads: UnpaidBytes::new(rates, Direction::Down, activity),
            io: SessionIo::new(&*storage, None),
            storage,
            handles: HandleTable::new(context.max_handles),
            context,
            changes: 0,
            turn: None,
            notice: None,
            notices: ReportInterval::new(NOTICE_EVERY),
        }
    }

    /// Makes the requests in these folders, which the storage contains, take the schedulers of their file systems.
    #[must_use]
    pub fn with_folders(self, folders: Option<&Arc<Folders>>) -> Self {
        Self {
            io: SessionIo::new(&*self.storage, folders),
            ..self
        }
    }

    /// Notes that the turn of the next request came at this time, although it is executed only now.
    pub(super) fn note_turn(&mut self, turn: Instant) {
        self.turn = Some(turn);
    }

    /// Returns when the turn of the request that is executed now came.
    pub(super) fn take_turn(&mut self) -> Instant {
        self.turn.take().unwrap_or_else(Instant::now)
    }

    /// Counts the request as answered, if it was.
    pub(super) fn note_time(&self, packet: PacketType, began: Instant, outcome: &Outcome) {
        match outcome {
            Outcome::Reply(_) => self.context.timings.note(packet, began.elapsed()),
            // It is executed again, or answered later.
            Outcome::AskAgain | Outcome::HashFirst(_) => {}
        }
    }

    /// Returns whether the session can be dropped immediately, because it has no file open whose close may wait.
    pub fn holds_nothing(&self) -> bool {
        self.handles.is_empty()
    }

    /// Checks that an expensive operation does not begin inside an SSH callback, as the storage itself does.
    ///
    /// # Errors
    /// Returns [`Error::WouldBlock`] if the request may not wait.
    pub(super) fn not_in_callback(&self, heavy: bool, wait: Wait) -> crate::storage::Result<()> {
        wait.check_heavy(heavy)
    }

    /// Returns the open file that a handle refers to.
    pub(super) fn file(&mut self, handle: RawHandle) -> Result<&mut FileHandle, RequestError> {
        self.handles
            .file(handle)
            .ok_or_else(|| StatusCode::Failure.into())
    }

    /// Reads bytes of a file that were promised in a reply whose beginning was sent; `None` if they do not exist any
    /// more.
    pub(super) fn read_tail(&mut self, tail: UnreadTail) -> Option<Bytes> {
        let file = self.handles.file(tail.handle)?;
        let mut buffer = Buffer::take();
        let room = buffer.get_mut(..tail.left)?;
        let count = file.file.read_at(room, tail.offset, Wait::Allowed).ok()?;
        (count == tail.left).then(|| Bytes::from_owner(FilledBuffer::new(buffer, count)))
    }

    /// Returns the error for a refused call on an open file. The user is told once for each file that the home is full.
    pub(super) fn file_refused(&mut self, handle: RawHandle, error: Error) -> RequestError {
        let Some(file) = self.handles.file(handle) else {
            return error.into();
        };
        let is_told = match error {
            Error::Forbidden(_) => true,
            error => stops_growth(error) && !std::mem::replace(&mut file.complained, true),
        };
        if !is_told && !stops_growth(error) {
            return error.into();
        }
        let path = file.record.path().clone();
        match is_told {
            true => self.refused(error, &path),
            false => self.error_about(error, &path),
        }
    }

    /// Counts as work for the connection until the guard is dropped.
    pub(super) fn working(&self) -> ActivityGuard {
        self.context.session.activity.begin()
    }

    /// Reserves a descriptor and memory for one more open file or directory. It is called before a file is created, so
    /// that a refusal has no effect.
    pub(super) fn reserve_for_open(&self, bytes: usize) -> Result<(Descriptor, MemoryCharge), RequestError> {
        let refuse = |sentence: String| RequestRefusal::with_sentence(StatusCode::Failure, sentence);
        if !self.handles.has_free_handle() {
            return Err(self.too_many_handles());
        }
        let budget = &self.context.session.budget;
        let descriptor = budget.descriptor();
        let descriptor = descriptor.map_err(|exhausted| refuse(exhausted.to_string()))?;
        let mut memory = MemoryCharge::nothing(&budget.memory);
        if !memory.grow(bytes) {
            return Err(refuse(TOO_MUCH_HELD.to_owned()).into());
        }
        Ok((descriptor, memory))
    }

    /// Assigns a handle to what was opened.
    pub(super) fn insert(&mut self, open: OpenHandle) -> Result<RawHandle, RequestError> {
        self.handles.insert(open).map_err(|_| self.too_many_handles())
    }

    fn too_many_handles(&self) -> RequestError {
        let sentence = format!("too many open files (the limit is {})", self.handles.limit());
        RequestRefusal::with_sentence(StatusCode::Failure, sentence).into()
    }

    /// Emits an event of the session.
    pub(super) fn emit(&self, event: impl FnOnce(Actor) -> Event) {
        self.context.session.emit(event);
    }

    /// Returns the result, with an error for the client. Logs a refusal, and tells the user about it, if they should
    /// know.
    pub(super) fn report_refusal<T>(
        &mut self,
        result: crate::storage::Result<T>,
        path: &VirtualPath,
    ) -> Result<T, RequestError> {
        result.map_err(|error| self.refused(error, path))
    }

    /// Returns the error for a refused call; logs it, and tells the user about it, if they should know.
    fn refused(&mut self, error: Error, path: &VirtualPath) -> RequestError {
        let refusal = self.refusal_about(error, path);
        if stops_growth(error) {
            self.notice(refusal.sentence());
        }
        let sentence = || refusal.sentence().to_owned();
        self.context.session.refused(error, path, sentence);
        self.error_about(error, path)
    }

    /// Returns the error for a refused call on a path. What is about the use of a home names the folder in there.
    fn error_about(&self, error: Error, path: &VirtualPath) -> RequestError {
        match stops_growth(error) {
            true => self.refusal_about(error, path).into(),
            false => error.into(),
        }
    }

    fn refusal_about(&self, error: Error, path: &VirtualPath) -> RequestRefusal {
        let folder = self.context.session.actor.folder_of(path);
        RequestRefusal::in_folder(error, folder.map(FolderName::as_str))
    }

    /// Keeps a sentence for the user's terminal, since common clients show status 4 only as "Failure".
    fn notice(&mut self, sentence: &str) {
        if self.notices.is_due() {
            self.notice = Some(format!("{sentence}\n").into());
        }
    }

    /// Takes the sentence that is to be shown on the user's terminal beside the reply.
    pub fn take_notice(&mut self) -> Option<Bytes> {
        self.notice.take()
    }

    /// Returns whether this is a file that takes the file system long to remove.
    pub(super) fn is_large(&self, path: &VirtualPath, links: Links) -> bool {
        self.storage
            .stat(path, links)
            .is_ok_and(|meta| name_changes::is_large(&meta))
    }
}

/// Returns whether the user should read the reason of a refusal: with "Failure" alone, they would look for a mistake of
/// their own.
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

/// Returns the path of a request. Unlike in REALPATH, an empty path is refused, as by open(2).
pub(super) fn path_of(raw: &[u8]) -> Result<VirtualPath, RequestRefusal> {
    if raw.is_empty() {
        return Err(StatusCode::NoSuchFile.into());
    }
    Ok(VirtualPath::parse(raw)?)
}
