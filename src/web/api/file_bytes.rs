//! The bytes of an open file on their way to a client: a piece at a time, at the user's rate, as long as the session lasts.
//!
//! States: *sending*, *complete* (all bytes that were asked for are on their way), *broken* (the file became shorter, could
//! not be read, or the session ended). A body that breaks off aborts the connection, so that no client takes it for whole.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::exec::command_file::{CommandFile, TransferEnd};
use crate::exec::home_session::HomeSession;
use crate::session::budget::Descriptor;
use crate::session::unpaid::{Direction, UnpaidBytes};
use crate::storage::{Error as StorageError, Metadata};
use crate::web::body::PIECE;
use crate::web::users::WebUser;
use base::buffer::{Buffer, FilledBuffer};

/// Why a body ends before all of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenBody {
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// The file has become shorter since the headers were sent.
    #[error("the file has become shorter while it was sent")]
    Shrunk,
    /// The file cannot be read any more.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An open file, and the access of its user.
pub(super) struct OpenDownload {
    /// The user, whose request has its turn until all bytes are sent.
    pub(super) user: WebUser,
    /// The home that the file is in.
    pub(super) home: Arc<HomeSession>,
    /// The file.
    pub(super) file: CommandFile,
    /// Its attributes now.
    pub(super) meta: Metadata,
    /// The right to have it open.
    pub(super) _descriptor: Descriptor,
}

/// The bytes of an open file that are still to be sent.
pub(super) struct FileBytes {
    open: OpenDownload,
    rates: UnpaidBytes,
    at: u64,
    end: u64,
}

impl FileBytes {
    /// Begins to send the bytes from `at` to `end`.
    pub(super) fn new(open: OpenDownload, at: u64, end: u64) -> Self {
        let context = &open.home.context;
        let rates = UnpaidBytes::new(
            Arc::clone(&context.budget.rates),
            Direction::Down,
            context.activity.clone(),
        );
        let mut bytes = Self { open, rates, at, end };
        bytes.note_if_complete();
        bytes
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// # Errors
    /// Returns why not all bytes can be sent.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BrokenBody> {
        if self.at >= self.end {
            return Ok(None);
        }
        let gone = self.open.user.session.gone().clone();
        let piece = tokio::select! {
            biased;
            () = gone.cancelled() => return Err(BrokenBody::Ended),
            piece = self.piece() => piece,
        };
        if let Err(BrokenBody::Shrunk | BrokenBody::Storage(_)) = piece {
            self.open.file.note_end(TransferEnd::Failed);
        }
        piece.map(Some)
    }

    async fn piece(&mut self) -> Result<Bytes, BrokenBody> {
        self.rates.pay().await;
        let rest = self.end.saturating_sub(self.at);
        let wanted = usize::try_from(rest).map_or(PIECE, |rest| rest.min(PIECE));
        let (file, at) = (self.open.file.file()?, self.at);
        let reading = self.open.home.call_on(file, move |file, wait| {
            let mut buffer = Buffer::take();
            let room = buffer.get_mut(..wanted).unwrap_or_default();
            let count = file.read_at(room, at, wait)?;
            Ok((buffer, count))
        });
        let (buffer, count) = reading.await?;
        self.open.file.note_read(count, at);
        if count < wanted {
            return Err(BrokenBody::Shrunk);
        }
        self.rates.add(count);
        let length = count as u64;
        let traffic = self.open.user.session.traffic();
        traffic.sent.fetch_add(length, Ordering::Relaxed);
        self.at = self.at.saturating_add(length);
        self.note_if_complete();
        Ok(Bytes::from_owner(FilledBuffer::new(buffer, count)))
    }

    fn note_if_complete(&mut self) {
        if self.at >= self.end {
            self.open.file.note_end(TransferEnd::Complete);
        }
    }
}
