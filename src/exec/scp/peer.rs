//! The dialogue with the client's scp: bytes, one-byte responses, and error messages.

use std::sync::Arc;

use bytes::Bytes;

use crate::exec::home_session::HomeSession;
use crate::exec::io::CommandIo;
use crate::session::stream::{Disconnected, Stream};
use crate::session::unpaid::{Direction, UnpaidBytes};

/// The longest line, in bytes: the size of OpenSSH's buffer.
pub(super) const MAX_LINE: usize = 2048;

/// Why scp ends before all files are transferred.
pub(super) enum ScpAbort {
    /// An error occurred. The client has received a message, or must not receive one.
    Failed,
    /// The connection has ended, so the client cannot receive anything.
    Disconnected,
}

impl From<Disconnected> for ScpAbort {
    fn from(_: Disconnected) -> Self {
        ScpAbort::Disconnected
    }
}

/// The client's scp: both directions of its channel, and the number of errors so far.
pub(super) struct ScpPeer<'a> {
    pub(super) io: &'a mut CommandIo,
    pub(super) errors: u32,
    /// The bytes of files that were received, as far as the user's rate was not waited for.
    pub(super) received: UnpaidBytes,
    /// The same for the bytes of files that were sent.
    pub(super) sent: UnpaidBytes,
}

impl<'a> ScpPeer<'a> {
    /// Creates the dialogue of a command that has transferred nothing yet.
    pub(super) fn new(io: &'a mut CommandIo, home: &HomeSession) -> Self {
        let unpaid = |direction| {
            let rates = Arc::clone(&home.context.budget.rates);
            UnpaidBytes::new(rates, direction, home.context.activity.clone())
        };
        Self {
            io,
            errors: 0,
            received: unpaid(Direction::Up),
            sent: unpaid(Direction::Down),
        }
    }

    /// Sends bytes without any framing.
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), ScpAbort> {
        Ok(self.io.output.send(Stream::Output, bytes).await?)
    }

    /// Sends the byte that makes the client continue.
    pub(super) async fn ok(&self) -> Result<(), ScpAbort> {
        self.send(&b"\0"[..]).await
    }

    /// Sends an error message, after which the client continues.
    pub(super) async fn error(&mut self, sentence: &[u8]) -> Result<(), ScpAbort> {
        self.errors += 1;
        // The message must be one line, both in the protocol and on the client's terminal.
        let shown: Vec<u8> = sentence
            .iter()
            .map(|&b| if b.is_ascii_control() { b'?' } else { b })
            .collect();
        self.send([&b"\x01scp: "[..], &shown, b"\n"].concat()).await
    }

    /// Sends an error, and ends scp.
    pub(super) async fn fatal(&mut self, sentence: &[u8]) -> Result<(), ScpAbort> {
        self.error(sentence).await?;
        Err(ScpAbort::Failed)
    }

    /// Sends an error about a file or directory.
    pub(super) async fn error_about(&mut self, name: &[u8], reason: &str) -> Result<(), ScpAbort> {
        self.error(&[name, b": ", reason.as_bytes()].concat()).await
    }

    /// Reads the client's response; returns whether it continues with this file.
    pub(super) async fn answer(&mut self) -> Result<bool, ScpAbort> {
        match self.io.input.byte().await? {
            Some(0) => Ok(true),
            Some(kind) => {
                // Its message is for the client's user, who has seen it.
                let _ = self.io.input.line(MAX_LINE).await?;
                self.errors += 1;
                match kind {
                    1 => Ok(false),
                    _ => Err(ScpAbort::Failed),
                }
            }
            None => Err(ScpAbort::Failed),
        }
    }
}
