//! Receives the body of a request into the part of an upload.
//!
//! What has arrived is kept, however the body ends, with two exceptions: a body with a digest that is not complete or does
//! not have it, and a body that is longer than announced. Then the part is cut to where it was, and the quota given back.
//! If the session has ended meanwhile, the part cannot be cut any more; the client then goes on behind what had arrived.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures_util::StreamExt as _;
use md5::digest::DynDigest;

use super::active::UploadTurn;
use super::part::UploadPart;
use super::replies;
use crate::exec::command_file::{CommandFile, TransferEnd};
use crate::session::unpaid::{Direction, UnpaidBytes};
use crate::storage::{Error as StorageError, SetAttrs, Wait};
use crate::web::body::{BodyPieces, discard};
use crate::web::error::{WebError, WebErrorKind};
use crate::web::tus::headers::{PieceChecksum, PieceHash};
use crate::web::users::WebUser;
use base::digest::Algorithm;

/// The bytes after which it is looked again whether the user may still go on.
const LOOK_AGAIN: u64 = 16 * 1024 * 1024;

/// What the bytes of a body are received for.
#[derive(Clone, Copy)]
pub(super) struct Intake<'a> {
    /// The user who sends them.
    pub(super) user: &'a WebUser,
    /// The part that they belong to.
    pub(super) part: &'a UploadPart,
    /// The turn of the request.
    pub(super) turn: &'a UploadTurn,
    /// The number of bytes that are there.
    pub(super) offset: u64,
    /// The digest that the body must have.
    pub(super) checksum: Option<&'a PieceChecksum>,
}

/// Why not all of a body is in the part now.
#[derive(Debug)]
pub(super) struct IntakeFailure {
    /// The number of bytes that are there now.
    pub(super) offset: u64,
    /// Why not more of them are.
    pub(super) error: WebError,
}

/// Returns the length of a body as its header announces it; `None` for one that says its end itself.
pub(in crate::web::api) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Intake<'_> {
    /// Receives a body, and returns the number of bytes that are there then. `announced` is its length, if that is known.
    ///
    /// # Errors
    /// Returns why not all of it is there, and how much is.
    pub(super) async fn receive(
        self,
        file: CommandFile,
        body: Body,
        announced: Option<u64>,
    ) -> Result<u64, IntakeFailure> {
        let room = self.part.record.size.saturating_sub(self.offset);
        if announced.is_some_and(|length| length > room) {
            discard(body).await;
            return Err(IntakeFailure {
                offset: self.offset,
                error: self.too_long(),
            });
        }
        let mut writer = PartWriter {
            rates: UnpaidBytes::new(
                Arc::clone(&self.part.home.context.budget.rates),
                Direction::Up,
                self.part.home.context.activity.clone(),
            ),
            hasher: self.checksum.map(|checksum| hasher_of(checksum.algorithm)),
            intake: self,
            file,
            at: self.offset,
            unchecked: 0,
        };
        let received = match writer.all(body).await {
            Ok(()) => writer.verify(),
            broken => broken,
        };
        writer.end(received).await
    }

    /// Waits for the next bytes, unless the session or the turn of this request ends first.
    async fn next(self, pieces: &mut BodyPieces) -> Result<Bytes, WebError> {
        self.turn.listener().note_heard();
        let next = tokio::select! {
            biased;
            () = self.user.session.gone().cancelled() => Err(WebError::sign_in_required()),
            () = self.turn.stop().cancelled() => Err(replies::locked()),
            piece = pieces.next() => piece,
        };
        self.turn.listener().note_busy();
        next
    }

    fn too_long(self) -> WebError {
        let size = self.part.record.size;
        WebError::new(
            WebErrorKind::TooLarge,
            format!("the body goes beyond the length of the upload, which is {size} bytes"),
        )
        .hint("nothing of the body was kept")
    }
}

fn hasher_of(algorithm: PieceHash) -> Box<dyn DynDigest + Send> {
    match algorithm {
        PieceHash::Sha1 => Algorithm::Sha1,
        PieceHash::Sha256 => Algorithm::Sha256,
        PieceHash::Md5 => Algorithm::Md5,
    }
    .hasher()
}

/// Writes the pieces of a body to the part.
struct PartWriter<'a> {
    intake: Intake<'a>,
    file: CommandFile,
    hasher: Option<Box<dyn DynDigest + Send>>,
    rates: UnpaidBytes,
    /// The end of what was written.
    at: u64,
    /// The bytes since it was looked whether the user may go on.
    unchecked: u64,
}

/// Why a body is not in the part as a whole.
enum IntakeEnd {
    /// It broke off. What has arrived is good.
    Broken(WebError),
    /// A write was refused. What was written before is good.
    Refused(WebError),
    /// The bytes are not those that were announced. None of the body is good.
    Wrong(WebError),
}

impl PartWriter<'_> {
    /// Writes all of a body, and of one that breaks off what has arrived.
    async fn all(&mut self, body: Body) -> Result<(), IntakeEnd> {
        let listener = self.intake.turn.listener();
        let heard = body.into_data_stream().inspect(move |_| listener.note_heard());
        let mut pieces = BodyPieces::new(Body::from_stream(heard));
        let written = self.pieces(&mut pieces).await;
        if let Err(IntakeEnd::Refused(_) | IntakeEnd::Wrong(_)) = written {
            pieces.discard_rest().await;
        }
        written
    }

    async fn pieces(&mut self, pieces: &mut BodyPieces) -> Result<(), IntakeEnd> {
        let broke = loop {
            // As long as nothing is read, the client's window stays shut.
            self.rates.pay().await;
            match self.intake.next(pieces).await {
                Ok(bytes) if bytes.is_empty() => return Ok(()),
                Ok(bytes) => self.write(bytes).await?,
                Err(broke) => break broke,
            }
        };
        loop {
            let rest = pieces.rest();
            if rest.is_empty() {
                return Err(IntakeEnd::Broken(broke));
            }
            self.write(rest).await?;
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), IntakeEnd> {
        let Intake { user, part, .. } = self.intake;
        let length = bytes.len() as u64;
        if length > part.record.size.saturating_sub(self.at) {
            return Err(IntakeEnd::Wrong(self.intake.too_long()));
        }
        self.unchecked = self.unchecked.saturating_add(length);
        if self.unchecked >= LOOK_AGAIN {
            self.unchecked = 0;
            if !user.session.is_open() {
                return Err(IntakeEnd::Refused(WebError::sign_in_required()));
            }
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        self.rates.add(bytes.len());
        let refused = |error| IntakeEnd::Refused(part.refused(error));
        let file = self.file.file().map_err(refused)?;
        let (piece, at) = (bytes.clone(), self.at);
        part.home
            .call_on(file, move |file, wait| file.write_at(&piece, at, wait))
            .await
            .map_err(refused)?;
        self.file.note_written(&bytes, self.at);
        user.session
            .traffic()
            .received
            .fetch_add(length, Ordering::Relaxed);
        self.at = self.at.saturating_add(length);
        Ok(())
    }

    /// Checks the digest of a body that has arrived as a whole.
    fn verify(&mut self) -> Result<(), IntakeEnd> {
        let (Some(mut hasher), Some(checksum)) = (self.hasher.take(), self.intake.checksum) else {
            return Ok(());
        };
        match *hasher.finalize_reset() == *checksum.digest {
            true => Ok(()),
            false => Err(IntakeEnd::Wrong(
                WebError::new(
                    WebErrorKind::Checksum,
                    "the bytes that arrived do not have the digest of Upload-Checksum",
                )
                .hint("nothing of the body was kept: send it again"),
            )),
        }
    }

    /// Keeps or cuts what was written, flushes it as configured, and closes the part.
    async fn end(mut self, received: Result<(), IntakeEnd>) -> Result<u64, IntakeFailure> {
        let is_unverified = self.hasher.is_some();
        let (error, transfer, is_kept) = match received {
            Ok(()) => (None, TransferEnd::Complete, true),
            Err(IntakeEnd::Broken(error)) => (Some(error), TransferEnd::Unfinished, !is_unverified),
            Err(IntakeEnd::Refused(error)) => (Some(error), TransferEnd::Failed, !is_unverified),
            Err(IntakeEnd::Wrong(error)) => (Some(error), TransferEnd::Failed, false),
        };
        if !is_kept && self.at > self.intake.offset {
            self.cut().await;
        }
        let closed = self.finish().await;
        let offset = self.offset();
        let transfer = match closed {
            Ok(()) => transfer,
            Err(_) => TransferEnd::Failed,
        };
        match transfer {
            TransferEnd::Complete => self.file.note_finished(),
            TransferEnd::Unfinished | TransferEnd::Failed => self.file.note_end(transfer),
        }
        match error.or(closed.err()) {
            None => Ok(offset),
            Some(error) => Err(IntakeFailure { offset, error }),
        }
    }

    /// Cuts the part to where it was before this body.
    async fn cut(&mut self) {
        let attrs = SetAttrs {
            size: Some(self.intake.offset),
            ..SetAttrs::default()
        };
        let Ok(file) = self.file.file() else {
            return;
        };
        let cutting = self.intake.part.home.call_on(file, move |file, wait| match wait {
            Wait::Allowed => file.set_attrs(&attrs),
            // Cutting a file may take long.
            Wait::Briefly | Wait::Never => Err(StorageError::WouldBlock),
        });
        match cutting.await {
            Ok(()) => self.file.note_resized(),
            Err(error) => {
                let path = &self.intake.part.path;
                tracing::warn!(%path, %error, "the part of an upload cannot be cut to what is known to be good");
            }
        }
    }

    /// Does what must be done before the client is told that its bytes are there.
    async fn finish(&mut self) -> Result<(), WebError> {
        let part = self.intake.part;
        let refused = |error| part.refused(error);
        let file = self.file.file().map_err(refused)?;
        let finishing = part.home.call_on(file, |file, wait| file.finish(wait));
        finishing.await.map_err(refused)
    }

    /// Returns the number of bytes that are in the part.
    fn offset(&self) -> u64 {
        // It is answered even for a session that has ended.
        let size = self.file.file().ok().and_then(|file| file.facts().size);
        size.unwrap_or(self.at)
    }
}
