//! The bodies of requests and responses as pieces of files: each piece is bounded, and each wait for the peer has a limit.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use http_body::Body as _;
use tokio_util::sync::CancellationToken;

use super::error::{WebError, WebErrorKind};

/// The longest time for which a peer may send nothing of a body that it has begun.
pub const STALLED: Duration = Duration::from_secs(60);

/// The bytes that are read or written in one call on a file.
pub const PIECE: usize = 256 * 1024;

/// The most bytes of a body that nobody wants which are read all the same: a piece of a resumable upload.
const MOST_DISCARDED: u64 = 16 * 1024 * 1024;

/// How long a peer may send nothing of a body that nobody wants.
const SILENT: Duration = Duration::from_secs(2);

/// The longest time for which a body that nobody wants is read.
const DISCARDING: Duration = Duration::from_secs(20);

/// Reads and drops the rest of a body before its request is refused. Browsers and proxies that are still sending do not
/// read the reply: they report a lost connection instead of what the server says. Of a long body nothing is read.
pub async fn discard(body: Body) {
    if body.size_hint().lower() > MOST_DISCARDED {
        return;
    }
    let reading = async {
        let mut frames = body.into_data_stream();
        let mut read: u64 = 0;
        while read <= MOST_DISCARDED {
            match tokio::time::timeout(SILENT, frames.next()).await {
                Ok(Some(Ok(bytes))) => read = read.saturating_add(bytes.len() as u64),
                _ => return,
            }
        }
    };
    // Whatever has arrived until then, nobody wants it.
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}

/// Beside a response whose body takes long: its connection is cut when this is cancelled, even while the client reads
/// nothing.
#[derive(Debug, Clone)]
pub struct EndsWith(pub CancellationToken);

/// Reads the body of a request in pieces.
pub struct BodyPieces {
    frames: BodyDataStream,
    waiting: BytesMut,
    is_over: bool,
}

impl BodyPieces {
    /// Begins to read.
    pub fn new(body: Body) -> Self {
        Self {
            frames: body.into_data_stream(),
            waiting: BytesMut::new(),
            is_over: false,
        }
    }

    /// Returns the next bytes, [`PIECE`] of them if there are as many left; none at the end.
    ///
    /// # Errors
    /// Returns an error if the body broke off, or if nothing has arrived for [`STALLED`]. What arrived before is returned
    /// by [`BodyPieces::rest`].
    pub async fn next(&mut self) -> Result<Bytes, WebError> {
        while self.waiting.len() < PIECE && !self.is_over {
            let frame = tokio::time::timeout(STALLED, self.frames.next()).await;
            match frame {
                Ok(Some(Ok(bytes))) => self.waiting.extend_from_slice(&bytes),
                Ok(None) => self.is_over = true,
                Ok(Some(Err(_))) => {
                    self.is_over = true;
                    return Err(WebError::new(WebErrorKind::BadRequest, "the body broke off"));
                }
                Err(_) => {
                    self.is_over = true;
                    return Err(WebError::new(
                        WebErrorKind::BadRequest,
                        "the body did not go on for too long",
                    ));
                }
            }
        }
        Ok(self.rest())
    }

    /// Reads and drops what is left of the body: see [`discard`].
    pub async fn discard_rest(self) {
        if !self.is_over {
            discard(Body::new(self.frames)).await;
        }
    }

    /// Returns the bytes that have arrived and were not returned yet, at most [`PIECE`].
    pub fn rest(&mut self) -> Bytes {
        let length = self.waiting.len().min(PIECE);
        let piece = self.waiting.split_to(length).freeze();
        if self.waiting.remaining() == 0 {
            self.waiting = BytesMut::new();
        }
        piece
    }
}
